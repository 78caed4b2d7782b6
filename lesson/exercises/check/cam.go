package check

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// camCase is a class activation map, with PyTorch's values.
type camCase struct {
	Features [][][]float64 `json:"features"`
	Weight   [][]float64   `json:"weight"`
	Class    int           `json:"class"`
	Want     [][]float64   `json:"want"`
	Scaled   [][]float64   `json:"scaled"`
}

func (c camCase) String() string {
	return fmt.Sprintf("Map(features [%d][%d][%d], weight [%d][%d], class %d)",
		len(c.Features), len(c.Features[0]), len(c.Features[0][0]), len(c.Weight), len(c.Weight[0]), c.Class)
}

// classMapAnswer is the function Map of the exercise.
type classMapAnswer = func(features [][][]float64, weight [][]float64, class int) [][]float64

// CAM checks the exercise cam.
func CAM(t T, maps classMapAnswer, scale func(m [][]float64) [][]float64) {
	t.Helper()
	cases := torch().CAM
	shapes := func(a, b [][]float64) bool {
		return slices.EqualFunc(a, b, func(a, b []float64) bool { return len(a) == len(b) })
	}
	run(t, "cam",
		step{"shape", 1, classMaps(maps, shapes, cases)},
		step{"map", 5, classMaps(maps, sameRows, cases)},
		step{"scale", 3, scales(scale, cases[0].Want, cases[2].Want, cases[3].Want, [][]float64{{-3, -1}, {-2, -5}}, [][]float64{{0.25, 0.75}},
			[][]float64{{3, 4}, {5, 3.5}}, [][]float64{{4, 6}, {1, 5}})},
		step{"a map without contrast", 1, scales(scale, [][]float64{{2, 2, 2}}, [][]float64{{0}, {0}})},
	)
}

func cloneRows(rows [][]float64) [][]float64 {
	list := slices.Clone(rows)
	for i, row := range list {
		list[i] = slices.Clone(row)
	}
	return list
}

// each returns a map; value computes the map's value at a place from the features there.
func (c camCase) each(value func(pixel []float64) float64) [][]float64 {
	var m [][]float64
	for _, row := range c.Features {
		var values []float64
		for _, pixel := range row {
			values = append(values, value(pixel))
		}
		m = append(m, values)
	}
	return m
}

// products returns the terms of the sum at a place.
func (c camCase) products(pixel []float64, class int) []float64 {
	var list []float64
	for channel, feature := range pixel {
		list = append(list, feature*c.Weight[channel][class])
	}
	return list
}

// camMistake returns a mistake in what is computed from the products at a place.
func camMistake(name, text string, value func(c camCase, pixel, products []float64) float64) mistake[camCase, [][]float64] {
	return mistake[camCase, [][]float64]{Hint{name, text}, func(c camCase) [][]float64 {
		return c.each(func(pixel []float64) float64 { return value(c, pixel, c.products(pixel, c.Class)) })
	}}
}

func transposed(m [][]float64) [][]float64 {
	t := make([][]float64, len(m[0]))
	for x := range t {
		for _, row := range m {
			t[x] = append(t[x], row[x])
		}
	}
	return t
}

func classMaps(answer classMapAnswer, same func(a, b [][]float64) bool, cases []camCase) func() error {
	return trial[camCase, [][]float64]{
		cases: cases,
		answer: func(c camCase) [][]float64 {
			features := make([][][]float64, len(c.Features))
			for y, row := range c.Features {
				features[y] = cloneRows(row)
			}
			m := answer(features, cloneRows(c.Weight), c.Class)
			for y, row := range c.Features {
				if !sameRows(features[y], row) {
					panic(&Failure{What: "the features after " + c.String(), Want: "unchanged", Got: "changed",
						Hint: Hint{"features-changed", "the features belong to the caller: the next class needs them too. Write the map to a new slice"}})
				}
			}
			return m
		},
		want: func(c camCase) [][]float64 { return c.Want },
		same: same,
		what: camCase.String,
		explain: func(c camCase, want, got [][]float64) *Failure {
			what := c.String()
			if len(c.Features[0][0]) == 2 {
				what += fmt.Sprintf("\n  features %v\n  weight %v", c.Features, c.Weight)
			}
			return &Failure{What: what, Want: showRows(want), Got: showRows(got)}
		},
		mistakes: []mistake[camCase, [][]float64]{
			{Hint{"height-width-swapped", "height and width are swapped: the first axis counts rows, the second columns"},
				func(c camCase) [][]float64 { return transposed(c.Want) }},
			camMistake("mean-not-sum", "the products are averaged; the map is their sum, so that its mean is the logit without the bias",
				func(_ camCase, _, products []float64) float64 { return mean(products) }),
			camMistake("weights-left-out", "the weights are missing: this only shows where features are strong, and is the same map for all classes",
				func(_ camCase, pixel, _ []float64) float64 { return sum(pixel) }),
			camMistake("weights-left-out", "the weights are missing: this is the mean of all channels, and is the same map for all classes",
				func(_ camCase, pixel, _ []float64) float64 { return mean(pixel) }),
			camMistake("negative-evidence-cut", "evidence against the class is set to 0, as Grad-CAM does. Here negative values stay, so that the mean is the logit",
				func(_ camCase, _, products []float64) float64 { return max(0, sum(products)) }),
			camMistake("negative-evidence-cut", "products below 0 are left out; they are evidence against the class and belong in the sum",
				func(_ camCase, _, products []float64) float64 {
					total := 0.0
					for _, p := range products {
						total += max(0, p)
					}
					return total
				}),
			camMistake("absolute-values", "the products' signs are lost: a channel that is evidence against the class counts as evidence for it",
				func(_ camCase, _, products []float64) float64 { return sum(absolutes(products)) }),
			camMistake("last-channel-only", "only the last channel is used: add the products of all channels",
				func(_ camCase, _, products []float64) float64 { return last(products) }),
			camMistake("first-channel-only", "only the first channel is used: add the products of all channels",
				func(_ camCase, _, products []float64) float64 { return products[0] }),
			camMistake("always-class-0", "this is the map of class 0, whatever class is",
				func(c camCase, pixel, _ []float64) float64 { return sum(c.products(pixel, 0)) }),
			camMistake("all-classes", "the weights of all classes are added up; use only those of class",
				func(c camCase, pixel, _ []float64) float64 {
					total := 0.0
					for class := range c.Weight[0] {
						total += sum(c.products(pixel, class))
					}
					return total
				}),
			{Hint{"divided-by-the-places", "the sum is divided by the number of places, which the pooling does later; the map is the sum itself"},
				func(c camCase) [][]float64 {
					places := float64(len(c.Features) * len(c.Features[0]))
					return c.each(func(pixel []float64) float64 { return sum(c.products(pixel, c.Class)) / places })
				}},
		},
		outside: Hint{"axes-confused", "an index is outside its axis: features are [height][width][channels], weights [channels][classes]"},
	}.try
}

