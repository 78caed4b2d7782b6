package notebook

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/notebook/origin"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/figure"
)

// showVariable makes the test below show a figure.
const showVariable = "RESIDUAL_TEST_SHOW"

// TestShowInLanguages: a figure is shown in the language of the notebook, and each language has a folder of its own.
func TestShowInLanguages(t *testing.T) {
	if os.Getenv(showVariable) != "" {
		f, err := figure.Curves("What they look like", "depth", "qwerty", []figure.Curve{{Name: "resnet20, test", Y: []float64{1, 2, 3}}}, figure.Caption("frog"))
		Show("1-x", Must(f, err))
		return
	}
	show := func(t *testing.T, folder string, environment ...string) (dir, printed string) {
		t.Helper()
		dir = t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestShowInLanguages$")
		if cmd.Dir = folder; !filepath.IsAbs(folder) {
			cmd.Dir = filepath.Join(Root(), "notebooks", folder)
		}
		cmd.Env = append(os.Environ(), append([]string{showVariable + "=1", OutputVariable + "=" + dir, words.Variable + "="}, environment...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return dir, string(out)
	}
	files := func(dir string) []string {
		var all []string
		for _, pattern := range []string{"figures/*.png", "figures/zh/*"} {
			found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range found {
				relative, _ := filepath.Rel(dir, path)
				all = append(all, filepath.ToSlash(relative))
			}
		}
		return all
	}
	content := func(dir, file string) []byte {
		read, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		return read
	}

	english, printed := show(t, "")
	if got := strings.Join(files(english), " "); got != "figures/1-x.png" || !strings.Contains(printed, "figure: figures/1-x.png\n") {
		t.Errorf("an English notebook writes %s and prints %s", got, printed)
	}
	both, _ := show(t, "", BothVariable+"=1")
	if got, want := strings.Join(files(both), " "), "figures/1-x.png figures/zh/1-x.png figures/zh/untranslated.txt"; got != want {
		t.Errorf("in both languages: %s, want %s", got, want)
	}
	if got, want := string(content(both, "figures/zh/untranslated.txt")), "1-x: \"qwerty\"\n"; got != want {
		t.Errorf("untranslated: %s, want %s", got, want)
	}
	if !bytes.Equal(content(both, "figures/1-x.png"), content(english, "figures/1-x.png")) {
		t.Error("the English figure differs")
	}
	for name, c := range map[string]struct{ folder, variable string }{"in the folder zh": {"zh", ""}, "with RESIDUAL_LANG": {"", "zh"}} {
		dir, printed := show(t, c.folder, words.Variable+"="+c.variable, BothVariable+"=")
		if got := strings.Join(files(dir), " "); got != "figures/zh/1-x.png" || !strings.Contains(printed, "figure: figures/zh/1-x.png\n") {
			t.Errorf("%s: writes %s and prints %s", name, got, printed)
			continue
		}
		chinese := content(dir, "figures/zh/1-x.png")
		marked, err := origin.Mark(chinese, content(english, "figures/1-x.png"))
		if err != nil || !bytes.Equal(marked, content(both, "figures/zh/1-x.png")) {
			t.Errorf("%s: the figure is not the one that both languages write, apart from its mark (%v)", name, err)
		}
		if bytes.Equal(chinese, content(english, "figures/1-x.png")) {
			t.Errorf("%s: the figure is English", name)
		}
	}
	for _, variable := range []string{"", "zh"} { // without a checkout, figures have words all the same
		if dir, _ := show(t, t.TempDir(), words.Variable+"="+variable); len(files(dir)) != 1 {
			t.Errorf("outside a checkout, with RESIDUAL_LANG=%s: writes %s", variable, files(dir))
		}
	}
	if dir, _ := show(t, "zh", words.Variable+"=en"); strings.Join(files(dir), " ") != "figures/1-x.png" {
		t.Errorf("a Chinese notebook with RESIDUAL_LANG=en writes %s", files(dir))
	}
}

// TestBook: the words of the figure's own notebook come first, then those of the others.
func TestBook(t *testing.T) {
	for figure, want := range map[string]string{"1-x": "参数", "8-x": "参数个数"} {
		if got := book(figure).Translate("parameters"); got != want {
			t.Errorf("%s: %q, want %q", figure, got, want)
		}
		if got := book(figure).Translate("resnet20, block removed, from input to output"); got != "resnet20, block removed, from input to output" {
			t.Errorf("%s: %q", figure, got)
		}
		if got := book(figure).Translate("block removed, from input to output"); got != "拿掉的块，从输入到输出" {
			t.Errorf("%s: %q, which is one of notebook 7's", figure, got)
		}
	}
}
