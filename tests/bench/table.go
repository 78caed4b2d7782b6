package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/residual-go/residual/tests/internal/measure"
)

// writeSpeed writes the tables of speed, ratios and memory of all contenders, with notes.
func (r report) writeSpeed(w io.Writer) error {
	if err := writeTable(w, r.heading(), r.speedRows()); err != nil {
		return err
	}
	for _, note := range r.notes() {
		fmt.Fprintln(w, note)
	}
	if len(r.Speed[0].Contenders) > 1 {
		title := "Speed of " + r.Backend + ", as a multiple of that of the others"
		rows := r.rows(func(k contender) string { return k.Speed.span() }, 1)
		if err := writeTable(w, title, rows); err != nil {
			return err
		}
	}
	return writeTable(w, "Peak memory of the process, MiB", r.rows(func(k contender) string { return measure.Whole(k.PeakMiB) }, 0))
}

func (r report) heading() string {
	return fmt.Sprintf("Images per second (float32, %d×%d pixels, batch %d, threads: %d; %s)", size, size, r.Batch, r.Threads, r.median())
}

func (r report) median() string {
	if r.Rounds == 1 {
		return "one round"
	}
	return fmt.Sprintf("median of %d rounds", r.Rounds)
}

func (r report) speedRows() [][]string {
	rows := r.rows(func(k contender) string { return measure.Number(k.ImagesPerSecond) }, 0)
	rows[0] = append(rows[0], "GFLOP/s", "of peak")
	for i, c := range r.Speed {
		rows[i+1] = append(rows[i+1], measure.Number(c.GFLOPS), r.ofPeak(c.GFLOPS))
	}
	return rows
}

// rows returns a table with a value of each contender but the first few.
func (r report) rows(value func(contender) string, skip int) [][]string {
	rows := [][]string{append([]string{"network", "mode"}, r.columns()[skip:]...)}
	for _, c := range r.Speed {
		row := []string{c.Network, modeName(c.Mode)}
		for _, k := range c.Contenders[skip:] {
			row = append(row, value(k))
		}
		rows = append(rows, row)
	}
	return rows
}

// columns returns the names of the contenders, with a star for those with a note.
func (r report) columns() []string {
	var names []string
	for _, k := range r.Speed[0].Contenders {
		name := k.Name
		if p, ok := r.Peers.of(name); ok {
			name = p.program() + " " + p.how()
		}
		if k.small(r.Batch) {
			name += "*"
		}
		names = append(names, name)
	}
	return names
}

// small reports whether the contender's batch was smaller than the others'.
func (k contender) small(batch int) bool { return k.Rounds[0].Batch != batch }

func (r report) notes() []string {
	var notes []string
	for _, k := range r.Speed[0].Contenders {
		if k.small(r.Batch) {
			notes = append(notes, fmt.Sprintf("* %s is slow, so it takes a single step on a batch of %d, without a warm-up; its memory is for that batch.",
				k.Name, k.Rounds[0].Batch))
		}
	}
	if d := r.description(); d != r.Backend {
		notes = append(notes, r.Backend+": "+d+".")
	}
	operations := fmt.Sprintf("GFLOP/s are those of %s, with two operations for each multiply-add of the forward pass and three times as many in training", r.Backend)
	if r.PeakGFLOPS > 0 {
		operations += fmt.Sprintf("; the peak is %s, measured with fused multiply-adds only (cpu can exceed it because it skips padding, and saves multiplications in 3×3 convolutions by Winograd's algorithm)", measure.Number(r.PeakGFLOPS))
	}
	return append(notes, operations+".", fmt.Sprintf("Machine: %s, %d processors, %s.", r.Machine.CPU, r.Machine.CPUs, r.Machine.Go))
}

// versus describes the peers: for each program, the layout of its images and whether it compiled.
func (r report) versus() string {
	var programs []string
	for _, program := range r.programs() {
		var ways []string
		for _, p := range r.Peers {
			if p.program() == program {
				ways = append(ways, p.how())
			}
		}
		if len(ways) > 1 {
			ways = []string{"the fastest of " + strings.Join(ways, ", ")}
		}
		programs = append(programs, program+" ("+ways[0]+")")
	}
	return strings.Join(programs, " and ")
}

// write writes the scaling as a table. The last two columns are a row's time per step and number of
// operations divided by those of the first row.
func (s scaling) write(w io.Writer) error {
	first := s.Rows[0]
	rows := [][]string{{s.Name, "ms/step", "images/s", "GFLOP/s", "MiB", "time ×", "work ×"}}
	for _, row := range s.Rows {
		seconds := medianOf(row.Results, secondsOf)
		rows = append(rows, []string{
			fmt.Sprint(row.Value),
			measure.Number(1000 * seconds),
			measure.Number(medianOf(row.Results, speedOf)),
			measure.Number(row.work() / seconds / 1e9),
			measure.Whole(medianOf(row.Results, memoryOf)),
			fmt.Sprintf("%.2f", seconds/medianOf(first.Results, secondsOf)),
			fmt.Sprintf("%.2f", row.work()/first.work()),
		})
	}
	return writeTable(w, s.title(), rows)
}

// title names the quantity that grows and the fixed ones.
func (s scaling) title() string {
	of := s.Rows[0].Results[0]
	title := fmt.Sprintf("By %s: %s, %s", s.Name, of.Backend, modeName(of.Mode))
	if s.Name != byDepth {
		title += " of " + of.Network
	}
	if s.Name != byBatch {
		title += fmt.Sprintf(", batch %d", of.Batch)
	}
	if s.Name != byCores {
		title += fmt.Sprintf(", threads: %d", of.Threads)
	}
	return title
}

// writeTable writes rows under a title. The first row is the header.
func writeTable(w io.Writer, title string, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s\n\n", title)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t")+"\t")
	}
	return table.Flush()
}

// String returns the median, such as "1.23".
func (r *ratio) String() string {
	if r == nil {
		return measure.Unknown
	}
	return measure.Number(r.Median)
}

// span returns the median, and the range from minimum to maximum if there are several rounds.
func (r *ratio) span() string {
	if r == nil || r.Low == r.High {
		return r.String()
	}
	return fmt.Sprintf("%s (%s–%s)", r, measure.Number(r.Low), measure.Number(r.High))
}

func (r report) ofPeak(gflops float64) string {
	if r.PeakGFLOPS == 0 {
		return measure.Unknown
	}
	return fmt.Sprintf("%.0f%%", 100*gflops/r.PeakGFLOPS)
}
