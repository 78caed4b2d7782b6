package check

import (
	"math"
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/cam"
	solution "github.com/residual-go/residual/lesson/exercises/cam/solution"
)

func TestCAM(t *testing.T) {
	maps := func(f classMapAnswer) func(T) { return func(t T) { CAM(t, f, solution.Scale) } }
	scale := func(f func([][]float64) [][]float64) func(T) { return func(t T) { CAM(t, solution.Map, f) } }
	// folded is an answer that adds up a term for each channel.
	folded := func(term func(feature float64, weights []float64, class int) float64, finish func(total float64, features [][][]float64) float64) func(T) {
		return maps(func(features [][][]float64, weight [][]float64, class int) (m [][]float64) {
			for _, row := range features {
				var values []float64
				for _, pixel := range row {
					total := 0.0
					for c, feature := range pixel {
						total += term(feature, weight[c], class)
					}
					values = append(values, finish(total, features))
				}
				m = append(m, values)
			}
			return m
		})
	}
	product := func(feature float64, weights []float64, class int) float64 { return feature * weights[class] }
	asItIs := func(total float64, _ [][][]float64) float64 { return total }
	// stretched is an answer to Scale that finds the limits and changes every value.
	stretched := func(lowest, highest float64, change func(x, lowest, highest float64) float64) func(T) {
		return scale(func(m [][]float64) (result [][]float64) {
			lowest, highest := lowest, highest
			for _, row := range m {
				for _, x := range row {
					lowest, highest = math.Min(lowest, x), math.Max(highest, x)
				}
			}
			for _, row := range m {
				var values []float64
				for _, x := range row {
					values = append(values, change(x, lowest, highest))
				}
				result = append(result, values)
			}
			return result
		})
	}
	inf := math.Inf(1)
	// careful returns 0 where the map has no contrast.
	careful := func(change func(x, lowest, highest float64) float64) func(x, lowest, highest float64) float64 {
		return func(x, lowest, highest float64) float64 {
			if lowest == highest {
				return 0
			}
			return change(x, lowest, highest)
		}
	}
	test(t, "cam", func(t T) { CAM(t, solution.Map, solution.Scale) }, func(t T) { CAM(t, stub.Map, stub.Scale) },
		wrong{"height-width-swapped", maps(func(features [][][]float64, weight [][]float64, class int) [][]float64 {
			m := make([][]float64, len(features[0]))
			for x := range m {
				m[x] = make([]float64, len(features))
				for y := range m[x] {
					for c, w := range weight {
						m[x][y] += features[y][x][c] * w[class]
					}
				}
			}
			return m
		})},
		wrong{"mean-not-sum", folded(product, func(total float64, f [][][]float64) float64 { return total / float64(len(f[0][0])) })},
		wrong{"weights-left-out", folded(func(f float64, _ []float64, _ int) float64 { return f }, asItIs)},
		wrong{"weights-left-out", folded(func(f float64, _ []float64, _ int) float64 { return f },
			func(total float64, f [][][]float64) float64 { return total / float64(len(f[0][0])) })},
		wrong{"negative-evidence-cut", folded(product, func(total float64, _ [][][]float64) float64 { return math.Max(total, 0) })},
		wrong{"negative-evidence-cut", folded(func(f float64, w []float64, class int) float64 { return max(f*w[class], 0) }, asItIs)},
		wrong{"absolute-values", folded(func(f float64, w []float64, class int) float64 { return math.Abs(f * w[class]) }, asItIs)},
		wrong{"last-channel-only", maps(func(features [][][]float64, weight [][]float64, class int) [][]float64 {
			m := make([][]float64, len(features))
			for y, row := range features {
				m[y] = make([]float64, len(row))
				for x, pixel := range row {
					for c := range pixel {
						m[y][x] = pixel[c] * weight[c][class]
					}
				}
			}
			return m
		})},
		wrong{"first-channel-only", maps(func(features [][][]float64, weight [][]float64, class int) (m [][]float64) {
			for _, row := range features {
				var values []float64
				for _, pixel := range row {
					values = append(values, pixel[0]*weight[0][class])
				}
				m = append(m, values)
			}
			return m
		})},
		wrong{"always-class-0", folded(func(f float64, w []float64, _ int) float64 { return f * w[0] }, asItIs)},
		wrong{"all-classes", folded(func(f float64, w []float64, _ int) float64 { return f * sum(w) }, asItIs)},
		wrong{"divided-by-the-places", folded(product, func(total float64, f [][][]float64) float64 { return total / float64(len(f)*len(f[0])) })},
		wrong{"axes-confused", maps(func(features [][][]float64, weight [][]float64, class int) [][]float64 {
			m := make([][]float64, len(features))
			for y, row := range features {
				m[y] = make([]float64, len(row))
				for x, pixel := range row {
					for c := range pixel {
						m[y][x] += pixel[c] * weight[class][c]
					}
				}
			}
			return m
		})},
		wrong{"features-changed", maps(func(features [][][]float64, weight [][]float64, class int) [][]float64 {
			m := solution.Map(features, weight, class)
			for _, row := range features {
				for _, pixel := range row {
					for c := range pixel {
						pixel[c] *= weight[c][class]
					}
				}
			}
			return m
		})},
		wrong{"zero-by-zero", stretched(inf, -inf, func(x, lowest, highest float64) float64 { return (x - lowest) / (highest - lowest) })},
		wrong{"smallest-not-subtracted", stretched(inf, -inf, careful(func(x, _, highest float64) float64 { return x / highest }))},
		wrong{"divided-by-the-largest", stretched(inf, -inf, careful(func(x, lowest, highest float64) float64 { return (x - lowest) / highest }))},
		wrong{"not-divided", stretched(inf, -inf, func(x, lowest, _ float64) float64 { return x - lowest })},
		wrong{"upside-down", stretched(inf, -inf, func(x, lowest, highest float64) float64 { return 1 - (x-lowest)/(highest-lowest) })},
		wrong{"from-minus-one", stretched(inf, -inf, func(x, lowest, highest float64) float64 {
			return (x - (lowest+highest)/2) / ((highest - lowest) / 2)
		})},
		wrong{"limits-start-at-zero", stretched(0, 0, careful(func(x, lowest, highest float64) float64 { return (x - lowest) / (highest - lowest) }))},
		wrong{"row-by-row", scale(func(m [][]float64) (result [][]float64) {
			for _, row := range m {
				lowest, highest := slices.Min(row), slices.Max(row)
				var values []float64
				for _, x := range row {
					values = append(values, (x-lowest)/(highest-lowest))
				}
				result = append(result, values)
			}
			return result
		})},
		wrong{"map-changed", scale(func(m [][]float64) [][]float64 {
			for y, row := range solution.Scale(m) {
				copy(m[y], row)
			}
			return m
		})},
	)
	alsoRight(t, func(t T) {
		CAM(t, func(features [][][]float64, weight [][]float64, class int) [][]float64 {
			m := [][]float64{}
			for y := range features {
				m = append(m, make([]float64, len(features[y])))
				for channel := len(weight) - 1; channel >= 0; channel-- {
					for x := range features[y] {
						m[y][x] += weight[channel][class] * features[y][x][channel]
					}
				}
			}
			return m
		}, func(m [][]float64) [][]float64 {
			all := slices.Sorted(slices.Values(slices.Concat(m...)))
			lowest, contrast := all[0], all[len(all)-1]-all[0]
			if contrast == 0 {
				contrast = 1
			}
			result := cloneRows(m)
			for _, row := range result {
				for x := range row {
					row[x] = row[x]/contrast - lowest/contrast
				}
			}
			return result
		})
	})
}
