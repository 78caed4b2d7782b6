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

// childFlag, followed by a spec as JSON, makes this program a measuring process.
const childFlag = "-child"

// spec is what one process measures.
type spec struct {
	Backend string `json:"backend"`
	Network string `json:"network"`
	Mode    string `json:"mode"`
	Batch   int    `json:"batch"`
	Threads int    `json:"threads"`
	// WarmUps is the number of steps before timing starts. At least Steps steps are timed, for at
	// least Seconds.
	WarmUps int     `json:"warm_ups"`
	Steps   int     `json:"steps"`
	Seconds float64 `json:"seconds"`
}

// result is the line that a process prints.
type result struct {
	Backend string `json:"backend"`
	// Description is the backend's own, which names its kernels.
	Description string `json:"description,omitempty"`
	// Version is the version of PyTorch.
	Version string `json:"version,omitempty"`
	Network string `json:"network"`
	Mode    string `json:"mode"`
	Batch   int    `json:"batch"`
	Threads int    `json:"threads"`
	Steps   int    `json:"steps"`
	// Seconds is the median time of a step.
	Seconds         float64 `json:"seconds"`
	ImagesPerSecond float64 `json:"images_per_second"`
	// PeakMiB is the largest resident memory of the process.
	PeakMiB    float64 `json:"peak_mib"`
	Parameters int64   `json:"parameters"`
	// Profile says where the time of a step goes, if the backend measures that.
	Profile []part `json:"profile,omitempty"`
}

const (
	modelPath = "/model"
	momentum  = 0.9
	// So small that the weights stay in a range where arithmetic has its usual speed.
	learningRate = 1e-3
)

// child measures what the spec says and prints the result.
func child(config string, w io.Writer) error {
	var s spec
	if err := json.Unmarshal([]byte(config), &s); err != nil {
		return fmt.Errorf("decode the measurement: %w", err)
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
	// Initialise here, not in the first step: without a warm-up that step is timed, and drawing
	// the weights of a wide network takes about as long as a step on a small batch.
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
	times, err := timed(profiled(b, step, s.WarmUps), s)
	if err != nil {
		return result{}, fmt.Errorf("%s of %s on %s: %w", modeName(s.Mode), s.Network, s.Backend, err)
	}
	seconds := measure.Median(times)
	return result{Backend: s.Backend, Description: b.Description(), Network: s.Network, Mode: s.Mode, Batch: s.Batch, Threads: runtime.GOMAXPROCS(0),
		Steps: len(times), Seconds: seconds, ImagesPerSecond: float64(s.Batch) / seconds,
		PeakMiB: peakMiB(), Parameters: parameters(store), Profile: partsOf(b, times)}, nil
}

// A stepper takes one step. It returns its time, without that for creating the batch, and a value computed
// from its results.
type stepper func() (seconds, value float64, err error)

// timed takes the warm-up steps and the timed ones, and returns the seconds of the latter. A result that
// is NaN or infinite is an error, since the time of such steps says nothing.
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
			return nil, fmt.Errorf("the result of step %d is %v", i+1, value)
		}
		if i >= s.WarmUps {
			times = append(times, seconds)
		}
	}
	return times, nil
}

// batch has random images and labels.
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

// training returns a stepper that trains as pkg/run does, but without metrics, which torch_step.py does
// not compute either.
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
		// The trainer takes ownership of the tensors, so every step needs new ones.
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

// inference returns a stepper that computes logits as pkg/infer does, on images that are floats already.
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

// parameters returns the number of trainable parameters of the network.
func parameters(store *model.Store) (n int64) {
	for variable := range store.IterVariables() {
		if variable.Trainable && strings.HasPrefix(variable.Path(), modelPath+"/") {
			n += int64(variable.Shape().Size())
		}
	}
	return n
}
