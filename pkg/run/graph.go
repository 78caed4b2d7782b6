package run

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/core/tensors/dtensor"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cpu"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/spmd"
)

// dataPath is the path of the variables that hold the training images, if they are on the
// device.
const dataPath = "/data"

// input turns pixels into the network's input: images whose shorter side is side, or whole ones if
// it is 0.
func (s *session) input(pixels *graph.Node, side int) *graph.Node {
	images := dataset.Shrink(s.recipe.Normalization.Apply(pixels), side)
	return graph.ConvertDType(images, s.recipe.DType())
}

// logits builds the network for training.
func (s *session) logits(scope *model.Scope, input *graph.Node) *graph.Node {
	return s.recipe.Model.ForwardTraining(scope.Store().Scope(ModelPath), input, s.recipe.Training())
}

// accuracy returns the share of the batch whose label has the highest logit.
func accuracy(label, logits *graph.Node) *graph.Node {
	guess := graph.ArgMax(logits, -1, label.DType())
	right := graph.Equal(guess, graph.Squeeze(label, 1))
	return graph.ReduceAllMean(graph.ConvertDType(right, dtypes.Float32))
}

// The graph of a step
//
// A step reads and writes variables of the store: weights, running statistics, momentum, the number of
// steps, and the row of recent with its metrics. GoMLX's model.Exec makes their values inputs and
// outputs of the program. It could be built by GoMLX's train.Trainer, but not several times in a loop,
// and its labels could not come from the device.
//
// With XLA, if the images are on the device and ReadEvery is not 1, one execution takes as many steps as
// the host asks for: the program is a loop, whose state are these variables. An execution costs the
// host time for each variable, more than a small network's step on a GPU. XLA makes no copy of the
// state for each step of the loop. Our CPU backend and GoMLX's have no loops; for them an execution
// costs next to nothing.

// step builds the graph of a training step on a batch: bytes [batch, height, width, 3] and labels,
// int32 [batch, 1]. It shrinks the images to the given shorter side, 0 for none.
func (s *session) step(scope *model.Scope, pixels, labels *graph.Node, side int) {
	g := pixels.Graph()
	s.store.SetTraining(g, true)
	logits := s.logits(scope, s.input(pixels, side))
	loss := nn.CrossEntropy(s.recipe.LabelSmoothing)([]*graph.Node{labels}, []*graph.Node{logits})
	s.optimizer.UpdateGraph(scope, g, loss)
	s.record(scope, loss, labels, logits)
}

// MaxReadEvery is the number of steps whose metrics the device keeps, and so the largest value of
// Options.ReadEvery.
const MaxReadEvery = 256

// recent is the variable with the metrics of the last steps: [MaxReadEvery, 3], a row of loss,
// accuracy and gradient norm for each step. The row of step s, counted from 0, is
// s mod MaxReadEvery. Fetching them after every step would make a GPU wait for the host.
func (s *session) recent() *model.Variable {
	return s.store.Scope("/metrics").WithInitializer(initializer.Zero).
		VariableWithShape("recent", shapes.Make(dtypes.Float32, MaxReadEvery, 3)).SetTrainable(false)
}

// record writes the step's row of recent.
func (s *session) record(scope *model.Scope, loss, labels, logits *graph.Node) {
	g := logits.Graph()
	means := spmd.Means([]*graph.Node{loss, accuracy(labels, logits)})
	norm := optim.GradientNorm().UpdateGraph(scope, nil, []*graph.Node{logits})
	row := graph.Reshape(graph.Stack([]*graph.Node{means[0], means[1], norm}, 0), 1, 3)

	variable := s.recent()
	// The optimiser has already counted this step.
	step := graph.AddScalar(optimizer.GetGlobalStepVar(s.store).NodeValue(g), -1)
	place := graph.Mod(step, graph.Const(g, int64(MaxReadEvery)))
	mine := graph.Equal(graph.Iota(g, shapes.Make(dtypes.Int64, MaxReadEvery, 3), 0), place)
	old := variable.NodeValue(g)
	variable.SetNodeValue(graph.Where(mine, graph.BroadcastToShape(row, old.Shape()), old))
}

// plan is the variable with what the host wants of a program that takes several steps: float32
// [1+MaxReadEvery], their number and their learning rates.
func (s *session) plan() *model.Variable {
	return s.store.Scope("/plan").WithInitializer(initializer.Zero).
		VariableWithShape("plan", shapes.Make(dtypes.Float32, 1+MaxReadEvery)).SetTrainable(false)
}

