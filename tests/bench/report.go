package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/tests/internal/measure"
)

// report has all measurements; -json writes it.
type report struct {
	Machine machine `json:"machine"`
	// Backend is the first contender.
	Backend string `json:"backend"`
	Peers   peers  `json:"peers,omitempty"`
	Batch   int    `json:"batch"`
	Threads int    `json:"threads"`
	Rounds  int    `json:"rounds"`
	// PeakGFLOPS is the highest speed of the machine with these threads, or 0 if it is unknown.
	PeakGFLOPS float64      `json:"peak_gflops,omitempty"`
	Speed      []comparison `json:"speed"`
	Scaling    []scaling    `json:"scaling,omitempty"`
}

// machine describes the machine that the benchmark ran on.
type machine struct {
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	Platform string `json:"platform"`
	Go       string `json:"go"`
}

func thisMachine() machine {
	m := machine{CPU: runtime.GOARCH, CPUs: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	if name := measure.Processor(); name != "" {
		m.CPU = name
	}
	return m
}

// comparison has the results of all contenders for a network in one mode. Values are medians over the
// rounds; a ratio is computed within each round first.
type comparison struct {
	Network      string `json:"network"`
	Mode         string `json:"mode"`
	Parameters   int64  `json:"parameters"`
	MultiplyAdds int64  `json:"multiply_adds"`
	// GFLOPS is the speed of the first contender.
	GFLOPS float64 `json:"gflops"`
	// Contenders are in the order of the table's columns.
	Contenders []contender `json:"contenders"`
}

// contender has the results of one contender.
type contender struct {
	Name            string  `json:"name"`
	ImagesPerSecond float64 `json:"images_per_second"`
	PeakMiB         float64 `json:"peak_mib"`
	// Speed is that of the first contender, divided by this one's; nil for the first contender.
	Speed  *ratio   `json:"speed_ratio,omitempty"`
	Rounds []result `json:"rounds"`
}

// ratio has the median, minimum and maximum over the rounds.
type ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func secondsOf(r result) float64 { return r.Seconds }
func speedOf(r result) float64   { return r.ImagesPerSecond }
func memoryOf(r result) float64  { return r.PeakMiB }

// newComparison summarises the results of each contender, the first one first.
func newComparison(multiplyAdds int64, results [][]result) comparison {
	first := results[0][0]
	c := comparison{Network: first.Network, Mode: first.Mode, Parameters: first.Parameters, MultiplyAdds: multiplyAdds}
	for i, rounds := range results {
		k := contender{Name: rounds[0].Backend, ImagesPerSecond: medianOf(rounds, speedOf), PeakMiB: medianOf(rounds, memoryOf), Rounds: rounds}
		if i > 0 {
			k.Speed = ratioOf(results[0], rounds)
		}
		c.Contenders = append(c.Contenders, k)
	}
	c.GFLOPS = measure.Operations(multiplyAdds, c.Mode == trainMode) * c.Contenders[0].ImagesPerSecond / 1e9
	return c
}

// description returns how the first contender describes itself.
func (r report) description() string {
	if d := r.Speed[0].Contenders[0].Rounds[0].Description; d != "" {
		return d
	}
	return r.Backend
}

// fastest returns the contender with the highest speed among the peers of a program, such as PyTorch
// 1.13 with images as NCHW and as NHWC; nil if there is none.
func (r report) fastest(c comparison, program string) *contender {
	var best *contender
	for i, k := range c.Contenders {
		p, ok := r.Peers.of(k.Name)
		if ok && p.program() == program && (best == nil || k.ImagesPerSecond > best.ImagesPerSecond) {
			best = &c.Contenders[i]
		}
	}
	return best
}

// programs returns the programs of the peers, each once.
func (r report) programs() []string {
	var names []string
	for _, p := range r.Peers {
		if !slices.Contains(names, p.program()) {
			names = append(names, p.program())
		}
	}
	return names
}

// ratioOf divides the speeds of a by those of b, round by round. If one has fewer rounds, its last round is used for the missing
// ones.
func ratioOf(a, b []result) *ratio {
	var ratios []float64
	for i := range max(len(a), len(b)) {
		ratios = append(ratios, a[min(i, len(a)-1)].ImagesPerSecond/b[min(i, len(b)-1)].ImagesPerSecond)
	}
	return &ratio{measure.Median(ratios), slices.Min(ratios), slices.Max(ratios)}
}

func medianOf(results []result, value func(result) float64) float64 {
	var values []float64
	for _, r := range results {
		values = append(values, value(r))
	}
	return measure.Median(values)
}

// The names of scalings.
const (
	byDepth = "depth"
	byBatch = "batch"
	byCores = "cores"
)

// scaling has the speed of the first contender as depth, batch size or cores grow.
type scaling struct {
	Name string       `json:"name"`
	Rows []scalingRow `json:"rows"`
}

type scalingRow struct {
	Value        int      `json:"value"`
	MultiplyAdds int64    `json:"multiply_adds"`
	Results      []result `json:"rounds"`

	spec spec
}

// work returns the number of operations of a step.
func (r scalingRow) work() float64 {
	return measure.Operations(r.MultiplyAdds, r.spec.Mode == trainMode) * float64(r.spec.Batch)
}

// save writes the report as JSON.
func (r report) save(path string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return atomicfile.WriteBytes(path, append(content, '\n'))
}
