package plots

import (
	"bytes"
	"encoding/json"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// writeRun creates the folder of a run as training leaves it: two epochs of four steps,
// metrics recorded every two steps, with or without test results.
func writeRun(t *testing.T, name string, tested bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	r, err := recipe.ByName("fast")
	if err != nil {
		t.Fatal(err)
	}
	r.Epochs = 2
	writeJSON(t, filepath.Join(dir, "recipe.json"), r)
	var lines []any
	for _, step := range []int{2, 4, 6, 8} {
		line := run.Metrics{Kind: run.StepLine, Step: step, StepsPerEpoch: 4, Loss: 3 - float64(step)/10, Accuracy: 0.1}
		lines = append(lines, line)
		if step%4 == 0 {
			line.Kind, line.Epoch, line.Accuracy = run.EpochLine, step/4, 0.3
			if tested {
				loss, top1 := 2.5, 0.2
				line.TestLoss, line.TestTop1 = &loss, &top1
			}
			lines = append(lines, line)
		}
	}
	writeJSON(t, filepath.Join(dir, "metrics.jsonl"), lines...)
	return dir
}

// writeJSON writes one value per line.
func writeJSON(t *testing.T, path string, values ...any) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	for _, value := range values {
		if err := json.NewEncoder(&content).Encode(value); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, content.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, dir string) *History {
	t.Helper()
	h, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// svg returns the figure as SVG text.
func svg(t *testing.T, f *figure.Figure, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := f.Encode(&text, "svg"); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestRead(t *testing.T) {
	h := mustRead(t, writeRun(t, "one", true))
	if h.Name != "resnet20" || len(h.Steps) != 4 || len(h.Epochs) != 2 || h.StepsPerEpoch != 4 || h.TotalSteps != 8 {
		t.Errorf("read %q with %d step and %d epoch lines, %d steps per epoch, %d in total; want resnet20 with 4, 2, 4 and 8",
			h.Name, len(h.Steps), len(h.Epochs), h.StepsPerEpoch, h.TotalSteps)
	}
	// The recipe "fast" has a one-cycle schedule with a peak of 0.4, which starts at 0.04·0.4.
	if got := h.LearningRate(0); math.Abs(got-0.016) > 1e-12 {
		t.Errorf("the first learning rate is %g, want 0.016", got)
	}
	if got := h.LearningRate(7); got > 1e-5 {
		t.Errorf("the last learning rate is %g, want nearly 0", got)
	}
}

func TestReadErrors(t *testing.T) {
	empty := t.TempDir()
	fresh, none := writeRun(t, "fresh", true), writeRun(t, "none", true)
	if err := os.Remove(filepath.Join(fresh, "metrics.jsonl")); err != nil {
		t.Fatal(err)
	}
	writeJSON(t, filepath.Join(none, "metrics.jsonl"))
	damaged := writeRun(t, "damaged", true)
	path := filepath.Join(damaged, "metrics.jsonl")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("{\"kind\":}\n"), content...), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		empty: "is not a run folder", fresh: "no metrics yet", none: "no metrics yet", damaged: "metrics.jsonl, line 1",
	} {
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want an error with %q and the name of the folder", err, want)
		}
	}
}

func TestCurvesAreLabelled(t *testing.T) {
	tested, untested := mustRead(t, writeRun(t, "a", true)), mustRead(t, writeRun(t, "b", false))
	tested.Name, untested.Name = "first", "second"
	for name, draw := range map[string]func(string, string, ...*History) (*figure.Figure, error){"loss": Loss, "accuracy": Accuracy} {
		f, err := draw("A title", "data: none", tested, untested)
		text := svg(t, f, err)
		for _, want := range []string{"A title", "data: none", "first, training", "first, test", "second, training", ">epoch<", ">" + name + "<"} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s figure does not contain %q", name, want)
			}
		}
		if strings.Contains(text, "second, test") {
			t.Errorf("the %s figure shows test results of a run that has none", name)
		}
		if name == "accuracy" && !strings.Contains(text, "%<") {
			t.Error("the accuracy is not in percent")
		}
	}
	f, err := Schedule("Rates", tested)
	if text := svg(t, f, err); !strings.Contains(text, "learning rate") || !strings.Contains(text, "first") {
		t.Error("the schedule does not name its axis and its run")
	}
}

