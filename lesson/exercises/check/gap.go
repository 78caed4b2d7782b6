package check

import (
	"embed"
	"fmt"
	"math"
	"slices"
	"strings"
)

// gapLogs has the logs of four training runs on CIFAR-10 (JPEG) with the recipe paper, cut to 24
// epochs: by this project, on XLA, in bfloat16 on one H100, with seed 1.
//
//go:embed testdata/logs
var gapLogs embed.FS

// trainingLog is a log of lesson train.
type trainingLog struct {
	network string
	epochs  []epochOfLog
	// end comes after the last finished epoch.
	end string
}

// epochOfLog is what a log says about an epoch.
type epochOfLog struct {
	text string // its lines
	// step is the loss in the last line with Step, train and test are those of the whole epoch.
	step, train, test float64
}

// openLog reads the log of a network.
func openLog(network string) trainingLog {
	text, err := gapLogs.ReadFile("testdata/logs/" + network + ".log")
	if err != nil {
		panic(err)
	}
	l := trainingLog{network: network}
	var epoch epochOfLog
	for line := range strings.Lines(string(text)) {
		epoch.text += line
		if _, loss, found := strings.Cut(line, "Loss: "); found {
			fmt.Sscanf(loss, "%f", &epoch.step)
			continue
		}
		_, losses, _ := strings.Cut(line, "train loss ")
		fmt.Sscanf(losses, "%f", &epoch.train)
		_, losses, _ = strings.Cut(line, "test loss ")
		fmt.Sscanf(losses, "%f", &epoch.test)
		l.epochs = append(l.epochs, epoch)
		epoch = epochOfLog{}
	}
	return l
}

func (l trainingLog) String() string {
	var text strings.Builder
	for _, e := range l.epochs {
		text.WriteString(e.text)
	}
	return text.String() + l.end
}

// numbers returns a number of each epoch.
func (l trainingLog) numbers(of func(e epochOfLog) float64) []float64 {
	var list []float64
	for _, e := range l.epochs {
		list = append(list, of(e))
	}
	return list
}

func (l trainingLog) losses() []float64 {
	return l.numbers(func(e epochOfLog) float64 { return e.train })
}

// killed returns the log of a run that was killed after that many epochs, with what it printed
// after them.
func (l trainingLog) killed(epochs int, end string) trainingLog {
	l.epochs, l.end = l.epochs[:epochs], end
	return l
}

// Gap checks the exercise gap.
func Gap(t T, losses func(log string) []float64, gap func(shallow, deep string) float64) {
	t.Helper()
	plain20, plain56, resnet20, resnet56 := openLog("plain20"), openLog("plain56"), openLog("resnet20"), openLog("resnet56")
	run(t, "gap",
		step{"losses", 3, readsLosses(losses, plain20, plain56.killed(3, ""), resnet20)},
		step{"a training that was killed", 2, readsLosses(losses,
			plain56.killed(2, "Epoch [3/24], Step [390/391], Loss: 1.9151\n"),
			plain20.killed(2, "Epoch [3/24], Step [390/391], Loss: 1.0835\nEpoch [3/24] done: train lo"),
			plain20.killed(7, "Epoch [8/24] done: train loss 0.7"),
			resnet56.killed(23, "Epoch [24/24] done: train loss 0.3518, train accu"),
		)},
		step{"gap", 3, comparesLosses(gap, gapCase{plain20, plain56}, gapCase{resnet20, resnet56}, gapCase{plain56, resnet56},
			gapCase{plain20.killed(1, ""), resnet20.killed(1, "")})},
		step{"logs of different lengths", 2, comparesLosses(gap,
			gapCase{plain20, plain56.killed(3, "Epoch [4/24], Step [390/391], Loss: 1.8521\n")},
			gapCase{resnet20.killed(2, "Epoch [3/24] done: train loss 0.98"), resnet56},
		)},
	)
}

// lossesMistake returns a mistake in which losses are read.
func lossesMistake(name, text string, of func(l trainingLog) []float64) mistake[trainingLog, []float64] {
	return mistake[trainingLog, []float64]{Hint{name, text}, of}
}

