package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/tests/internal/measure"
)

// childFlag and a spec as JSON make this program measure that and nothing else.
const childFlag = "-child"

// spec is what one process measures.
type spec struct {
	Backend string `json:"backend"`
	Network string `json:"network"`
	Mode    string `json:"mode"`
	Batch   int    `json:"batch"`
	Threads int    `json:"threads"`
	// WarmUps are steps before the clock starts. At least Steps are timed, and for at least
	// Seconds.
	WarmUps int     `json:"warm_ups"`
	Steps   int     `json:"steps"`
	Seconds float64 `json:"seconds"`
}

// result is the line that a process prints.
type result struct {
	Backend string `json:"backend"`
	// Version is PyTorch's.
	Version string `json:"version,omitempty"`
	Network string `json:"network"`
	Mode    string `json:"mode"`
	Batch   int    `json:"batch"`
	Threads int    `json:"threads"`
	Steps   int    `json:"steps"`
	// Seconds is the median of the steps.
	Seconds         float64 `json:"seconds"`
	ImagesPerSecond float64 `json:"images_per_second"`
	// PeakMiB is the most memory the process had: its resident set.
	PeakMiB    float64 `json:"peak_mib"`
	Parameters int64   `json:"parameters"`
}

const (
	modelPath = "/model"
	momentum  = 0.9
	// Small, so that the weights stay in a range where arithmetic has its usual speed.
	learningRate = 1e-3
)

// child measures what the spec says and prints the result.
func child(config string, w io.Writer) error {
	var s spec
	if err := json.Unmarshal([]byte(config), &s); err != nil {
		return fmt.Errorf("read what to measure: %w", err)
	}
	r, err := steps(s)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(r)
}

// steps runs the steps of the spec in this process and measures them.
func steps(s spec) (result, error) {
	config, err := measure.Network(s.Network)
	if err != nil {
		return result{}, err
	}
	b, err := backend.New(s.Backend)
	if err != nil {
		return result{}, err
	}
	defer b.Finalize()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return result{}, fmt.Errorf("seed the weights: %w", err)
	}
	if err := config.Declare(store.Scope(modelPath)); err != nil {
		return result{}, err
	}
	// Not in the first step, which counts where there is no warm-up: drawing the weights of
	// a wide network takes about as long as a small batch.
	if err := store.InitializeVariables(b, nil); err != nil {
		return result{}, fmt.Errorf("initialise %s on %s: %w", s.Network, s.Backend, err)
	}
	prepare := inference
	if s.Mode == trainMode {
		prepare = training
	}
	step, err := prepare(b, store, config, newBatch(s.Batch))
	if err != nil {
		return result{}, fmt.Errorf("prepare %s on %s: %w", s.Network, s.Backend, err)
	}
	times, err := timed(step, s)
	if err != nil {
		return result{}, fmt.Errorf("%s of %s on %s: %w", modeName(s.Mode), s.Network, s.Backend, err)
	}
	seconds := measure.Median(times)
	return result{Backend: s.Backend, Network: s.Network, Mode: s.Mode, Batch: s.Batch, Threads: runtime.GOMAXPROCS(0),
		Steps: len(times), Seconds: seconds, ImagesPerSecond: float64(s.Batch) / seconds,
		PeakMiB: peakMiB(), Parameters: parameters(store)}, nil
}

// A stepper takes one step. It returns the seconds that took, without the making of the
// batch, and a number that came of it.
type stepper func() (seconds, value float64, err error)

// timed takes the warm-up steps and those that count, and returns the seconds of the
// latter. A result that is no number is an error: what it took is no measure of anything.
func timed(step stepper, s spec) ([]float64, error) {
	var times []float64
	var began time.Time
	for i := 0; len(times) < s.Steps || time.Since(began).Seconds() < s.Seconds; i++ {
		if i == s.WarmUps {
			began = time.Now()
		}
		seconds, value, err := step()
		if err != nil {
			return nil, err
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return nil, fmt.Errorf("step %d comes to %v", i+1, value)
		}
		if i >= s.WarmUps {
			times = append(times, seconds)
		}
	}
	return times, nil
}

// batch is random images and labels in memory.
type batch struct {
	size   int
	pixels []float32
	labels []int32
}

func newBatch(n int) batch {
	random := rand.New(rand.NewPCG(1, 2))
	b := batch{n, make([]float32, n*size*size*3), make([]int32, n)}
	for i := range b.pixels {
		b.pixels[i] = float32(random.NormFloat64())
	}
	for i := range b.labels {
		b.labels[i] = random.Int32N(measure.Classes)
	}
	return b
}

func (b batch) images() *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(b.pixels, b.size, size, size, 3)
}

// training steps as pkg/run does, but without its measures of accuracy and gradients,
// which torch_step.py does not take either.
func training(b compute.Backend, store *model.Store, config resnet.Config, data batch) (stepper, error) {
	var trainer *train.Trainer
	err := exceptions.TryCatch[error](func() {
		forward := func(_ *model.Scope, images *graph.Node) *graph.Node {
			return config.Forward(store.Scope(modelPath), images)
		}
		sgd := optim.SGD().LearningRate(learningRate).Momentum(momentum).Done()
		trainer = train.NewTrainer(b, store, forward, nn.CrossEntropy(0), sgd, nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return func() (seconds, value float64, err error) {
		// The trainer takes the tensors for its own, so every step needs new ones.
		labels := tensors.FromFlatDataAndDimensions(data.labels, data.size, 1)
		images := train.Batch{Inputs: []*tensors.Tensor{data.images()}, Labels: []*tensors.Tensor{labels}}
		start := time.Now()
		metrics, err := trainer.TrainStep(images)
		if err != nil {
			return 0, 0, err
		}
		loss := tensors.ToScalar[float32](metrics[0])
		seconds = time.Since(start).Seconds()
		return seconds, float64(loss), finalize(metrics)
	}, nil
}

// inference steps as pkg/infer does, on images that are floats already.
func inference(b compute.Backend, store *model.Store, config resnet.Config, data batch) (stepper, error) {
	exec, err := model.NewExec(b, store, func(_ *model.Scope, images *graph.Node) *graph.Node {
		return config.Forward(store.Scope(modelPath), images)
	})
	if err != nil {
		return nil, err
	}
	images := data.images()
	return func() (seconds, value float64, err error) {
		start := time.Now()
		outputs, err := exec.Call(images)
		if err != nil {
			return 0, 0, err
		}
		logits, err := tensors.CopyFlatData[float32](outputs[0])
		if err != nil {
			return 0, 0, err
		}
		seconds = time.Since(start).Seconds()
		for _, logit := range logits {
			value += float64(logit)
		}
		return seconds, value, finalize(outputs)
	}, nil
}

func finalize(list []*tensors.Tensor) error {
	for _, t := range list {
		if err := t.FinalizeAll(); err != nil {
			return err
		}
	}
	return nil
}

// parameters counts the trained numbers of the network.
func parameters(store *model.Store) (n int64) {
	for variable := range store.IterVariables() {
		if variable.Trainable && strings.HasPrefix(variable.Path(), modelPath+"/") {
			n += int64(variable.Shape().Size())
		}
	}
	return n
}
