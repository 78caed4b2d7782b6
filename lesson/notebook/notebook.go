// Package notebook has the helpers for the cells of the course's notebooks: they show figures
// and tables and train networks with a live display.
//
// Each cell of a GoNB notebook runs as a program of its own, so cells share data on disk.
// [Show] saves every figure in figures/. [Train] keeps its run in runs/course/, where
// [Trained] finds it again, from another cell or another notebook.
//
// Cells should be short. Functions here therefore do not return errors, unlike in the rest of
// the project: like [Must], they print the error and end the cell. Outside a notebook, as in
// tests, output goes to the standard output.
package notebook

import (
	"context"
	"fmt"
	"html"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/gomlx/compute"
	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/shapes10"
)

// Must returns value. If err is not nil, Must prints it and ends the cell.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// Check prints err and ends the cell, unless err is nil.
func Check(err error) {
	if err == nil {
		return
	}
	flush()
	fmt.Fprintln(os.Stderr, printable.Line(err.Error()))
	os.Exit(1)
}

// flush waits until the notebook has received all output so far.
func flush() {
	if gonbui.IsNotebook {
		gonbui.Sync()
	}
}

// Root returns the root folder of the checkout that contains the working directory.
func Root() string {
	root, err := checkout.Root(".")
	if err != nil {
		err = fmt.Errorf("%w; open the notebook in the notebooks folder of a checkout", err)
	}
	return Must(root, err)
}

// Context returns a context that is cancelled when the cell is interrupted.
var Context = sync.OnceValue(func() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	return ctx
})

// Backend returns the backend that networks run on, as chosen by package backend.
var Backend = sync.OnceValue(func() compute.Backend { return Must(backend.New(backend.Auto)) })

// Reference returns GoMLX's own Go backend, which is slow but runs every operation as written.
var Reference = sync.OnceValue(func() compute.Backend { return Must(backend.New("go")) })

// DataVariable is the environment variable that names other images for the notebooks, as the
// flag --data of the lesson command does: a folder with CIFAR-10's files, or "builtin".
const DataVariable = "RESIDUAL_COURSE_DATA"

// Images returns the given numbers of training and test images, from CIFAR-10 if it is in the
// cache and from the built-in set otherwise, unless [DataVariable] names others. It downloads
// nothing. The first call in a notebook prints which images they are.
func Images(training, test int) *datasource.Set {
	spec := datasource.Cached
	if other := os.Getenv(DataVariable); other != "" {
		spec = other
	}
	set := Must(datasource.Open(Context(), spec, datasource.Options{Subset: fmt.Sprintf("%d,%d", training, test)}))
	text := fmt.Sprintf("Images: %d for training, %d for testing, from %s.", set.Training.Len(), set.Test.Len(), set.Name())
	if set.Spec == datasource.Builtin {
		text = fmt.Sprintf("Images: %d for training, %d for testing, from %s, drawn on the spot. What is measured on them is not a result on CIFAR-10.",
			set.Training.Len(), set.Test.Len(), shapes10.Name)
	}
	if first(text) {
		Say(text)
	}
	return set
}

// first reports whether the notebook has not yet printed the text. It remembers texts in the
// folder that the notebook's kernel has while it runs.
func first(text string) bool {
	dir := os.Getenv(protocol.GONB_TMP_DIR_ENV)
	if dir == "" {
		return true
	}
	if printed(text) {
		return false
	}
	path := filepath.Join(dir, printedFile)
	before, _ := os.ReadFile(path)
	_ = os.WriteFile(path, []byte(string(before)+text+"\n"), 0o600) // if this fails, the text is printed twice
	return true
}

// printed reports whether an earlier cell of the notebook has printed the text.
func printed(text string) bool {
	before, err := os.ReadFile(filepath.Join(os.Getenv(protocol.GONB_TMP_DIR_ENV), printedFile))
	return os.Getenv(protocol.GONB_TMP_DIR_ENV) != "" && err == nil && strings.Contains(string(before), text+"\n")
}

const printedFile = "printed.txt"

// OutputVariable is the environment variable that names a folder for figures and runs, instead
// of the checkout. Tests set it to leave the checkout unchanged.
const OutputVariable = "RESIDUAL_COURSE_OUTPUT"

