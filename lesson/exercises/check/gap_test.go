package check

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/gap"
	solution "github.com/residual-go/residual/lesson/exercises/gap/solution"
)

func TestGap(t *testing.T) {
	losses := func(f func(log string) []float64) func(T) { return func(t T) { Gap(t, f, solution.Gap) } }
	gap := func(f func(shallow, deep string) float64) func(T) { return func(t T) { Gap(t, solution.Losses, f) } }
	// of compares the losses of the two logs.
	of := func(f func(shallow, deep []float64) float64) func(T) {
		return gap(func(shallow, deep string) float64 { return f(solution.Losses(shallow), solution.Losses(deep)) })
	}
	// matches reads the numbers after an expression, to the end of the log.
	matches := func(expression string) func(log string) []float64 {
		number := regexp.MustCompile(expression + `([0-9.]+)`)
		return func(log string) (list []float64) {
			for _, match := range number.FindAllStringSubmatch(log, -1) {
				loss, _ := strconv.ParseFloat(match[1], 64)
				list = append(list, loss)
			}
			return list
		}
	}
	test(t, "gap",
		func(t T) { Gap(t, solution.Losses, solution.Gap) }, func(t T) { Gap(t, stub.Losses, stub.Gap) },
		wrong{"test-losses", losses(matches(`test loss `))},
		wrong{"steps-too", losses(matches(`(?:Loss: |train loss )`))},
		wrong{"steps-too", losses(matches(`Loss: `))},
		wrong{"steps-too", losses(func(log string) (list []float64) {
			var loss float64
			for _, line := range strings.SplitAfter(log, "\n") {
				if _, text, found := strings.Cut(line, "Loss: "); found {
					fmt.Sscan(text, &loss)
				} else if strings.Contains(line, "done") && loss > 0 {
					list = append(list, loss)
					loss = 0
				}
			}
			return list
		})},
		wrong{"last-epoch-only", losses(func(log string) []float64 {
			list := solution.Losses(log)
			return list[len(list)-1:]
		})},
		wrong{"first-epoch-only", losses(func(log string) []float64 { return solution.Losses(log)[:1] })},
		wrong{"not-in-order", losses(func(log string) []float64 {
			list := solution.Losses(log)
			slices.Sort(list)
			return list
		})},
		wrong{"cut-off-line-counted", losses(matches(`train loss `))},
		wrong{"cut-off-line-counted", losses(func(log string) (list []float64) {
			for _, line := range strings.Split(log, "\n") {
				if !strings.Contains(line, "done") {
					continue
				}
				var loss float64
				if _, text, found := strings.Cut(line, "train loss "); found {
					fmt.Sscanf(text, "%f,", &loss)
				}
				list = append(list, loss)
			}
			return list
		})},
		wrong{"cut-off-line", losses(func(log string) (list []float64) {
			for _, line := range strings.Split(log, "\n") {
				if strings.Contains(line, "done") {
					loss, _ := strconv.ParseFloat(strings.TrimSuffix(strings.Fields(line)[5], ","), 64)
					list = append(list, loss)
				}
			}
			return list
		})},
		wrong{"shallow-minus-deep", of(func(a, b []float64) float64 {
			n := min(len(a), len(b))
			return a[n-1] - b[n-1]
		})},
		wrong{"sign-lost", of(func(a, b []float64) float64 {
			n := min(len(a), len(b))
			return math.Abs(a[n-1] - b[n-1])
		})},
		wrong{"ratio-not-difference", of(func(a, b []float64) float64 { return b[len(b)-1] / a[len(a)-1] })},
		wrong{"mean-over-epochs", of(func(a, b []float64) (gap float64) {
			n := min(len(a), len(b))
			for i := range n {
				gap += (b[i] - a[i]) / float64(n)
			}
			return gap
		})},
		wrong{"first-epoch", of(func(a, b []float64) float64 { return b[0] - a[0] })},
		wrong{"test-loss-gap", gap(func(shallow, deep string) float64 {
			a, b := matches(`test loss `)(shallow), matches(`test loss `)(deep)
			return b[len(b)-1] - a[len(a)-1]
		})},
		wrong{"different-epochs", of(func(a, b []float64) float64 { return b[len(b)-1] - a[len(a)-1] })},
		wrong{"outside-the-losses", of(func(a, b []float64) float64 { return b[len(a)-1] - a[len(a)-1] })},
	)
	alsoRight(t, func(t T) {
		finished := regexp.MustCompile(`Epoch \[\d+/\d+\] done: train loss (\d+\.\d+),.*\n`)
		read := func(log string) []float64 {
			list := []float64{}
			for _, match := range finished.FindAllStringSubmatch(log, -1) {
				loss, _ := strconv.ParseFloat(match[1], 64)
				list = append(list, loss)
			}
			return list
		}
		Gap(t, read, func(shallow, deep string) float64 {
			a, b := read(shallow), read(deep)
			for len(a) > len(b) {
				a = a[:len(a)-1]
			}
			return b[len(a)-1] - a[len(a)-1]
		})
	})
}
