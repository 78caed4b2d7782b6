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
	// PyTorch is its version, or "" without PyTorch. ChannelsLast is true if its images were in NHWC
	// layout, and Compiled if it compiled the network.
	PyTorch      string `json:"pytorch,omitempty"`
	ChannelsLast bool   `json:"pytorch_channels_last,omitempty"`
	Compiled     bool   `json:"pytorch_compiled,omitempty"`
	Batch        int    `json:"batch"`
	Threads      int    `json:"threads"`
	Rounds       int    `json:"rounds"`
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
	// ToPyTorch and ToStock are the speed of the first contender divided by that of PyTorch and of
	// GoMLX's Go backend, and MemoryToPyTorch is its memory divided by PyTorch's; nil if unknown.
	ToPyTorch       *ratio `json:"to_pytorch,omitempty"`
	ToStock         *ratio `json:"to_stock_go,omitempty"`
	MemoryToPyTorch *ratio `json:"memory_to_pytorch,omitempty"`
	// Contenders are in the order of the table's columns.
	Contenders []contender `json:"contenders"`
}

// contender has the results of one contender.
type contender struct {
	Backend         string   `json:"backend"`
	ImagesPerSecond float64  `json:"images_per_second"`
	PeakMiB         float64  `json:"peak_mib"`
	Rounds          []result `json:"rounds"`
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
		name := rounds[0].Backend
		c.Contenders = append(c.Contenders, contender{name, medianOf(rounds, speedOf), medianOf(rounds, memoryOf), rounds})
		switch {
		case i == 0:
			c.GFLOPS = measure.Operations(multiplyAdds, c.Mode == trainMode) * c.Contenders[0].ImagesPerSecond / 1e9
		case name == torch:
			c.ToPyTorch = ratioOf(results[0], rounds, speedOf)
			if rounds[0].Batch == first.Batch {
				c.MemoryToPyTorch = ratioOf(results[0], rounds, memoryOf)
			}
		case base(name) == stock:
			c.ToStock = ratioOf(results[0], rounds, speedOf)
		}
	}
	return c
}

// ratioOf divides a by b, round by round. If one has fewer rounds, its last round is used for the missing
// ones. The result is nil if a value is unknown.
func ratioOf(a, b []result, value func(result) float64) *ratio {
	var ratios []float64
	for i := range max(len(a), len(b)) {
		over, under := value(a[min(i, len(a)-1)]), value(b[min(i, len(b)-1)])
		if !(over > 0 && under > 0) {
			return nil
		}
		ratios = append(ratios, over/under)
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
