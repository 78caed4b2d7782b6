// Command steps fine-tunes from ImageNet weights, first by the article's program and then with one change
// after another, and writes lesson/recorded/article/steps.jsonl, which notebook 6 shows:
//
//	go run ./lesson/chapter/transfer/steps -weights resnet18 -data FOLDER
//
// With -program it follows the article's program alone, on all training images for ten epochs, and writes
// lesson/recorded/article/program.jsonl, which notebook 5 shows:
//
//	go run ./lesson/chapter/transfer/steps -program -weights resnet50 -data FOLDER
//
// With -final it trains the best program of the recorded steps again, on all training images, reads the test
// images once, at the end, and writes lesson/recorded/article/final.jsonl:
//
//	go run ./lesson/chapter/transfer/steps -final -weights resnet18 -data FOLDER
//
// FOLDER has CIFAR-10's files. Without -data, the images are those in the cache, or else Shapes-10. -weights
// is a name or a file, as for lesson finetune. If the command is interrupted, run it again: it continues
// where it stopped. The runs are in runs/steps, with weights whose licence may forbid passing them on.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/lesson/chapter/internal/record"
	"github.com/residual-go/residual/lesson/chapter/transfer"
	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

func main() { record.Main("steps", command) }

// The settings of the recorded steps.
const (
	stepEpochs    = 3
	programEpochs = 10
)

func command(ctx context.Context) error {
	program := flag.Bool("program", false, "train the article's program alone, on all training images")
	final := flag.Bool("final", false, "train the best program of the recorded steps again, on all training images")
	spec := flag.String("weights", "", "the weights to start from: a file, or a name such as resnet18")
	about := flag.String("about", "", "what to record about the weights: their authors, say (default: the value of -weights)")
	licence := flag.String("licence", "", "what to record about the licence of the weights (default: what their source says)")
	machine := flag.String("machine", "", "what to record about the machine")
	data := flag.String("data", datasource.Cached, "the images: a folder with CIFAR-10's files, or builtin")
	subset := flag.String("subset", "", "use only the first images: training,test")
	validation := flag.Int("validation", 5000, "the number of training images to hold out; not with -program or -final, which choose nothing")
	out := flag.String("out", "", "the file to write (default: in lesson/recorded/article)")
	runs := flag.String("runs", "", "the folder for the runs (default: runs/steps in the checkout)")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		return errors.New("there are no arguments, only flags")
	case *program && *final:
		return errors.New("-program and -final are two trainings; name one")
	case *spec == "":
		return errors.New("name the weights to start from with -weights: a file, or a name such as resnet18")
	}
	root, err := checkout.Root(".")
	if err != nil {
		return err
	}
	name, epochs, held := "steps", stepEpochs, *validation
	switch {
	case *program:
		name, epochs, held = "program", programEpochs, 0
	case *final:
		name, held = "final", 0
	}
	recorded := filepath.Join(root, "lesson", "recorded", "article")
	file := cmp.Or(*out, filepath.Join(recorded, name+".jsonl"))
	folder := filepath.Join(cmp.Or(*runs, filepath.Join(root, "runs", "steps")), name)

	path, origin, err := hub.Fetch(ctx, *spec, nil)
	if err != nil {
		return err
	}
	m, err := weights.Open(ctx, path, weights.Options{NewHead: true})
	if err != nil {
		return err
	}
	set, err := datasource.Open(ctx, *data, datasource.Options{Subset: *subset, Validation: held})
	if err != nil {
		return err
	}
	steps, err := transfer.ArticleSteps(m.Config, epochs)
	if err != nil {
		return err
	}
	if *program {
		steps.Changes = steps.Changes[:1]
	}
	engine, err := backend.New(backend.Auto)
	if err != nil {
		return err
	}
	defer engine.Finalize()
	fmt.Printf("%s from %s, on %d images of %s, on %s\n", m.Config.Name, *spec, set.Training.Len(), set.Training.Name, engine.Description())
	for _, dir := range []string{filepath.Dir(file), folder} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	trainer := &transfer.Trainer{
		Backend: engine, Weights: transfer.Body(m), Start: cmp.Or(*about, *spec), Images: set, Runs: folder,
		Origin: transfer.Origin{Licence: cmp.Or(*licence, origin.Licence), Machine: *machine, Backend: engine.Description()},
		Report: func(training string) run.Reporter {
			fmt.Println(training)
			return lines{}
		},
	}
	if !*final {
		return steps.Train(ctx, file, trainer)
	}
	of, err := bestOf(filepath.Join(recorded, "steps.jsonl"), m.Config)
	if err != nil {
		return err
	}
	return transfer.TrainFinal(ctx, of, file, trainer)
}

// bestOf returns the best of the steps in the file at path, which must be of the given network.
func bestOf(path string, network resnet.Config) (transfer.Step, error) {
	steps, err := transfer.ReadSteps(path)
	if err != nil {
		return transfer.Step{}, err
	}
	best, ok := transfer.Best(steps)
	switch {
	case !ok:
		return transfer.Step{}, fmt.Errorf("%s has no step that was kept", path)
	case best.Recipe.Model.Name != network.Name:
		return transfer.Step{}, fmt.Errorf("the steps in %s are of %s, but -weights has a %s", path, best.Recipe.Model.Name, network.Name)
	}
	return best, nil
}

// lines prints progress in the article's format.
type lines struct{}

func (lines) Step(run.Metrics)    {}
func (lines) Evaluating(int, int) {}
func (lines) Note(text string)    { fmt.Println(text) }

func (lines) Line(m run.Metrics) {
	fmt.Printf("Epoch [%d/%d], Step [%d/%d], Loss: %.4f\n", m.Epoch, m.Epochs, m.StepInEpoch, m.StepsPerEpoch, m.Loss)
}

func (lines) Epoch(m run.Metrics) {
	fmt.Printf("Epoch [%d/%d] done: ", m.Epoch, m.Epochs)
	if m.TestTop1 != nil {
		fmt.Printf("%d %s images, %.2f%% right; ", m.TestImages, m.TestSplit, 100**m.TestTop1)
	}
	fmt.Printf("%.0f images/s\n", m.ImagesPerSecond)
}
