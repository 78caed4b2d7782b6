package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

// full trains with the recipe in its argument and prints a record for every epoch. If it was interrupted,
// it resumes from the run's folder.
func full(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("full", flag.ContinueOnError)
	name := flags.String("backend", backend.Auto, "the backend")
	data := flags.String("data", "", "folder with CIFAR-10's record files")
	images := flags.String("images", "", "the name of the images")
	few := flags.Int("few", 0, "use only so many training and test images (0: all)")
	dir := flags.String("dir", "", "folder of the run")
	start := flags.String("start", "", "file of weights to start from, for a new head")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var r recipe.Recipe
	if err := json.Unmarshal([]byte(flags.Arg(0)), &r); err != nil {
		return fmt.Errorf("decode the recipe: %w", err)
	}
	training, test, err := cifar.Read(*data)
	if err != nil {
		return err
	}
	for _, m := range []**dataset.Images{&training, &test} {
		if *few > 0 {
			first := **m
			first.Labels = first.Labels[:min(*few, first.Len())]
			first.Pixels = first.Pixels[:len(first.Labels)*first.Height*first.Width*3]
			*m = &first
		}
		(*m).Name = cmp.Or(*images, (*m).Name)
		if r.Transform != nil {
			if *m, err = datasource.Resize(ctx, *m, *r.Transform); err != nil {
				return err
			}
		}
	}
	engine, err := backend.New(*name)
	if err != nil {
		return err
	}
	p := &progress{out: json.NewEncoder(stdout), batch: r.BatchSize}
	o := onDevice(run.Options{Backend: engine, Training: training, Test: test, Report: p})
	o.CheckpointEvery = 0 // once a minute: time may run out, or the machine may be gone, at any moment
	if run.Exists(*dir) {
		_, err = run.Resume(ctx, *dir, o)
	} else {
		if *start != "" {
			m, err := weights.Open(ctx, *start, weights.Options{})
			if err != nil {
				return err
			}
			o.Start = m.Tensors
			for _, tensor := range []string{"weight", "bias"} { // of the new head
				delete(o.Start, resnet.HeadName+"."+tensor)
			}
		}
		_, err = run.Train(ctx, *dir, r, o)
	}
	if err == nil && p.err != nil {
		err = fmt.Errorf("print the measurements: %w", p.err)
	}
	return err
}