// output returns the folder that contains the folders figures and runs.
func output() string {
	if dir := os.Getenv(OutputVariable); dir != "" {
		return dir
	}
	return Root()
}

// Show shows the figure and saves it as figures/name.png. In a Chinese notebook its words are Chinese,
// where they are known, and it is saved as figures/zh/name.png.
func Show(name string, f *figure.Figure) {
	f = Must(localized(name, f))
	content, file := encoded(f), Figures(language())+"/"+name+".png"
	path := filepath.Join(output(), filepath.FromSlash(file))
	Check(os.MkdirAll(filepath.Dir(path), 0o755))
	Check(atomicfile.WriteBytes(path, content))
	if os.Getenv(BothVariable) != "" && language() == words.English {
		saveChinese(name, f, content)
	}
	if !gonbui.IsNotebook {
		fmt.Printf("figure: %s\n", file)
		return
	}
	width, height := f.Size()
	gonbui.SendData(&protocol.DisplayData{
		Data: map[protocol.MIMEType]any{
			protocol.MIMEImagePNG:  content,
			protocol.MIMETextPlain: file,
		},
		// The PNG has two dots per pixel. Without this it would appear at twice its size.
		Metadata: map[string]any{"image/png": map[string]int{"width": width, "height": height}},
	})
	flush()
}

// Say prints texts, each on a line, in the language of the notebook.
func Say(texts ...string) {
	for _, text := range texts {
		fmt.Println(language().Printed(text))
	}
}

// Table shows rows under a header, in the language of the notebook. The first column and columns of text are
// aligned left, all others right.
func Table(header []string, rows ...[]string) {
	header, rows = inLanguage(language(), header, rows)
	if gonbui.IsNotebook {
		gonbui.DisplayHTML(tableHTML(header, rows))
		flush()
		return
	}
	writeTable(os.Stdout, header, rows)
}

// inLanguage returns a table with the cells translated that the course's packages have written. Those of a
// Chinese notebook itself are Chinese.
func inLanguage(l words.Language, header []string, rows [][]string) ([]string, [][]string) {
	if l == words.English {
		return header, rows
	}
	book := l.NewPhrasebook()
	translated := func(cells []string) []string {
		cells = slices.Clone(cells)
		for i, cell := range cells {
			cells[i] = book.Translate(cell)
		}
		return cells
	}
	all := make([][]string, len(rows))
	for i, cells := range rows {
		all[i] = translated(cells)
	}
	return translated(header), all
}

// isLeft reports whether a column of a table is aligned left: the first one, and those with text, in which some
// cells begin with a letter, and none with a digit or a sign.
func isLeft(rows [][]string, column int) bool {
	if column == 0 {
		return true
	}
	text := false
	for _, cells := range rows {
		if column >= len(cells) {
			continue
		}
		first, _ := utf8.DecodeRuneInString(cells[column])
		switch {
		case unicode.IsLetter(first):
			text = true
		case unicode.IsDigit(first), strings.ContainsRune("+-−", first):
			return false
		}
	}
	return text
}

func tableHTML(header []string, rows [][]string) string {
	var b strings.Builder
	row := func(tag string, cells []string) {
		b.WriteString("<tr>")
		for i, cell := range cells {
			align := "right"
			if isLeft(rows, i) {
				align = "left"
			}
			fmt.Fprintf(&b, `<%s style="text-align:%s">%s</%s>`, tag, align, html.EscapeString(cell), tag)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("<table>\n<thead>")
	row("th", header)
	b.WriteString("</thead>\n<tbody>\n")
	for _, cells := range rows {
		row("td", cells)
	}
	b.WriteString("</tbody>\n</table>")
	return b.String()
}

func writeTable(w io.Writer, header []string, rows [][]string) {
	lines := append([][]string{header}, rows...)
	widths := make([]int, len(header)) // of what is aligned left, or 0
	for i := range header {
		if !isLeft(rows, i) {
			continue
		}
		for _, cells := range lines {
			if i < len(cells) {
				widths[i] = max(widths[i], aligned.Width(cells[i]))
			}
		}
	}
	table := aligned.Right(w, 2)
	for _, cells := range lines {
		for i, cell := range cells {
			if i < len(widths) {
				cell = aligned.Pad(cell, widths[i])
			}
			fmt.Fprint(table, cell+"\t")
		}
		fmt.Fprintln(table)
	}
	table.Flush()
}
