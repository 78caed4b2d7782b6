package notebook

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/notebook/origin"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/shapes10"
)

// BothVariable is the environment variable that, if set, makes an English notebook save every figure in
// Chinese too: in the folder of [Figures], marked as a translation of the English one (package origin).
// Texts of figures that have no Chinese words are listed in [UntranslatedFile] in that folder. The tool
// that runs the notebooks sets it, because the Chinese notebooks show the outputs of the English ones.
const BothVariable = "RESIDUAL_COURSE_BOTH"

// UntranslatedFile is the name of the list of texts that have no Chinese words.
const UntranslatedFile = "untranslated.txt"

// Figures returns the folder in the checkout for the figures of notebooks in a language. Chinese figures
// are in a folder of their own, so that they do not replace the English ones.
func Figures(l words.Language) string {
	if l == words.English {
		return "figures"
	}
	return "figures/" + string(l)
}

// language is that of the notebook: the one that RESIDUAL_LANG names, or Chinese in the folder of the Chinese
// notebooks.
var language = sync.OnceValue(func() words.Language {
	if name := os.Getenv(words.Variable); name != "" {
		chosen, _ := words.Parse(name) // English if it is another
		return chosen
	}
	if dir, err := os.Getwd(); err == nil && dir == chineseFolder() { // a copy elsewhere is taken for an English one
		return words.Chinese
	}
	return words.English
})

// chineseFolder is where the Chinese notebooks are, with files of their words. It is "" outside a
// checkout, where figures can be shown all the same if OutputVariable says where to save them.
func chineseFolder() string {
	root, err := checkout.Root(".")
	if err != nil {
		return ""
	}
	return filepath.Join(root, "notebooks", "zh")
}

// book returns the Chinese words for a figure. A figure is called after its notebook, such as 1-classes, and
// the words of that notebook come first, then those of all figures, then those of the other notebooks.
func book(figure string) *words.Phrasebook {
	number, _, _ := strings.Cut(figure, "-")
	var own, others []words.Phrase
	if folder := chineseFolder(); folder != "" {
		for _, path := range Must(filepath.Glob(filepath.Join(folder, "*.md"))) {
			list := &others
			if strings.HasPrefix(filepath.Base(path), number+"-") {
				list = &own
			}
			for line := range strings.Lines(string(Must(os.ReadFile(path)))) {
				if phrase, ok := words.ReadPhrase(strings.TrimSpace(line)); ok {
					*list = append(*list, phrase)
				}
			}
		}
	}
	book := words.Chinese.NewPhrasebook(own...)
	book.Add(others...)
	return book
}

// localized returns a figure in the language of the notebook.
func localized(name string, f *figure.Figure) (*figure.Figure, error) {
	if language() != words.Chinese {
		return f, nil
	}
	return f.Translated(book(name).Translate)
}

// saveChinese saves a figure in Chinese, as a translation of its PNG, and notes which texts have no Chinese words.
func saveChinese(name string, f *figure.Figure, english []byte) {
	book := book(name)
	var untranslated strings.Builder
	chinese := Must(f.Translated(func(text string) string {
		translated := book.Translate(text)
		if slices.ContainsFunc(words.Untranslated(translated), func(word string) bool { return !classes()[word] }) {
			fmt.Fprintf(&untranslated, "%s: %q\n", name, text)
		}
		return translated
	}))
	dir := filepath.Join(output(), filepath.FromSlash(Figures(words.Chinese)))
	Check(os.MkdirAll(dir, 0o755))
	Check(atomicfile.WriteBytes(filepath.Join(dir, name+".png"), Must(origin.Mark(encoded(chinese), english))))
	file := Must(os.OpenFile(filepath.Join(dir, UntranslatedFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644))
	_, err := file.WriteString(untranslated.String())
	Check(err)
	Check(file.Close())
}

// classes are the names of classes, which are the same in Chinese figures.
var classes = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for _, name := range slices.Concat(cifar.CIFAR10.Classes(), shapes10.Classes()) {
		names[name] = true
	}
	return names
})

// encoded returns a figure as PNG.
func encoded(f *figure.Figure) []byte {
	var png bytes.Buffer
	Check(f.Encode(&png, "png"))
	return png.Bytes()
}
