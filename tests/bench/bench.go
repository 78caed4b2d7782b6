package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/residual-go/residual/tests/internal/measure"
)

// GoMLX's Go backend is so slow that it takes only one step on a small batch, in one round. Its speed on
// ResNet-20 in images/s is within a few percent of that with a batch size of 32 and a warm-up.
const (
	stockBatch = 8
	stockSteps = 1
)

const warmUps = 2 // as in torch_step.py

// bench is the whole benchmark and its progress.
type bench struct {
	options
	ctx       context.Context
	processes processes
	log       io.Writer
	// contenders are the names of the backends and of the peers. The first is compared with the others.
	contenders []string
	began      time.Time
	done, all  int // processes
	report     report
}

func newBench(ctx context.Context, o options, log io.Writer) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	b := &bench{options: o, ctx: ctx, log: log, contenders: slices.Clone(o.backends),
		report: report{Machine: thisMachine(), Backend: o.backends[0], Batch: o.batch, Threads: o.threads, Rounds: o.rounds}}
	for _, p := range o.peers {
		switch p.Version, err = torchVersion(ctx, p.Python); {
		case err == nil:
			b.contenders = append(b.contenders, p.Name)
			b.report.Peers = append(b.report.Peers, p)
		case o.peersGiven || ctx.Err() != nil:
			return nil, fmt.Errorf("-torch %s: no PyTorch: %w", p.Python, err)
		default:
			fmt.Fprintf(log, "no PyTorch to compare with (%v); on Debian: apt-get install python3-torch\n", err)
		}
	}
	b.processes = processes{self, b.report.Peers}
	return b, nil
}

// run measures everything. It prints each table as soon as it is complete.
func (b *bench) run(w io.Writer) error {
	scalings := b.scalings()
	b.count(scalings)
	b.began = time.Now()
	for _, name := range b.networks {
		for _, mode := range b.modes {
			c, err := b.compare(name, mode)
			if err != nil {
				return err
			}
			b.report.Speed = append(b.report.Speed, c)
		}
	}
	if err := b.report.writeSpeed(w); err != nil {
		return err
	}
	for _, c := range b.report.Speed {
		if r := c.Contenders[0].Rounds[0]; r.Profile != nil {
			if err := r.writeProfile(w); err != nil {
				return err
			}
		}
	}
	if err := b.draw(w); err != nil {
		return err
	}
	for _, s := range scalings {
		if err := b.scale(&s); err != nil {
			return err
		}
		b.report.Scaling = append(b.report.Scaling, s)
		if err := s.write(w); err != nil {
			return err
		}
	}
	if b.jsonPath == "" {
		return nil
	}
	if err := b.report.save(b.jsonPath); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nwrote %s\n", b.jsonPath)
	return err
}

// draw draws the figure, unless -no-figure is given or there is no PyTorch.
func (b *bench) draw(w io.Writer) error {
	if b.noFigure {
		return nil
	}
	if len(b.report.Peers) == 0 {
		_, err := fmt.Fprintln(w, "\nno figure, since it shows ratios to PyTorch")
		return err
	}
	paths, err := saveFigure(b.report, b.figures, b.language)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nwrote %s and %s\n", paths[0], paths[1])
	return err
}

// count adds the number of processes to run to b.all, for the progress output.
func (b *bench) count(scalings []scaling) {
	for _, name := range b.contenders {
		b.all += b.roundsOf(name) * len(b.networks) * len(b.modes)
	}
	for _, s := range scalings {
		b.all += b.roundsOf(b.contenders[0]) * len(s.Rows)
	}
}

func (b *bench) roundsOf(contender string) int {
	if base(contender) == stock {
		return 1
	}
	return b.rounds
}

// spec returns what a contender measures in the comparison.
func (b *bench) spec(contender, network, mode string) spec {
	s := spec{Backend: contender, Network: network, Mode: mode, Batch: b.batch, Threads: b.threads,
		WarmUps: warmUps, Steps: b.steps, Seconds: b.seconds}
	if base(contender) == stock {
		s.Batch, s.WarmUps, s.Steps, s.Seconds = min(s.Batch, stockBatch), 0, stockSteps, 0
	}
	return s
}

// compare measures a network with all contenders in turn.
func (b *bench) compare(network, mode string) (comparison, error) {
	work, err := measure.MultiplyAdds(network, size)
	if err != nil {
		return comparison{}, err
	}
	var specs []spec
	for _, contender := range b.contenders {
		specs = append(specs, b.spec(contender, network, mode))
	}
	b.report.PeakGFLOPS = max(b.report.PeakGFLOPS, peak())
	results, err := b.takeTurns(specs, sameNetwork)
	if err != nil {
		return comparison{}, err
	}
	return newComparison(work, results), nil
}

// scale measures the rows of a scaling in turn.
func (b *bench) scale(s *scaling) error {
	var specs []spec
	for _, row := range s.Rows {
		specs = append(specs, row.spec)
	}
	results, err := b.takeTurns(specs, nil)
	if err != nil {
		return err
	}
	for i := range s.Rows {
		row := &s.Rows[i]
		row.Results = results[i]
		if row.MultiplyAdds, err = measure.MultiplyAdds(row.spec.Network, size); err != nil {
			return err
		}
	}
	return nil
}

// takeTurns runs every spec once in every round and returns the results of each spec. After each round
// it calls check, if that is not nil, with all results so far.
func (b *bench) takeTurns(specs []spec, check func([]result) error) ([][]result, error) {
	results := make([][]result, len(specs))
	for round := range b.rounds {
		for i, s := range specs {
			if round >= b.roundsOf(s.Backend) {
				continue
			}
			r, err := b.processes.run(b.ctx, s)
			if err != nil {
				return nil, err
			}
			b.progress(r)
			results[i] = append(results[i], r)
		}
		if check != nil {
			if err := check(slices.Concat(results...)); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// progress prints the latest result and an estimate of the time left.
func (b *bench) progress(r result) {
	b.done++
	left := time.Since(b.began) / time.Duration(b.done) * time.Duration(b.all-b.done)
	fmt.Fprintf(b.log, "[%d/%d] %s, %s, batch %d, threads %d, %s: %.4g images/s, about %v left\n", b.done, b.all,
		r.Network, modeName(r.Mode), r.Batch, r.Threads, label(r.Backend), r.ImagesPerSecond, left.Round(time.Second))
}

// scalings returns the tables of the first backend's speed by depth, batch size and cores, still empty.
func (b *bench) scalings() []scaling {
	if b.noScaling {
		return nil
	}
	row := func(value int, change func(*spec)) scalingRow {
		s := b.spec(b.contenders[0], "resnet20", b.modes[0])
		change(&s)
		return scalingRow{Value: value, spec: s}
	}
	depth, batch, cores := scaling{Name: byDepth}, scaling{Name: byBatch}, scaling{Name: byCores}
	for _, n := range depths {
		depth.Rows = append(depth.Rows, row(n, func(s *spec) { s.Network = fmt.Sprintf("resnet%d", n) }))
	}
	for _, n := range []int{16, 32, 64, 128, 256} {
		batch.Rows = append(batch.Rows, row(n, func(s *spec) { s.Batch = n }))
	}
	for n := 1; n <= runtime.NumCPU(); n *= 2 {
		cores.Rows = append(cores.Rows, row(n, func(s *spec) { s.Threads = n }))
	}
	return []scaling{depth, batch, cores}
}