// The two curves of a run have the colour of its network, so they must differ in width and dash.
func TestTrainingAndTestDiffer(t *testing.T) {
	h := mustRead(t, writeRun(t, "a", true)) // of a resnet20
	const blue = "#3F9BD8"
	for name, draw := range map[string]func(string, string, ...*History) (*figure.Figure, error){"loss": Loss, "accuracy": Accuracy} {
		f, err := draw("", "", h)
		lines := regexp.MustCompile(`stroke:`+blue+`;stroke-width:([0-9.]+)(;stroke-dasharray)?`).FindAllStringSubmatch(svg(t, f, err), -1)
		dashed, solid := map[string]bool{}, map[string]bool{}
		for _, line := range lines {
			if line[2] == "" {
				solid[line[1]] = true
			} else {
				dashed[line[1]] = true
			}
		}
		if len(dashed) != 1 || len(solid) != 1 || slices.Collect(maps.Keys(dashed))[0] == slices.Collect(maps.Keys(solid))[0] {
			t.Errorf("the %s figure has dashed lines of widths %v and solid ones of %v, want a thin dashed one for training and a bold solid one for test", name, dashed, solid)
		}
	}
}

// Epochs too short to record metrics by step still have a training loss.
func TestLossOfShortEpochs(t *testing.T) {
	h := mustRead(t, writeRun(t, "a", false))
	h.Steps = nil
	f, err := Loss("", "", h)
	if text := svg(t, f, err); !strings.Contains(text, "resnet20, training") {
		t.Error("the figure has no training loss")
	}
}

func dots() *dataset.Images {
	return &dataset.Images{Name: "dots", Classes: []string{"red", "green", "blue"}, Height: 1, Width: 1,
		Pixels: []byte{255, 0, 0, 0, 255, 0, 250, 0, 0, 245, 0, 0}, Labels: []int32{0, 1, 0, 0}}
}

func TestGuesses(t *testing.T) {
	result := &infer.Result{Classes: []string{"red", "green", "blue"}, Guesses: []int{0, 2, 0, 1}}
	f, err := Guesses("Guesses", "data: dots", dots(), result, 3)
	text := svg(t, f, err)
	for _, want := range []string{"1 of 3 wrong", "→ blue", "→ red", ">green<", "data: dots"} {
		if !strings.Contains(text, want) {
			t.Errorf("the figure does not contain %q", want)
		}
	}
	if strings.Contains(text, "→ green") {
		t.Error("the figure has a fourth image, want three")
	}
}

func TestWorst(t *testing.T) {
	// The probabilities of the labels are 1/2, 1/4, 1 and 1/8.
	result := &infer.Result{Classes: []string{"red", "green", "blue"}, Guesses: []int{0, 2, 0, 1},
		Losses: []float64{math.Log(2), math.Log(4), 0, math.Log(8)}}
	f, err := Worst("Worst", "data: dots", dots(), result, 2)
	text := svg(t, f, err)
	first, second := strings.Index(text, "12.5%"), strings.Index(text, "25.0%")
	if first < 0 || second < 0 || strings.Contains(text, "50.0%") {
		t.Errorf("want the images with probabilities 12.5%% and 25%%, and no others")
	}
	if first > second {
		t.Error("the worst image is not first")
	}
}

func TestSamples(t *testing.T) {
	f, err := Samples("dots", "data: dots", dots(), 2)
	text := svg(t, f, err)
	// Two of the three red images, the only green one, and no blue one.
	if got := strings.Count(text, "<image"); got != 3 {
		t.Errorf("%d images, want 3", got)
	}
	if strings.Count(text, ">red<") != 2 || strings.Count(text, ">green<") != 1 || strings.Contains(text, ">blue<") {
		t.Error("want two red images, a green one and no blue one")
	}
	if _, err := Samples("", "", dots().First(0), 2); err == nil {
		t.Error("no error without images")
	}
}

