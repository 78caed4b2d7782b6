package recorded

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/chapter/transfer"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// readSteps returns recorded steps and the README beside them.
func readSteps(t *testing.T, file string) (steps []transfer.Step, readme string) {
	t.Helper()
	steps, err := transfer.ReadSteps(filepath.Join(root, "article", file))
	if err != nil {
		t.Fatal(err)
	}
	return steps, readReadme(t, "article")
}

// checkStep checks that a step has its lines, and names the weights and their licence.
func checkStep(t *testing.T, s transfer.Step) {
	t.Helper()
	if !strings.HasPrefix(s.Recipe.Data, images) || s.Machine == "" || s.Backend == "" || s.Date == "" {
		t.Errorf("%s: data %q, machine %q, backend %q, date %q", s.Name, s.Recipe.Data, s.Machine, s.Backend, s.Date)
	}
	if !strings.Contains(s.Recipe.Start, "Martinez et al. 2021") || !strings.Contains(s.Licence, "not for commercial use") {
		t.Errorf("%s: weights %q, licence %q", s.Name, s.Recipe.Start, s.Licence)
	}
	epochs := s.Epochs()
	if len(epochs) == 0 {
		t.Errorf("%s has no epoch", s.Name)
		return
	}
	every := epochs[0].StepsPerEpoch / 100
	lines := 0
	for _, m := range s.Metrics {
		if m.Kind == run.StepLine && m.Epoch <= len(epochs) {
			lines++
		}
	}
	if lines != every*len(epochs) {
		t.Errorf("%s: %d lines in %d epochs, want %d in each", s.Name, lines, len(epochs), every)
	}
}

// The recorded steps are those of the program, each on top of those that were kept, and the README has
// their table.
func TestRecordedArticleSteps(t *testing.T) {
	steps, readme := readSteps(t, "steps.jsonl")
	config, err := resnet.ByName("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	config.Classes = 10
	plan, err := transfer.ArticleSteps(config, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != len(plan.Changes) {
		t.Fatalf("%d steps, want %d", len(steps), len(plan.Changes))
	}
	program := plan.Recipe
	program.Data, program.Start, program.Validation = steps[0].Recipe.Data, steps[0].Recipe.Start, 5000
	best := 0
	for i, s := range steps {
		checkStep(t, s)
		want := program
		if i > 0 && !s.Aside {
			want = steps[best].Recipe
		}
		plan.Changes[i].Apply(&want)
		if len(s.Rates) > 0 {
			want.LearningRate = s.Recipe.LearningRate
		}
		if changed := want.Differences(s.Recipe); s.Name != plan.Changes[i].Name || !s.Done() || len(changed) > 0 {
			t.Errorf("step %d, %s: %d epochs; differs in %v", i+1, s.Name, len(s.Epochs()), changed)
		}
		if m := s.Epochs()[0]; m.TestSplit != "validation" || m.TestImages != 5000 {
			t.Errorf("%s was judged on %d %s images", s.Name, m.TestImages, m.TestSplit)
		}
		if s.Kept {
			best = i
		}
	}
	for i, s := range steps {
		if tested := s.Test != nil; tested != (i == 0 || i == best) {
			t.Errorf("%s: the test images were read: %t", s.Name, tested)
		}
		if s.Test != nil && !strings.Contains(readme, fmt.Sprintf("%.2f%%", 100**s.Test)) {
			t.Errorf("the README lacks the %.2f%% of %s on test images", 100**s.Test, s.Name)
		}
	}
	header, rows := transfer.StepTable(steps)
	for _, cells := range append([][]string{header}, rows...) {
		if row := "| " + strings.Join(cells, " | ") + " |"; !strings.Contains(readme, row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
}

// The recorded run of the article's program is that program, and the README has its accuracies.
func TestRecordedArticleProgram(t *testing.T) {
	steps, readme := readSteps(t, "program.jsonl")
	if len(steps) != 1 {
		t.Fatalf("%d programs, want one", len(steps))
	}
	s := steps[0]
	checkStep(t, s)
	want, err := recipe.ByName("article")
	if err != nil {
		t.Fatal(err)
	}
	want.Model.Classes = 10
	want.Data, want.Start = images, s.Recipe.Start
	if changed := want.Differences(s.Recipe); len(changed) > 0 {
		t.Errorf("it differs from the article's in %v", changed)
	}
	for _, m := range s.Epochs() {
		if m.TestImages != 10000 || m.StepsPerEpoch != 782 {
			t.Errorf("epoch %d: %d steps and %d test images", m.Epoch, m.StepsPerEpoch, m.TestImages)
		}
		if row := fmt.Sprintf("| %d | %.4f | %.2f%% | %.2f%% |", m.Epoch, m.Loss, 100*m.Accuracy, 100**m.TestTop1); !strings.Contains(readme, row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
	if !s.Done() {
		t.Errorf("%d epochs, want all %d", len(s.Epochs()), s.Recipe.Epochs)
	}
}

// The final training is that of the best step on all images, judged once, and the README has its accuracy.
func TestRecordedFinal(t *testing.T) {
	steps, _ := readSteps(t, "steps.jsonl")
	finals, readme := readSteps(t, "final.jsonl")
	best, ok := transfer.Best(steps)
	if len(finals) != 1 || !ok {
		t.Fatalf("%d final trainings, and a best step: %t", len(finals), ok)
	}
	s := finals[0]
	checkStep(t, s)
	want := best.Recipe
	want.Data, want.Validation = images, 0
	if changed := want.Differences(s.Recipe); len(changed) > 0 || !s.Done() {
		t.Errorf("%d epochs; it differs from the best step in %v", len(s.Epochs()), changed)
	}
	for _, m := range s.Epochs() {
		if m.TestTop1 != nil || m.StepsPerEpoch != 782 {
			t.Errorf("epoch %d: %d steps, evaluated: %t", m.Epoch, m.StepsPerEpoch, m.TestTop1 != nil)
		}
		if row := fmt.Sprintf("| %d | %.4f | %.2f%% |", m.Epoch, m.Loss, 100*m.Accuracy); !strings.Contains(readme, row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
	if s.Test == nil || !strings.Contains(readme, fmt.Sprintf("%.2f%%", 100**s.Test)) {
		t.Errorf("the README lacks the accuracy on test images")
	}
}