// loop builds the graph of several steps. at is the place of the first batch in the epoch (see
// [dataset.Resident]), of which each device has its share; the other batches follow it.
func (s *session) loop(scope *model.Scope, at *graph.Node, share, side int) {
	g := at.Graph()
	// All that the steps use is part of the loop's state, even what they do not change: go-xla (v0.4.2)
	// cannot use a node of the function around a closure as an operand in it (binaryOp in
	// stablehlo/ops.go). XLA knows which parts stay the same and copies none of them.
	variables := append(slices.Clone(s.writes), s.rate, s.plan())
	variables = append(variables, s.reads...)
	variables = slices.AppendSeq(variables, s.store.Scope(dataPath).IterVariables())
	before := []*graph.Node{graph.Const(g, int32(0)), at}
	for _, variable := range variables {
		before = append(before, variable.NodeValue(g))
	}
	parameters := func(g *graph.Graph, name string) (step, at *graph.Node, values []*graph.Node) {
		all := make([]*graph.Node, len(before))
		for i, node := range before {
			all[i] = graph.Parameter(g, fmt.Sprint(name, i), node.Shape())
		}
		return all[0], all[1], all[2:]
	}
	planned := slices.Index(variables, s.plan())
	more := graph.NewClosure(g, func(g *graph.Graph) []*graph.Node {
		step, _, values := parameters(g, "condition")
		steps := graph.Reshape(graph.Slice(values[planned], graph.AxisElem(0)))
		return []*graph.Node{graph.LessThan(step, graph.ConvertDType(steps, dtypes.Int32))}
	})
	body := graph.NewClosure(g, func(g *graph.Graph) []*graph.Node {
		step, at, values := parameters(g, "state")
		for i, variable := range variables {
			variable.SetNodeValue(values[i])
		}
		next := graph.Add(step, graph.Const(g, int32(1)))
		s.rate.SetNodeValue(graph.Reshape(graph.DynamicSlice(values[planned], []*graph.Node{next}, []int{1})))
		further := graph.Mul(graph.Const(g, []int32{0, int32(s.recipe.BatchSize)}), step)
		pixels, labels := s.resident.Load(graph.Add(at, further), share)
		s.step(scope, pixels, labels, side)
		after := []*graph.Node{next, at}
		for i, variable := range variables {
			if i < len(s.writes) {
				values[i] = variable.NodeValue(g)
			}
			after = append(after, values[i])
		}
		return after
	})
	after := graph.While(more, body, before...)
	for i, variable := range variables {
		if i >= len(s.writes) {
			variable.SetNodeValue(before[2+i])
			continue
		}
		variable.SetNodeValue(after[2+i])
	}
}

// initialize gives the variables of the store that have no value one, drawn on the CPU: the same for
// the same seed, whatever the backend, and without a program for XLA to compile.
func initialize(store *model.Store, backend compute.Backend) error {
	if backend.Name() == cpu.Name {
		return store.InitializeVariables(backend, nil)
	}
	var empty []*model.Variable
	for variable := range store.IterVariables() {
		if !variable.HasValue() {
			empty = append(empty, variable)
		}
	}
	if len(empty) == 0 {
		return nil
	}
	host, err := cpu.New("")
	if err != nil {
		return err
	}
	defer host.Finalize()
	if err := store.InitializeVariables(host, nil); err != nil {
		return err
	}
	for _, variable := range empty { // off the host's backend
		value, err := variable.Value()
		if err != nil {
			return err
		}
		local, err := value.LocalClone()
		if err != nil {
			return err
		}
		if err := variable.SetValue(local); err != nil {
			return err
		}
	}
	return nil
}

// rehearse builds the graph of a step once, to make the variables that it uses, note which ones it
// reads and which it writes, and give values to the new ones. Otherwise GoMLX would initialise them on
// the backend.
func (s *session) rehearse() error {
	err := exceptions.TryCatch[error](func() {
		g := graph.NewGraph(s.Backend, "rehearsal")
		defer g.Finalize()
		model.SetStore(g, s.store)
		n, images := s.recipe.BatchSize/max(1, s.recipe.Devices), s.Training
		s.step(s.store.RootScope(),
			graph.Parameter(g, "pixels", shapes.Make(dtypes.Uint8, n, images.Height, images.Width, 3)),
			graph.Parameter(g, "labels", shapes.Make(dtypes.Int32, n, 1)), 0)
		for variable := range s.store.IterVariables() {
			switch {
			case variable == s.rate:
			case variable.ChangedInGraph(g):
				s.writes = append(s.writes, variable)
			case variable.InUseByGraph(g):
				s.reads = append(s.reads, variable)
			}
		}
		s.plan()
	})
	if err != nil {
		return err
	}
	if err := initialize(s.store, s.Backend); err != nil {
		return fmt.Errorf("initialise the weights: %w", err)
	}
	return nil
}