func TestConfusion(t *testing.T) {
	result := &infer.Result{Classes: []string{"red", "green"}, Confusion: [][]int{{3, 1}, {0, 2}}, Correct: 5, Total: 6}
	f, err := Confusion("Mistakes", "data: dots", result)
	text := svg(t, f, err)
	for _, want := range []string{"Mistakes", "data: dots", "5 of 6", ">red<"} {
		if !strings.Contains(text, want) {
			t.Errorf("the figure does not contain %q", want)
		}
	}
}

func TestSave(t *testing.T) {
	drawing := Drawing{"dots", func() (*figure.Figure, error) { return Samples("dots", "", dots(), 2) }}
	dir := filepath.Join(t.TempDir(), "new", "folder")
	paths, err := Save(dir, drawing)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "dots.png"), filepath.Join(dir, "dots.svg")}; !slices.Equal(paths, want) {
		t.Errorf("saved %q, want %q", paths, want)
	}
	file, err := os.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := png.Decode(file); err != nil {
		t.Error(err)
	}
	if _, err := Save(filepath.Join(paths[0], "folder"), drawing); err == nil {
		t.Error("no error for a folder inside a file")
	}
}

// Networks have the colours of the course's code as long as these tell them apart.
func TestStyles(t *testing.T) {
	named := func(names ...string) (networks []resnet.Config) {
		for _, name := range names {
			network, err := resnet.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			networks = append(networks, network)
		}
		return networks
	}
	palette := []figure.Style{{Color: 1}, {Color: 2}}
	for name, c := range map[string]struct {
		networks []resnet.Config
		want     []figure.Style
	}{
		"four of the course": {named("plain20", "plain56", "resnet20", "resnet110"), []figure.Style{
			figure.NetworkStyle(figure.Plain, figure.Shallow), figure.NetworkStyle(figure.Plain, figure.Deep),
			figure.NetworkStyle(figure.Residual, figure.Shallow), figure.NetworkStyle(figure.Residual, figure.Deepest)}},
		"the same network twice": {named("resnet20", "resnet20"), palette},
		"depths that look alike": {named("resnet20", "resnet18"), palette},
		"an unknown network":     {append(named("plain56"), resnet.Config{}), palette},
	} {
		if got := Styles(c.networks...); !slices.Equal(got, c.want) {
			t.Errorf("%s: the styles are %v, want %v", name, got, c.want)
		}
	}
}

// Every word that figures of runs have can be translated.
func TestTranslated(t *testing.T) {
	translate := func(english string) string { return strings.NewReplacer("a", "á", ", ", "，").Replace(english) }
	history := mustRead(t, writeRun(t, "run", true))
	history.Name = "plain20"
	result := &infer.Result{Classes: []string{"cat", "猫"}, Confusion: [][]int{{3, 1}, {0, 2}}, Correct: 5, Total: 6}
	for _, c := range []struct {
		draw func() (*figure.Figure, error)
		want []string
	}{
		{func() (*figure.Figure, error) { return Loss("", "data", history) }, []string{">pláin20，tráining<", ">pláin20，test<", ">dátá<"}},
		{func() (*figure.Figure, error) { return Accuracy("", "", history) }, []string{">pláin20，tráining<", ">áccurácy<"}},
		{func() (*figure.Figure, error) { return Schedule("", history) }, []string{">leárning ráte<", ">pláin20<"}},
		{func() (*figure.Figure, error) { return Confusion("", "", result) }, []string{"5 of 6 sámples", ">true cláss<", ">cát<", ">猫<"}},
		{func() (*figure.Figure, error) {
			return Guesses("", "", dots(), &infer.Result{Guesses: []int{1, 0, 1}}, 2)
		}, []string{"frámed"}},
	} {
		f, err := c.draw()
		if err == nil {
			f, err = f.Translated(translate)
		}
		text := svg(t, f, err)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
	}
}
