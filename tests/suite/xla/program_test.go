// Package xla tests that training can be compiled for XLA and, if an XLA plugin is available, that it
// gives the same results there as on the CPU backend.
//
// Without a plugin, a fake one takes its place. It accepts the program of a training step, which go-xla
// writes in StableHLO, and stores it for the test: in the folder $RESIDUAL_TEST_PROGRAMS if that is
// set, for inspection.
package xla

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/backend/fakeplugin"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/shapes10"
)

func start(t *testing.T, name string) compute.Backend {
	t.Helper()
	b, err := backend.New(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b
}

// program returns the StableHLO of a training step of the recipe: the first program that XLA compiles.
func program(t *testing.T, r recipe.Recipe, input run.Input) string {
	t.Helper()
	devices := max(1, r.Devices)
	plugin := filepath.Join(t.TempDir(), "pjrt_c_api_fake_plugin.so")
	fakeplugin.Build(t, plugin, fmt.Sprint("DEVICES=", devices))
	file := filepath.Join(t.TempDir(), "program")
	if kept := os.Getenv("RESIDUAL_TEST_PROGRAMS"); kept != "" {
		file = filepath.Join(kept, strings.ReplaceAll(t.Name(), "/", "-")+".mlir")
	}
	t.Setenv("RESIDUAL_FAKE_PROGRAM", file)
	o := run.Options{Backend: start(t, "xla:"+plugin), Training: shapes10.Train(3*r.BatchSize, 1), Input: input}
	_, err := run.Train(context.Background(), t.TempDir(), r, o)
	if err == nil || !strings.Contains(err.Error(), "the fake plugin compiles nothing") {
		t.Fatalf("a step on XLA: error %v, want that of the fake plugin", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTrainingStepsAreBuiltForXLA(t *testing.T) {
	for _, test := range []struct {
		model     string
		precision string
		devices   int
		local     bool
		input     run.Input // InputDevice if empty
	}{
		{model: "resnet20", precision: recipe.Float32, input: run.InputHost},
		{model: "resnet20", precision: recipe.BFloat16},
		{model: "resnet18", precision: recipe.BFloat16},
		{model: "resnet50", precision: recipe.BFloat16},
		{model: "resnet20", precision: recipe.Float32, devices: 2},
		{model: "resnet20", precision: recipe.BFloat16, devices: 4, local: true, input: run.InputHost},
	} {
		t.Run(fmt.Sprintf("%s-%s-%d-%v-%s", test.model, test.precision, test.devices, test.local, test.input), func(t *testing.T) {
			r, err := recipe.ByName("fast")
			if err != nil {
				t.Fatal(err)
			}
			if r.Model, err = resnet.ByName(test.model); err != nil {
				t.Fatal(err)
			}
			r.Model.Classes = 10
			r.BatchSize, r.Precision, r.Devices, r.LocalNorms = 8, test.precision, test.devices, test.local
			r.Augment.Cutout = 8
			text := program(t, r, test.input)

			convolutions := operations(text, "convolution")
			layers := 0
			for _, block := range r.Model.Blocks {
				layers += block * map[resnet.Block]int{resnet.Basic: 2, resnet.Bottleneck: 3}[r.Model.Block]
			}
			layers += 1 + map[string]int{"resnet18": 3, "resnet50": 4}[test.model] // the stem, and the projections
			// Each has two more for its gradients. The gradient with respect to the images is not
			// needed, so XLA leaves it out.
			if want := 3 * layers; len(convolutions) != want {
				t.Errorf("%d convolutions, want %d", len(convolutions), want)
			}
			half := test.precision == recipe.BFloat16
			for _, convolution := range convolutions {
				if half != strings.Contains(convolution, "xbf16>") || half == strings.Contains(convolution, "xf32>") {
					t.Errorf("a convolution with a precision other than %s: %s", test.precision, convolution)
				}
			}
			together := test.devices > 1
			if got := strings.Contains(text, "stablehlo.all_reduce"); got != together {
				t.Errorf("all-reduce in the program: %v, want %v", got, together)
			}
			if got := strings.Contains(text, "stablehlo.batch_norm_training"); got != (!together || test.local) {
				t.Errorf("the operation for batch norm in the program: %v", got)
			}
			if got := strings.Contains(text, "ui64"); got != (test.input == "") {
				t.Errorf("random numbers drawn in the program: %v", got)
			}
			for _, norm := range append(operations(text, "batch_norm_training"), operations(text, "batch_norm_grad")...) {
				if strings.Contains(norm, "bf16") {
					t.Errorf("statistics in half precision: %s", norm)
				}
			}
		})
	}
}

// operations returns the operations of the given name in a program, from their names to their types.
func operations(program, name string) []string {
	return regexp.MustCompile(`(?s)"stablehlo\.`+name+`"\(.*? -> [^\n]*`).FindAllString(program, -1)
}
