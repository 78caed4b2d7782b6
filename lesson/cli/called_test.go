package cli

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/words"
)

func TestCalledInACheckout(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module "+checkout.Module+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{
		".": "go run ./lesson", "lesson": "go run .", "lesson/cli": "go run ..", "runs/one": "go run ../../lesson",
	} {
		here := filepath.Join(root, filepath.FromSlash(folder))
		if err := os.MkdirAll(here, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Chdir(here)
		if got := asCalled("try go run ./lesson train"); got != "try "+want+" train" {
			t.Errorf("in %s of the checkout: %s, want try %s train", folder, got, want)
		}
	}
}

func TestCalledOutside(t *testing.T) {
	at := func(version string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}}
	}
	for _, test := range []struct {
		program string
		info    *debug.BuildInfo
		want    string
	}{
		{"/home/a/go/bin/lesson", at("v1.2.0"), "lesson"},
		{"/tmp/copy", nil, "lesson"},
		{"", nil, "lesson"},
		{"/opt/exe/lesson", at("(devel)"), "lesson"},
		{"/tmp/go-build12/b001/exe/lesson", at("v1.2.0"), "go run github.com/residual-go/residual/lesson@v1.2.0"},
		{"/tmp/go-build12/b001/exe/lesson", at("(devel)"), "go run github.com/residual-go/residual/lesson@latest"},
		{"/tmp/go-build12/b001/exe/lesson", nil, "go run github.com/residual-go/residual/lesson@latest"},
	} {
		if got := outsideCheckout(test.program, test.info); got != test.want {
			t.Errorf("%s: %s, want %s", test.program, got, test.want)
		}
	}
}

// Outside a checkout no text tells people to run a folder that they do not have.
func TestNoGoRunOutside(t *testing.T) {
	t.Chdir(t.TempDir())
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		help := cmd.Long + cmd.Example + cmd.UsageString()
		if strings.Contains(help, "go run ./") {
			t.Errorf("the help of %s says go run:\n%s", cmd.CommandPath(), help)
		}
		if cmd.Example != "" && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("the examples of %s do not call it:\n%s", cmd.CommandPath(), cmd.Example)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(Command())
	var closing strings.Builder
	ending(words.English, &closing, nil, "go run ./lesson eval --run a")
	if got, want := closing.String(), "\nTry next:\n  lesson eval --run a\n"; got != want {
		t.Errorf("the closing lines are %q, want %q", got, want)
	}
	if _, err := checkout.Root("."); !strings.Contains(Message(words.English, err), "git clone https://github.com/residual-go/residual") {
		t.Errorf("outside a checkout: %s, want it to say how to get the course", Message(words.English, err))
	}
}
