package checkout

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRoot(t *testing.T) {
	parent := t.TempDir()
	course := filepath.Join(parent, "course")
	if err := os.MkdirAll(filepath.Join(course, "a", "b", "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, text := range map[string]string{
		parent: "module " + Module + "/other\n",
		course: "// The course.\nmodule " + Module + " // v1\n\ngo 1.26\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{course, filepath.Join(course, "a", "b")} {
		if got, err := Root(dir); err != nil || got != course {
			t.Errorf("from %s: %s, %v", dir, got, err)
		}
	}
	if got, err := Root(parent); !errors.Is(err, ErrOutside) || !strings.Contains(err.Error(), parent+" is not in a checkout of the course") {
		t.Errorf("outside the course: %q, %v", got, err)
	}
}
