// Package notebook is what the cells of the course's notebooks show things with: figures,
// tables, and trainings that can be watched.
//
// A cell of a GoNB notebook is a program of its own: what one cell leaves for the next is
// on disk. So [Show] keeps every figure in figures/, and [Train] its run in runs/course/,
// where [Trained] finds it again, in another cell or another notebook.
//
// Cells are to be short, and so, unlike the rest of the project, functions here do not
// return errors: they end the cell with the error in a line, as [Must] does. Outside of a
// notebook, as in go run and in tests, everything is written to the standard output.
package notebook

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/gomlx/compute"
	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/shapes10"
)

// Must returns value, or ends the cell with the error in a line.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// Check ends the cell with the error in a line, unless it is nil.
func Check(err error) {
	if err == nil {
		return
	}
	flush()
	fmt.Fprintln(os.Stderr, printable.Line(err.Error()))
	os.Exit(1)
}

// flush waits until what was shown has reached the notebook.
func flush() {
	if gonbui.IsNotebook {
		gonbui.Sync()
	}
}

// Root returns the folder of the checkout, which is the working folder or one above it.
func Root() string {
	root, err := checkout.Root(".")
	if err != nil {
		err = fmt.Errorf("%w; open the notebook in the folder notebooks of a checkout", err)
	}
	return Must(root, err)
}

// Context returns a context that ends when the cell is interrupted.
var Context = sync.OnceValue(func() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	return ctx
})

// Backend returns the backend that networks run on: that of package backend's choice.
var Backend = sync.OnceValue(func() compute.Backend { return Must(backend.New(backend.Auto)) })

// Reference returns GoMLX's own Go backend: slow, and with each operation as it is written.
var Reference = sync.OnceValue(func() compute.Backend { return Must(backend.New("go")) })

// Images returns so many training and test images, of CIFAR-10 if it is in the cache,
// otherwise of the built-in set; nothing is downloaded. It says which they are, once in a
// notebook.
func Images(training, test int) *datasource.Set {
	set := Must(datasource.Open(Context(), datasource.Cached, datasource.Options{Subset: fmt.Sprintf("%d,%d", training, test)}))
	text := fmt.Sprintf("Images: %d for training, %d for testing, of CIFAR-10.", set.Training.Len(), set.Test.Len())
	if set.Spec == datasource.Builtin {
		text = fmt.Sprintf("Images: %d for training, %d for testing, of %s, drawn on the spot. Nothing below is a result on CIFAR-10.",
			set.Training.Len(), set.Test.Len(), shapes10.Name)
	}
	if first(text) {
		fmt.Println(text)
	}
	return set
}

// first reports whether the text is new in this notebook, whose kernel has a folder of
// its own while it runs.
func first(text string) bool {
	dir := os.Getenv(protocol.GONB_TMP_DIR_ENV)
	if dir == "" {
		return true
	}
	path := filepath.Join(dir, "said.txt")
	said, err := os.ReadFile(path)
	if err == nil && strings.Contains(string(said), text+"\n") {
		return false
	}
	_ = os.WriteFile(path, []byte(string(said)+text+"\n"), 0o600) // else it is said twice
	return true
}

// OutputVariable is the environment variable that names a folder for figures and runs, in
// place of the checkout: for tests, which are to leave the checkout as it is.
const OutputVariable = "RESIDUAL_COURSE_OUTPUT"

// output returns the folder that has the folders figures and runs.
func output() string {
	if dir := os.Getenv(OutputVariable); dir != "" {
		return dir
	}
	return Root()
}

// Show shows the figure and saves it as figures/name.png.
func Show(name string, f *figure.Figure) {
	path := filepath.Join(output(), "figures", name+".png")
	Check(os.MkdirAll(filepath.Dir(path), 0o755))
	Check(f.Save(path))
	if !gonbui.IsNotebook {
		fmt.Printf("figure: figures/%s.png\n", name)
		return
	}
	var png bytes.Buffer
	Check(f.Encode(&png, "png"))
	width, height := f.Size()
	gonbui.SendData(&protocol.DisplayData{
		Data: map[protocol.MIMEType]any{
			protocol.MIMEImagePNG:  png.Bytes(),
			protocol.MIMETextPlain: "figures/" + name + ".png",
		},
		// A PNG has two dots to the pixel: without this it would show at twice its size.
		Metadata: map[string]any{"image/png": map[string]int{"width": width, "height": height}},
	})
	flush()
}

// Table shows rows under a header. A first column reads from the left, numbers after it
// from the right.
func Table(header []string, rows ...[]string) {
	if gonbui.IsNotebook {
		gonbui.DisplayHTML(tableHTML(header, rows))
		flush()
		return
	}
	writeTable(os.Stdout, header, rows)
}

func tableHTML(header []string, rows [][]string) string {
	var b strings.Builder
	row := func(tag string, cells []string) {
		b.WriteString("<tr>")
		for i, cell := range cells {
			align := "right"
			if i == 0 {
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
	first := utf8.RuneCountInString(header[0])
	for _, cells := range rows {
		first = max(first, utf8.RuneCountInString(cells[0]))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range append([][]string{header}, rows...) {
		padding := strings.Repeat(" ", first-utf8.RuneCountInString(cells[0]))
		fmt.Fprintln(table, strings.Join(append([]string{cells[0] + padding}, cells[1:]...), "\t")+"\t")
	}
	table.Flush()
}
