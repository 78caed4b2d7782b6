package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/printable"
)

// printJSON writes a value as indented JSON.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// ending prints the last lines of a command: the files it wrote, if any, and what to try next.
func ending(l words.Language, w io.Writer, wrote []string, next ...string) {
	if len(wrote) > 0 {
		fmt.Fprintln(w, "\n"+l.Text("Wrote:"))
		for _, path := range wrote {
			fmt.Fprintln(w, "  "+printable.Escape(path))
		}
	}
	fmt.Fprintln(w, "\n"+l.Text("Try next:"))
	for _, command := range next {
		fmt.Fprintln(w, "  "+asCalled(command))
	}
}

// prepareFolder gets a folder ready for the files that a command writes at its end. It adds the
// remedy to the error.
func prepareFolder(dir, remedy string) error {
	if err := atomicfile.Prepare(dir); err != nil {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	return nil
}

// epochs returns a number of epochs, as in "1 epoch" and "2 epochs".
func epochs(l words.Language, n int) string {
	if n == 1 {
		return l.Text("1 epoch")
	}
	return l.Sprintf("%d epochs", n)
}

// quoted returns a path as one word for a shell, quoted if necessary.
func quoted(path string) string {
	special := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+,:@%=", r)
	}
	if path != "" && !strings.ContainsFunc(path, special) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// caption returns the caption of figures of the images.
func caption(l words.Language, set *datasource.Set) string {
	if l == words.English {
		return set.Caption()
	}
	if set.Spec == datasource.Builtin {
		return l.Sprintf("data: %s, drawn shapes, not CIFAR-10", set.Name())
	}
	return l.Sprintf("data: %s", set.Name())
}

// titled returns the title of a figure of a network, such as "resnet20: loss".
func titled(l words.Language, network, what string) string {
	return l.Sprintf("%s: %s", network, what)
}

// confusion is the figure of a network's confusion matrix on the test images.
func confusion(l words.Language, network string, set *datasource.Set, result *infer.Result) plots.Drawing {
	return plots.Drawing{Name: "confusion", Draw: func() (*figure.Figure, error) {
		return plots.Words(l.Text).Confusion(titled(l, network, l.Text("confusion matrix")), caption(l, set), result)
	}}
}