// cutOff returns the losses, and the number that the cut-off last line starts with, if any.
func (l trainingLog) cutOff() []float64 {
	list := l.losses()
	if i := strings.Index(l.end, "train loss "); i >= 0 {
		var loss float64
		if n, _ := fmt.Sscanf(l.end[i:], "train loss %g", &loss); n == 1 {
			list = append(list, loss)
		}
	}
	return list
}

// partial returns the losses, and a 0 if the cut-off last line has no number.
func (l trainingLog) partial() []float64 {
	list := l.cutOff()
	if strings.Contains(l.end, "done") && len(list) == len(l.epochs) {
		list = append(list, 0)
	}
	return list
}

func readsLosses(answer func(log string) []float64, logs ...trainingLog) func() error {
	// withSteps returns the losses of the lines with Step, each followed by those of its epoch.
	withSteps := func(l trainingLog, of func(e epochOfLog) []float64) []float64 {
		var list []float64
		for _, e := range l.epochs {
			list = append(append(list, e.step), of(e)...)
		}
		var step float64
		if _, text, found := strings.Cut(l.end, "Loss: "); found {
			fmt.Sscanf(text, "%f", &step)
			list = append(list, step)
		}
		return list
	}
	return trial[trainingLog, []float64]{
		cases:  logs,
		answer: func(l trainingLog) []float64 { return answer(l.String()) },
		want:   trainingLog.losses,
		same:   nearAll,
		what:   func(l trainingLog) string { return "Losses of the log\n" + shortened(l.String()) },
		explain: func(l trainingLog, want, got []float64) *Failure {
			return &Failure{What: "Losses of the log\n" + shortened(l.String()), Want: numbers(want), Got: numbers(got)}
		},
		mistakes: []mistake[trainingLog, []float64]{
			lossesMistake("test-losses", "these are the test losses. Degradation is about the training loss: a deeper network that only overfitted would have a lower one",
				func(l trainingLog) []float64 { return l.numbers(func(e epochOfLog) float64 { return e.test }) }),
			lossesMistake("steps-too", "the losses of the lines with Step are there too: take the lines of finished epochs only",
				func(l trainingLog) []float64 {
					return withSteps(l, func(e epochOfLog) []float64 { return []float64{e.train} })
				}),
			lossesMistake("steps-too", "these are the losses of the lines with Step, which are printed during an epoch: take the lines of finished epochs",
				func(l trainingLog) []float64 { return withSteps(l, func(epochOfLog) []float64 { return nil }) }),
			lossesMistake("steps-too", "these are the last losses printed during each epoch: take the lines of finished epochs",
				func(l trainingLog) []float64 { return l.numbers(func(e epochOfLog) float64 { return e.step }) }),
			lossesMistake("last-epoch-only", "this is the last epoch; return the losses of all finished epochs",
				func(l trainingLog) []float64 { return l.losses()[len(l.epochs)-1:] }),
			lossesMistake("first-epoch-only", "this is the first epoch; return the losses of all finished epochs",
				func(l trainingLog) []float64 { return l.losses()[:1] }),
			lossesMistake("not-in-order", "the losses are sorted; keep them in the order of the epochs",
				func(l trainingLog) []float64 { return slices.Sorted(slices.Values(l.losses())) }),
			lossesMistake("cut-off-line-counted", "the last line was cut off when the run was killed, perhaps in the middle of the number: 0.7 may be all that is left of 0.7449. Count only lines that end with a newline",
				trainingLog.cutOff),
			lossesMistake("cut-off-line-counted", "the last line was cut off, and there is no number to read: leave it out, do not count it as 0",
				trainingLog.partial),
		},
		outside: Hint{"cut-off-line", "a line may be cut off: check that it has what you are about to read"},
		unmade:  Hint{"cut-off-line", "a line may be cut off: check that it has what you are about to read"},
	}.try
}