// scaled returns the map with each value changed, given the smallest and the largest.
func scaled(m [][]float64, change func(x, lowest, highest float64) float64) [][]float64 {
	all := slices.Concat(m...)
	lowest, highest := slices.Min(all), slices.Max(all)
	list := cloneRows(m)
	for y, row := range m {
		for x, value := range row {
			list[y][x] = change(value, lowest, highest)
		}
	}
	return list
}

// scaleMistake returns a mistake in the scaling.
func scaleMistake(name, text string, change func(x, lowest, highest float64) float64) mistake[[][]float64, [][]float64] {
	return mistake[[][]float64, [][]float64]{Hint{name, text}, func(m [][]float64) [][]float64 { return scaled(m, change) }}
}

func scales(answer func(m [][]float64) [][]float64, cases ...[][]float64) func() error {
	what := func(m [][]float64) string {
		return "Scale of\n  " + strings.ReplaceAll(showRows(m), "\n", "\n  ")
	}
	// sameOrNaN also holds for two results that are NaN in the same places.
	sameOrNaN := func(a, b [][]float64) bool {
		return slices.EqualFunc(a, b, func(a, b []float64) bool {
			return slices.EqualFunc(a, b, func(a, b float64) bool {
				return near(a, b, 1e-9) || math.IsNaN(a) && math.IsNaN(b) || a == b
			})
		})
	}
	return trial[[][]float64, [][]float64]{
		cases: cases,
		answer: func(m [][]float64) [][]float64 {
			given := cloneRows(m)
			result := answer(given)
			if !sameRows(given, m) {
				panic(&Failure{What: "the map after " + what(m), Want: "unchanged", Got: showRows(given),
					Hint: Hint{"map-changed", "the map belongs to the caller: write the result to a new slice, and make new rows too"}})
			}
			return result
		},
		want: func(m [][]float64) [][]float64 {
			return scaled(m, func(x, lowest, highest float64) float64 {
				if highest == lowest {
					return 0
				}
				return (x - lowest) / (highest - lowest)
			})
		},
		same: sameOrNaN,
		what: what,
		explain: func(m, want, got [][]float64) *Failure {
			return &Failure{What: what(m), Want: showRows(want), Got: showRows(got)}
		},
		mistakes: []mistake[[][]float64, [][]float64]{
			scaleMistake("zero-by-zero", "if all values are the same, 0 is divided by 0, which is NaN: the result should be 0",
				func(x, lowest, highest float64) float64 { return (x - lowest) / (highest - lowest) }),
			scaleMistake("smallest-not-subtracted", "the values are divided by the largest, but then the smallest is not 0: subtract it first",
				func(x, _, highest float64) float64 { return x / highest }),
			scaleMistake("divided-by-the-largest", "after the smallest is subtracted, the largest is smaller as well: divide by the difference of the two",
				func(x, lowest, highest float64) float64 { return (x - lowest) / highest }),
			scaleMistake("not-divided", "the smallest is 0, but the largest is not 1: divide by the difference of the two",
				func(x, lowest, _ float64) float64 { return x - lowest }),
			scaleMistake("upside-down", "the largest becomes 0 and the smallest 1; it should be the other way round",
				func(x, lowest, highest float64) float64 { return (highest - x) / (highest - lowest) }),
			scaleMistake("from-minus-one", "the values go from −1 to 1; they should start at 0",
				func(x, lowest, highest float64) float64 { return 2*(x-lowest)/(highest-lowest) - 1 }),
			scaleMistake("limits-start-at-zero", "the search for the smallest and the largest starts at 0, but all values of a map may be below 0, or above: start with the first value",
				func(x, lowest, highest float64) float64 {
					lowest, highest = min(0, lowest), max(0, highest)
					if highest == lowest {
						return 0
					}
					return (x - lowest) / (highest - lowest)
				}),
			{Hint{"row-by-row", "each row is scaled on its own; use the smallest and the largest value of the whole map"},
				func(m [][]float64) [][]float64 {
					var list [][]float64
					for _, row := range m {
						list = append(list, scaled([][]float64{row}, func(x, lowest, highest float64) float64 { return (x - lowest) / (highest - lowest) })...)
					}
					return list
				}},
		},
	}.try
}
