//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// calls matches go-xla's calls through the table, in Go and in its C code.
var calls = regexp.MustCompile(`(?:C\.call_|api->)(PJRT_\w+)\(`)

// goXLA returns the folder of go-xla's module.
func goXLA(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/go-xla").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(dir))
}

// TestTable compares the functions' places and the version with go-xla's header.
func TestTable(t *testing.T) {
	program := "#include <stddef.h>\n#include <stdio.h>\n#include \"pjrt_c_api.h\"\nint main(void) {\n" +
		"printf(\"%d.%d\\n\", PJRT_API_MAJOR, PJRT_API_MINOR);\n"
	want := fmt.Sprintf("%d.%d\n", major, minor)
	for _, f := range required {
		program += fmt.Sprintf("printf(\"%%zu %s\\n\", (offsetof(PJRT_Api, %s) - offsetof(PJRT_Api, PJRT_Error_Destroy)) / sizeof(void *));\n", f.name, f.name)
		want += fmt.Sprintf("%d %s\n", f.place, f.name)
	}
	program += "return offsetof(PJRT_Api, PJRT_Error_Destroy) == 2 * sizeof(size_t) + sizeof(PJRT_Api_Version) ? 0 : 1;\n}\n"

	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "table.c")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "table")
	if out, err := exec.Command(strings.TrimSpace(string(cc)), "-I", filepath.Join(goXLA(t), "pjrt"), "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	got, err := exec.Command(binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("go-xla's header has\n%s, want\n%s", got, want)
	}
}

// TestRequired checks that required lists every function that go-xla calls through the table, except
// those that its backend does not need.
func TestRequired(t *testing.T) {
	unneeded := map[string]bool{"PJRT_Client_Devices": true, "PJRT_Buffer_Bitcast": true}
	listed := map[string]bool{}
	for _, f := range required {
		listed[f.name] = true
	}
	files, err := filepath.Glob(filepath.Join(goXLA(t), "pjrt/*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("go-xla's files: %d, %v", len(files), err)
	}
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, match := range calls.FindAllStringSubmatch(string(source), -1) {
			name := match[1]
			found++
			if !listed[name] && !unneeded[name] {
				t.Errorf("%s calls %s, which required does not list", filepath.Base(file), name)
			}
		}
	}
	if found < len(required) {
		t.Errorf("found %d calls in go-xla, fewer than the %d required", found, len(required))
	}
}

func TestExamineDoesNotWaitForPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "plugin.so")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("skipping: no pipes here:", err)
	}
	answer := make(chan error, 1)
	go func() { answer <- Examine(pipe) }()
	select {
	case err := <-answer:
		if err == nil || err.Error() != "not a regular file" {
			t.Errorf("Examine of a pipe: error %v, want \"not a regular file\"", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Examine waits for a writer to the pipe")
	}
}