// shortened leaves out the middle of a long log.
func shortened(log string) string {
	lines := strings.SplitAfter(log, "\n")
	if n := len(lines); n > 7 {
		lines = slices.Concat(lines[:3], []string{"…\n"}, lines[n-4:])
	}
	return "  " + strings.ReplaceAll(strings.TrimSuffix(strings.Join(lines, ""), "\n"), "\n", "\n  ")
}

// gapCase holds the arguments of Gap.
type gapCase struct{ shallow, deep trainingLog }

// both returns the losses of both logs for the epochs that both finished.
func (c gapCase) both() (shallow, deep []float64) {
	n := min(len(c.shallow.epochs), len(c.deep.epochs))
	return c.shallow.losses()[:n], c.deep.losses()[:n]
}

func (c gapCase) want() float64 {
	shallow, deep := c.both()
	return deep[len(deep)-1] - shallow[len(shallow)-1]
}

// gapMistake returns a mistake in what is computed from the losses of the epochs that both
// finished.
func gapMistake(name, text string, of func(shallow, deep []float64) float64) mistake[gapCase, float64] {
	return mistake[gapCase, float64]{Hint{name, text}, func(c gapCase) float64 { return of(c.both()) }}
}

func last(values []float64) float64 { return values[len(values)-1] }

func comparesLosses(answer func(shallow, deep string) float64, cases ...gapCase) func() error {
	what := func(c gapCase) string {
		var lines []string
		for _, l := range []trainingLog{c.shallow, c.deep} {
			losses := l.losses()
			lines = append(lines, fmt.Sprintf("  the log of %s, %d epochs, the last with a training loss of %s", l.network, len(losses), number(last(losses))))
		}
		shallow, deep := c.both()
		if len(c.shallow.epochs) != len(c.deep.epochs) {
			lines = append(lines, fmt.Sprintf("  after %d epochs, the training losses are %s and %s", len(deep), number(last(shallow)), number(last(deep))))
		}
		return "Gap of\n" + strings.Join(lines, "\n")
	}
	return trial[gapCase, float64]{
		cases:  cases,
		answer: func(c gapCase) float64 { return answer(c.shallow.String(), c.deep.String()) },
		want:   gapCase.want,
		same:   func(a, b float64) bool { return near(a, b, 1e-9) },
		what:   what,
		explain: func(c gapCase, want, got float64) *Failure {
			return &Failure{What: what(c), Want: number(want), Got: number(got)}
		},
		mistakes: []mistake[gapCase, float64]{
			gapMistake("shallow-minus-deep", "the sign is wrong: the gap is positive if the deep network's loss is higher",
				func(a, b []float64) float64 { return last(a) - last(b) }),
			gapMistake("sign-lost", "a gap may be negative, if the deep network is better than the shallow one: do not take the absolute value",
				func(a, b []float64) float64 { return math.Abs(last(b) - last(a)) }),
			gapMistake("ratio-not-difference", "this is the ratio of the losses; the gap is their difference",
				func(a, b []float64) float64 { return last(b) / last(a) }),
			gapMistake("mean-over-epochs", "this is the mean over the epochs; compare the networks after the last one",
				func(a, b []float64) float64 { return mean(b) - mean(a) }),
			gapMistake("first-epoch", "this is the gap after the first epoch; compare the networks after the last one",
				func(a, b []float64) float64 { return b[0] - a[0] }),
			{Hint{"test-loss-gap", "this is the gap in test loss. Degradation is about the training loss: a deeper network that only overfitted would have a lower one"},
				func(c gapCase) float64 {
					n := min(len(c.shallow.epochs), len(c.deep.epochs))
					return c.deep.epochs[n-1].test - c.shallow.epochs[n-1].test
				}},
			{Hint{"different-epochs", "one network was trained for longer than the other: compare them after the last epoch that both finished"},
				func(c gapCase) float64 { return last(c.deep.losses()) - last(c.shallow.losses()) }},
		},
		outside: Hint{"outside-the-losses", "an index is outside the losses of a log. Where one log has more epochs than the other, the last epoch that both finished is the last one of the shorter log, and its index is one less than the number of losses"},
	}.try
}
