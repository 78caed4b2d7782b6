package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/tests/internal/measure"
)

// tables prints the tables of the results in the named folder.
func tables(args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("table takes one argument, the folder with the results")
	}
	all, _, err := readRecords(args[0])
	if err != nil {
		return err
	}
	text, err := markdown(all)
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// markdown returns the tables of the records.
func markdown(all []record) (string, error) {
	var text strings.Builder
	text.WriteString(machineTable(all))
	speeds, err := speedTables(all)
	if err != nil {
		return "", err
	}
	text.WriteString(speeds)
	text.WriteString(costTable(all))
	text.WriteString(recordTable(all))
	text.WriteString(trainingTable(all))
	text.WriteString(hostTable(all))
	text.WriteString(hloTable(all))
	text.WriteString(failures(all))
	return text.String(), nil
}

func machineTable(all []record) string {
	rows := [][]string{{"property", "value"}}
	seen := map[string]bool{}
	for _, r := range all {
		switch latest, _ := factOf(all, r.Name); r.Event {
		case factEvent:
			if r.Value != latest || seen[r.Name] {
				continue
			}
			seen[r.Name] = true
			rows = append(rows, []string{r.Name, r.Value})
		case rateEvent:
			if seen[rateEvent] {
				continue
			}
			seen[rateEvent] = true
			rows = append(rows, []string{"matrix product, 8192³, bfloat16", number(r.TFLOPS) + " TFLOP/s"})
		}
	}
	if len(all) > 0 {
		rows = append(rows, []string{"measured", day(all[0].Time) + " to " + day(all[len(all)-1].Time)})
	}
	return table("Machine", rows)
}

// day returns the date and time of day of an RFC 3339 time, to the minute.
func day(time string) string { return strings.Replace(fmt.Sprintf("%.16s", time), "T", " ", 1) }

// factOf returns the latest value of the named fact.
func factOf(all []record, name string) (value string, known bool) {
	for _, r := range slices.Backward(all) {
		if r.Event == factEvent && r.Name == name {
			return r.Value, true
		}
	}
	return "", false
}

// measured groups the records of an event by spec. It leaves out those of the profile, since profiling
// takes time.
func measured(all []record, event string) map[spec][]record {
	by := map[spec][]record{}
	for _, r := range all {
		if r.Event == event && slices.Contains([]string{speedPart, batchesPart, float32Part, autotunePart}, r.Part) {
			by[r.spec] = append(by[r.spec], r)
		}
	}
	return by
}

// speedTables returns a table for every network and image size, with a row for every batch size and
// precision and a column for every peer.
func speedTables(all []record) (string, error) {
	by := measured(all, windowEvent)
	subjects := map[spec]bool{}
	var peers []string
	for s := range by {
		subjects[spec{Network: s.Network, Size: s.Size}] = true
		if !slices.Contains(peers, s.Peer) {
			peers = append(peers, s.Peer)
		}
	}
	slices.SortFunc(peers, byPeer)
	var text strings.Builder
	for _, subject := range slices.SortedFunc(maps.Keys(subjects), bySpec) {
		multiplyAdds, err := measure.MultiplyAdds(subject.Network, subject.Size)
		if err != nil {
			return "", err
		}
		work := measure.Operations(multiplyAdds, true)
		head := []string{"precision", "batch"}
		for _, peer := range peers {
			head = append(head, title(peer))
		}
		rows := [][]string{append(head, "ours ÷ torch.compile", "ours ÷ reduce-overhead", "ours ÷ JAX", "ours, TFLOP/s", "share of the matrix rate")}
		for _, at := range cases(by, subject) {
			row := []string{at.Precision, fmt.Sprint(at.Batch)}
			speed := map[string]float64{}
			for _, peer := range peers {
				at.Peer = peer
				speed[peer] = median(by[at], imagesPerSecond)
				row = append(row, spread(by[at]))
			}
			rows = append(rows, append(row, ratio(speed[ours], speed[compiled]), ratio(speed[ours], speed[graphed]), ratio(speed[ours], speed[jax]),
				number(work*speed[ours]/1e12), share(work*speed[ours]/1e12, matrixRate(all))))
		}
		text.WriteString(table(fmt.Sprintf("%s at %d×%d: training, images/s", subject.Network, subject.Size, subject.Size), rows))
	}
	if text.Len() > 0 {
		text.WriteString("Medians over the windows, ± half the range. All peers compute float32 products in TensorFloat-32. " +
			"An operation is a multiplication or an addition; a training step has three times as many as the forward pass. Residual's steps also crop and flip, and compute accuracy and the gradient norm.\n\n")
	}
	return text.String(), nil
}

// cases returns the batch sizes and precisions that a network was measured with.
func cases(by map[spec][]record, subject spec) []spec {
	found := map[spec]bool{}
	for s := range by {
		if s.Network == subject.Network && s.Size == subject.Size {
			s.Peer = ""
			found[s] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), bySpec)
}

