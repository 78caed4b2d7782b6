package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamplesParse checks that every example in the help and in the READMEs names a command that exists,
// with flags and arguments that it takes.
func TestExamplesParse(t *testing.T) {
	const call = "go run ./lesson "
	var examples []string
	var collect func(*cobra.Command)
	collect = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			examples = append(examples, line)
		}
		for _, sub := range cmd.Commands() {
			collect(sub)
		}
	}
	collect(Command())
	inHelp := len(examples)
	for _, page := range []string{"README.md", "lesson/TEACHING.md", "notebooks/README.md", "lesson/recorded/README.md"} {
		content, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(page)))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			if line = strings.TrimPrefix(line, "$ "); strings.HasPrefix(line, call) {
				examples = append(examples, line)
			}
		}
	}
	if inHelp < 20 || len(examples) < inHelp+10 {
		t.Fatalf("%d examples in the help and %d elsewhere, want more", inHelp, len(examples)-inHelp)
	}
	for _, example := range examples {
		_, line, found := strings.Cut(example, call)
		if !found {
			continue // such as curl
		}
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, " > ")
		line, _, _ = strings.Cut(line, " | ")
		cmd, args, err := Command().Find(strings.Fields(strings.TrimSpace(line)))
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(example), err)
		}
	}
}