// A feed is a batch on its way to a program: the program's arguments, of which each device has its
// share, and the number of images in a share if they are on the device.
type feed struct {
	arguments []any
	spec      any
	free      func() error
}

// source returns a function that returns the next batch each time it is called, one to call at the
// end, and the distribution of the program among devices, nil for one device.
func (s *session) source(batches *dataset.Batches) (next func() (feed, error), stop func(), shares *spmd.Shares, err error) {
	devices := max(1, s.recipe.Devices)
	source := train.Dataset(batches)
	if s.Input == InputDevice {
		if s.resident, err = batches.Resident(s.store, dataPath, devices); err != nil {
			return nil, nil, nil, err
		}
		source = s.resident
	}
	if devices == 1 {
		next, stop = feeds(source.Iter(), func(b train.Batch) feed {
			return feedOf(b.Spec, append(b.Inputs, b.Labels...), (*tensors.Tensor).FinalizeAll)
		})
		return next, stop, nil, nil
	}
	if shares, err = spmd.Share(source, s.Backend, devices); err != nil {
		return nil, nil, nil, err
	}
	next, stop = feeds(shares.DistributedIter(), func(b train.DistributedBatch) feed {
		return feedOf(b.Spec, append(b.Inputs, b.Labels...), (*dtensor.Tensor).FinalizeAll)
	})
	return next, stop, shares, nil
}

// feeds returns a function that returns the next batch as a feed, and one to call at the end.
func feeds[B any](batches iter.Seq2[B, error], feedOf func(B) feed) (next func() (feed, error), stop func()) {
	pull, stop := iter.Pull2(batches)
	return func() (feed, error) {
		batch, err, more := pull()
		if err == nil && !more {
			err = errNoBatch
		}
		if err != nil {
			return feed{}, err
		}
		return feedOf(batch), nil
	}, stop
}

var errNoBatch = errors.New("there are no more batches")

func feedOf[T any](spec any, all []T, free func(T) error) feed {
	f := feed{spec: spec, free: func() (err error) {
		for _, t := range all {
			err = errors.Join(err, free(t))
		}
		return err
	}}
	for _, t := range all {
		f.arguments = append(f.arguments, t)
	}
	return f
}

// stepper returns a function that takes up to n steps, at least one, after the first done steps of the
// run, and returns how many; and a function to call at the end.
func (s *session) stepper(batches *dataset.Batches) (func(done, n int) (int, error), func(), error) {
	s.optimizer = s.recipe.Optimizer()
	s.rate = optimizer.LearningRateVar(s.store.RootScope(), dtypes.Float32, s.recipe.LearningRate)
	if err := s.rehearse(); err != nil {
		return nil, nil, fmt.Errorf("prepare training: %w", err)
	}
	next, stop, shares, err := s.source(batches)
	if err != nil {
		return nil, nil, err
	}
	// One program for each number of images in a batch and each size of images.
	type key struct {
		spec any
		side int
	}
	programs := map[key]*model.Exec{}
	execute := func(f feed, done, n int, loop bool) error {
		side, _ := s.recipe.Sizes.At(done, s.steps)
		key := key{f.spec, side}
		program, compiled := programs[key]
		first := startCompiling()
		if !compiled {
			var err error
			if program, err = s.program(f.spec, side, loop, shares); err != nil {
				return err
			}
			programs[key] = program
		}
		if _, err := program.Call(f.arguments...); err != nil {
			return err
		}
		if !compiled {
			s.compiled(len(programs), done, n, first)
		}
		return f.free()
	}
	return func(done, n int) (int, error) {
			if s.loops() && s.batchSize(done) == s.recipe.BatchSize {
				if err := s.setPlan(done, n); err != nil {
					return 0, err
				}
				first, err := next()
				if err != nil {
					return 0, err
				}
				for range n - 1 { // the program knows their places
					if _, err := next(); err != nil {
						return 0, err
					}
				}
				return n, execute(first, done, n, true)
			}
			for taken := range n {
				if taken > 0 && s.due() {
					return taken, nil
				}
				if err := s.setRate(done + taken); err != nil {
					return taken, err
				}
				batch, err := next()
				if err == nil {
					err = execute(batch, done+taken, 1, false)
				}
				if err != nil {
					return taken, err
				}
			}
			return n, nil
		}, func() {
			stop()
			for _, program := range programs {
				program.Finalize()
			}
		}, nil
}