// costTable returns the table of compile times and memory.
func costTable(all []record) string {
	windows, starts := measured(all, windowEvent), measured(all, readyEvent)
	rows := [][]string{{"network", "size", "precision", "batch", "peer", "first step, s", "memory of the process, MiB", "memory by its own account, MiB"}}
	for _, s := range slices.SortedFunc(maps.Keys(windows), bySpec) {
		rows = append(rows, []string{s.Network, fmt.Sprint(s.Size), s.Precision, fmt.Sprint(s.Batch), title(s.Peer),
			number(median(starts[s], func(r record) float64 { return r.FirstStep })),
			measure.Whole(most(windows[s], func(r record) float64 { return r.DeviceMiB })),
			measure.Whole(most(windows[s], func(r record) float64 { return r.AllocatedMiB }))})
	}
	return table("Time to the first step, and memory", rows)
}

// trainingTable returns the table of training runs by the fast recipe, over all seeds.
func trainingTable(all []record) string {
	by := map[spec][]record{}
	firstEpochs := map[spec]map[uint64]float64{}
	for _, r := range all {
		switch {
		case r.Part == recordPart: // see recordTable
		case r.Event == trainedEvent:
			by[r.spec] = append(by[r.spec], r)
		case r.Event == epochEvent && r.Epoch == 1:
			if firstEpochs[r.spec] == nil {
				firstEpochs[r.spec] = map[uint64]float64{}
			}
			firstEpochs[r.spec][r.Seed] = r.TrainSeconds
		}
	}
	rows := [][]string{{"peer", "precision", "seeds", "epochs", "test accuracy", "lowest", "highest", "training, s", "a later epoch, s", "process, s"}}
	for _, s := range slices.SortedFunc(maps.Keys(by), bySpec) {
		runs := by[s]
		accuracy := func(r record) float64 { return 100 * r.Accuracy }
		var mean float64
		for _, r := range runs {
			mean += accuracy(r) / float64(len(runs))
		}
		rows = append(rows, []string{title(s.Peer), s.Precision, fmt.Sprint(len(runs)), fmt.Sprint(runs[0].Epoch),
			fmt.Sprintf("%.2f%%", mean), fmt.Sprintf("%.2f%%", least(runs, accuracy)), fmt.Sprintf("%.2f%%", most(runs, accuracy)),
			number(median(runs, func(r record) float64 { return r.TrainSeconds })),
			number(median(runs, func(r record) float64 {
				return (r.TrainSeconds - firstEpochs[r.spec][r.Seed]) / float64(max(1, r.Epoch-1))
			})),
			number(median(runs, func(r record) float64 { return r.Seconds }))})
	}
	images, _ := factOf(all, "images")
	text := table("The fast recipe on "+images, rows)
	if text != "" {
		text += "Accuracy is the mean over the seeds; times are medians. Training time includes compiling, in the first epoch, but not evaluation; that of the process includes everything.\n\n"
	}
	return text
}

// recordTable returns the table of the finished runs of the part record.
func recordTable(all []record) string {
	rows := [][]string{{"run", "size", "seed", "epochs", "training loss", "test accuracy"}}
	for _, r := range all {
		if r.Part == recordPart && r.Event == trainedEvent {
			rows = append(rows, []string{r.Name, fmt.Sprint(r.Size), fmt.Sprint(r.Seed), fmt.Sprint(r.Epoch), number(r.Loss), fmt.Sprintf("%.2f%%", 100*r.Accuracy)})
		}
	}
	return table("Recorded runs", rows)
}

// hostTable returns the table of how the time of a step is spent.
func hostTable(all []record) string {
	rows := [][]string{{"network", "size", "batch", "peer", "whole step", "device calls", "waiting for results", "sending", "host only", "kernels running"}}
	for _, r := range all {
		if r.Part != profilePart || r.Event != windowEvent {
			continue
		}
		step := func(seconds float64) string {
			if seconds == 0 {
				return measure.Unknown
			}
			return number(1000 * seconds / float64(r.Steps))
		}
		host := measure.Unknown
		if r.Peer == ours {
			host = step(r.Seconds - r.Execute - r.Fetch - r.Send)
		}
		rows = append(rows, []string{r.Network, fmt.Sprint(r.Size), fmt.Sprint(r.Batch), title(r.Peer), step(r.Seconds),
			step(r.Execute), step(r.Fetch), step(r.Send), host, step(r.Device)})
	}
	text := table("How the time of a step is spent, in ms", rows)
	if text != "" {
		text += "Device calls may return before the device has finished, so it may be busy while only the host seems to be.\n\n"
	}
	return text
}

