// Command rates trains the four networks of notebook 2 at several learning rates, each with two or
// three seeds, and writes lesson/recorded/rates/trials.jsonl, which the notebook shows:
//
//	go run ./lesson/chapter/degradation/rates -data FOLDER
//
// FOLDER has CIFAR-10's files. Without -data, the images are those in the cache, or else Shapes-10.
// All trainings together take about 15 minutes on two cores. If the command is interrupted, run it
// again: it continues with the first training that is not in the file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/lesson/chapter/degradation"
	"github.com/residual-go/residual/lesson/chapter/internal/record"
	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
)

func main() { record.Main("rates", command) }

func command(ctx context.Context) error {
	data := flag.String("data", datasource.Cached, "the images: a folder with CIFAR-10's files, or builtin")
	out := flag.String("out", "", "the file to write (default lesson/recorded/rates/trials.jsonl)")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("name the images with -data; there are no other arguments")
	}
	if *out == "" {
		root, err := checkout.Root(".")
		if err != nil {
			return err
		}
		*out = filepath.Join(root, "lesson", "recorded", "rates", "trials.jsonl")
	}
	sweep := degradation.DefaultSweep()
	set, err := datasource.Open(ctx, *data, datasource.Options{Subset: sweep.Experiment.Recipe.Subset})
	if err != nil {
		return err
	}
	b, err := backend.New(backend.Auto)
	if err != nil {
		return err
	}
	defer b.Finalize()
	fmt.Printf("%d images of %s, on %s\n", set.Training.Len(), set.Training.Name, b.Description())
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	return sweep.Run(ctx, *out, b, set.Training, func(done, all int, t degradation.Trial) {
		fmt.Printf("%d of %d: %s, rate %g, warm-up %g, seed %d: training loss", done, all,
			t.Recipe.Model.Name, t.Recipe.LearningRate, t.Recipe.Schedule.WarmUp, t.Recipe.Seed)
		for _, loss := range t.Losses {
			fmt.Printf(" %.3f", loss)
		}
		fmt.Println(map[bool]string{true: " diverged"}[t.Diverged != ""])
	})
}