// compiling is the first call of a program, in which it is compiled, or loaded from the cache.
type compiling struct {
	began            time.Time
	compiled, loaded int64 // by the whole process, before
}

func startCompiling() compiling {
	compiled, loaded := backend.Programs()
	return compiling{time.Now(), compiled, loaded}
}

// note returns the text that is true of the program, with the seconds that it took in place of %.1f.
func (c compiling) note(compiling, loading string) string {
	text := compiling
	if compiled, loaded := backend.Programs(); loaded > c.loaded && compiled == c.compiled {
		text = loading
	}
	return fmt.Sprintf(text, time.Since(c.began).Seconds())
}

// compiled notes how long the first call of a program took, the i-th one of the run: n steps after the
// first done ones. Compiling for XLA takes seconds, which say nothing about the speed of training.
func (s *session) compiled(i, done, n int, first compiling) {
	took := time.Since(first.began)
	if s.Backend.Name() != "xla" || s.ctx.Err() != nil { // the run may have been abandoned
		return
	}
	what := "the training step"
	if i > 1 {
		what += " for another size of batches or images"
	}
	s.Report.Note(first.note("compiling "+what+" took %.1f s", "loading "+what+" from the cache took %.1f s"))
	s.noteUnkept()
	for _, w := range []*window{&s.line, &s.epoch} {
		w.since = w.since.Add(took)
		for step := done; step < done+n; step++ {
			w.timed -= s.batchSize(step) // they took the rest of that time
		}
	}
}

// noteUnkept notes, once in a run, why keeping a compiled program failed.
func (s *session) noteUnkept() {
	if n, err := backend.Unkept(); s.unkept >= 0 && n > s.unkept {
		s.unkept = -1
		s.Report.Note(fmt.Sprintf("keeping the compiled program for the next run failed: %v", err))
	}
}

// loops reports whether a program takes several steps.
func (s *session) loops() bool {
	return s.Input == InputDevice && s.Backend.Name() == "xla" && s.ReadEvery != 1
}

// program returns the program for batches of the given spec, with images shrunk to the given side. It
// is compiled when it is first called.
func (s *session) program(spec any, side int, loop bool, shares *spmd.Shares) (*model.Exec, error) {
	program, err := model.NewExec(s.Backend, s.store, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
		switch {
		case loop:
			s.loop(scope, inputs[0], spec.(int), side)
		case s.resident != nil:
			pixels, labels := s.resident.Load(inputs[0], spec.(int))
			s.step(scope, pixels, labels, side)
		default:
			s.step(scope, inputs[0], inputs[1], side)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	program.WithName("training step")
	if shares != nil {
		shares.Distribute(program)
	}
	return program, nil
}

// setPlan sets number and learning rates of the n steps after the first done ones.
func (s *session) setPlan(done, n int) error {
	plan := make([]float32, 1+MaxReadEvery)
	plan[0] = float32(n)
	for i := range n {
		plan[1+i] = float32(s.rateAt(done + i))
	}
	if err := s.plan().SetValue(tensors.FromFlatDataAndDimensions(plan, len(plan))); err != nil {
		return fmt.Errorf("set the learning rates: %w", err)
	}
	return nil
}

// setRate sets the learning rate for the given step, counted from 0.
func (s *session) setRate(step int) error {
	if err := s.rate.SetValue(tensors.FromScalar(float32(s.rateAt(step)))); err != nil {
		return fmt.Errorf("set the learning rate: %w", err)
	}
	return nil
}

// readMetrics fetches the metrics of the steps after from up to done, at most MaxReadEvery, and
// passes them to note.
func (s *session) readMetrics(from, done int) error {
	value, err := s.recent().Value()
	if err != nil {
		return fmt.Errorf("read the metrics of step %d: %w", done, err)
	}
	rows, err := tensors.CopyFlatData[float32](value)
	if err != nil {
		return fmt.Errorf("read the metrics of step %d: %w", done, err)
	}
	for at := from; at < done; at++ {
		row := rows[at%MaxReadEvery*3:][:3]
		if err := s.note(at+1, step{loss: float64(row[0]), accuracy: float64(row[1]), gradientNorm: float64(row[2]), images: s.batchSize(at)}); err != nil {
			return err
		}
	}
	return nil
}