// hloTable returns the table of the compiled steps' instructions. It leaves out counts without products,
// which are from an earlier version and from the wrong program.
func hloTable(all []record) string {
	var columns []record
	kinds := map[string]bool{}
	for _, r := range all {
		if r.Event == hloEvent && r.Products > 0 {
			columns = append(columns, r)
			for kind := range r.HLO {
				kinds[kind] = true
			}
		}
	}
	if len(columns) == 0 {
		return ""
	}
	head := []string{"kernel or call"}
	for _, r := range columns {
		head = append(head, fmt.Sprintf("%s, %s at %d", title(r.Peer), r.Network, r.Size))
	}
	rows := [][]string{head}
	row := []string{"convolutions and matrix products, also within fusions"}
	for _, r := range columns {
		row = append(row, fmt.Sprint(r.Products))
	}
	rows = append(rows, row)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		row := []string{kind}
		for _, r := range columns {
			row = append(row, fmt.Sprint(r.HLO[kind]))
		}
		rows = append(rows, row)
	}
	return table("Instructions of XLA's compiled step", rows)
}

// failures lists what could not be measured.
func failures(all []record) string {
	counts := map[string]int{}
	var order []string
	for _, r := range all {
		if r.Event != failedEvent {
			continue
		}
		text := fmt.Sprintf("%s: %v: %s", r.Part, r.spec, r.Error)
		switch {
		case r.Part == recordPart:
			text = fmt.Sprintf("%s: %s: %s", r.Part, r.Name, strings.TrimPrefix(r.Error, r.Name+": "))
		case r.Seed > 0:
			text = fmt.Sprintf("%s: %s, %s, %s: %s", r.Part, r.Network, r.Peer, r.Precision, r.Error)
		case !outOfMemory(r.Error):
			text = fmt.Sprintf("%s: %s: %s", r.Part, r.Peer, r.Error)
		}
		if counts[text] == 0 {
			order = append(order, text)
		}
		counts[text]++
	}
	var text strings.Builder
	for _, line := range order {
		fmt.Fprintf(&text, "- %s", line)
		if counts[line] > 1 {
			fmt.Fprintf(&text, " (%d times)", counts[line])
		}
		text.WriteString("\n")
	}
	if text.Len() == 0 {
		return ""
	}
	return "### Skipped\n\n" + text.String() + "\n"
}

// table returns the rows as a Markdown table with the first row as its header, or "" if there is no
// other row.
func table(title string, rows [][]string) string {
	if len(rows) < 2 {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "### %s\n\n", title)
	for i, row := range rows {
		for _, cell := range row {
			text.WriteString("| " + strings.ReplaceAll(printable.Line(cell), "|", `\|`) + " ")
		}
		text.WriteString("|\n")
		if i == 0 {
			text.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return text.String() + "\n"
}

// title returns the name of a peer in tables.
func title(peer string) string {
	names := map[string]string{ours: "Residual", eager: "PyTorch", compiled: "torch.compile", jax: "JAX",
		graphed: "reduce-overhead", tuned: "max-autotune", torchRecipe: "PyTorch"}
	return names[peer]
}

func byPeer(a, b string) int {
	order := []string{ours, eager, compiled, graphed, tuned, jax, torchRecipe}
	return slices.Index(order, a) - slices.Index(order, b)
}

// bySpec sorts small images before large ones, then by network, and bfloat16 before float32.
func bySpec(a, b spec) int {
	wide := func(s spec) int {
		if s.Precision == recipe.Float32 {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Size, b.Size), strings.Compare(a.Network, b.Network),
		cmp.Compare(wide(a), wide(b)), cmp.Compare(a.Batch, b.Batch), byPeer(a.Peer, b.Peer))
}

func matrixRate(all []record) float64 {
	for _, r := range all {
		if r.Event == rateEvent {
			return r.TFLOPS
		}
	}
	return 0
}

func values(rs []record, of func(record) float64) []float64 {
	var all []float64
	for _, r := range rs {
		all = append(all, of(r))
	}
	return all
}

// median returns 0 if there are no records.
func median(rs []record, of func(record) float64) float64 {
	if len(rs) == 0 {
		return 0
	}
	return measure.Median(values(rs, of))
}

func least(rs []record, of func(record) float64) float64 { return slices.Min(values(rs, of)) }

func most(rs []record, of func(record) float64) float64 { return slices.Max(values(rs, of)) }

// spread returns the median of images/s and half the range.
func spread(rs []record) string {
	if len(rs) == 0 {
		return measure.Unknown
	}
	half := (most(rs, imagesPerSecond) - least(rs, imagesPerSecond)) / 2
	if half == 0 {
		return number(median(rs, imagesPerSecond))
	}
	return fmt.Sprintf("%s ± %s", number(median(rs, imagesPerSecond)), number(half))
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return measure.Unknown
	}
	return fmt.Sprintf("%.2f", a/b)
}

func share(a, of float64) string {
	if a == 0 || of == 0 {
		return measure.Unknown
	}
	return fmt.Sprintf("%.1f%%", 100*a/of)
}

// number formats a positive number. 0 means unknown.
func number(v float64) string {
	if v == 0 {
		return measure.Unknown
	}
	return measure.Number(v)
}
