package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
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

// saveFigures draws figures with their words in a language, and saves them as [plots.Save] does.
func saveFigures(l words.Language, dir string, drawings ...plots.Drawing) ([]string, error) {
	if l != words.English {
		book := l.NewPhrasebook()
		drawings = slices.Clone(drawings)
		for i, drawing := range drawings {
			drawings[i].Draw = func() (*figure.Figure, error) {
				f, err := drawing.Draw()
				if err != nil {
					return nil, err
				}
				return f.Translated(book.Translate)
			}
		}
	}
	return plots.Save(dir, drawings...)
}

// confusion is the figure of a network's confusion matrix on the test images.
func confusion(network string, set *datasource.Set, result *infer.Result) plots.Drawing {
	return plots.Drawing{Name: "confusion", Draw: func() (*figure.Figure, error) {
		return plots.Confusion(network+": confusion matrix", set.Caption(), result)
	}}
}
