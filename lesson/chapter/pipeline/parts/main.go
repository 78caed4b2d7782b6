// Command parts trains the recipe quick, whole and with one of its parts left out at a time, and writes
// the recipes and metrics into lesson/recorded/quick-parts, which notebook 5 shows:
//
//	go run ./lesson/chapter/pipeline/parts -data FOLDER
//
// FOLDER has CIFAR-10's files. Without -data, the images are those in the cache, or else Shapes-10. Of the
// first 15,000 training images, 2,500 are held out and evaluated after every epoch; the test images are not
// used. The seven trainings take about a quarter of an hour on two cores. If the command is interrupted, run it again:
// it continues where it stopped, and trains nothing twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/residual-go/residual/lesson/chapter/internal/record"
	"github.com/residual-go/residual/lesson/chapter/pipeline"
	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

func main() { record.Main("parts", command) }

func command(ctx context.Context) error {
	data := flag.String("data", datasource.Cached, "the images: a folder with CIFAR-10's files, or builtin")
	subset := flag.String("subset", "15000", "how many of the training images to use")
	validation := flag.Int("validation", 2500, "how many of the training images to hold out")
	out := flag.String("out", "", "where the results go (default lesson/recorded/quick-parts)")
	runs := flag.String("runs", "", "where the runs go, with their checkpoints (default runs/quick-parts)")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("name the images with -data; there are no other arguments")
	}
	root, err := checkout.Root(".")
	if err != nil {
		return err
	}
	if *out == "" {
		*out = filepath.Join(root, "lesson", "recorded", "quick-parts")
	}
	if *runs == "" {
		*runs = filepath.Join(root, "runs", "quick-parts")
	}
	set, err := datasource.Open(ctx, *data, datasource.Options{Subset: *subset, Validation: *validation})
	if err != nil {
		return err
	}
	whole, err := recipe.ByName("quick")
	if err != nil {
		return err
	}
	b, err := backend.New(backend.Auto)
	if err != nil {
		return err
	}
	defer b.Finalize()
	fmt.Printf("%d images of %s, on %s\n", set.Training.Len(), set.Training.Name, b.Description())
	return pipeline.Record(ctx, whole, *runs, *out, b, set, func(v pipeline.Variant, done bool) run.Reporter {
		if done {
			fmt.Printf("%s: recorded already\n", v.Name)
		}
		return progress{v.Name}
	})
}

// progress is a reporter that prints a line for each epoch.
type progress struct{ name string }

func (progress) Step(run.Metrics)    {}
func (progress) Line(run.Metrics)    {}
func (progress) Evaluating(int, int) {}
func (p progress) Note(text string)  { fmt.Printf("%s: %s\n", p.name, text) }
func (p progress) Epoch(m run.Metrics) {
	fmt.Printf("%s, epoch %d of %d: training loss %.3f, accuracy %.2f%%, validation accuracy %.2f%%, %.0f s\n",
		p.name, m.Epoch, m.Epochs, m.Loss, 100*m.Accuracy, 100**m.TestTop1, m.Seconds)
}
