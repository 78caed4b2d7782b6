package check

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// function is a function of one number, as in the exercise classes.
type function = func(x float64) float64

// ClassFunctions holds the functions of the exercise classes.
type ClassFunctions struct {
	Distance        func(f, target function, points []float64) float64
	Closest         func(class []function, target function, points []float64) float64
	Contains        func(outer, inner []function, points []float64) bool
	Plain, Residual func(class, layers []function) []function
}

// formula is a function and how it is written.
type formula struct {
	text string
	f    function
}

// formulas is a class of functions.
type formulas []formula

func (c formulas) String() string {
	var texts []string
	for _, f := range c {
		texts = append(texts, f.text)
	}
	return "{" + strings.Join(texts, ", ") + "}"
}

func (c formulas) functions() []function {
	var list []function
	for _, f := range c {
		list = append(list, f.f)
	}
	return list
}

var (
	identityFunction = formula{"x", func(x float64) float64 { return x }}
	zeroFunction     = formula{"0", func(float64) float64 { return 0 }}
	double           = formula{"2x", func(x float64) float64 { return 2 * x }}
	triple           = formula{"3x", func(x float64) float64 { return 3 * x }}
	half             = formula{"x/2", func(x float64) float64 { return x / 2 }}
	negative         = formula{"−x", func(x float64) float64 { return -x }}
	oneMore          = formula{"x + 1", func(x float64) float64 { return x + 1 }}
	square           = formula{"x²", func(x float64) float64 { return x * x }}
	positivePart     = formula{"max(0, x)", func(x float64) float64 { return max(0, x) }}
	// tenths is 0.3x, but not to the last bit.
	tenths      = formula{"0.1x + 0.2x", func(x float64) float64 { return 0.1*x + 0.2*x }}
	threeTenths = formula{"0.3x", func(x float64) float64 { return 0.3 * x }}
	// Below and above the largest distance from 0 that counts as none. Exactly there, < is as
	// good as <=: that is a matter of rounding.
	belowRounding = formula{"0.8e-9", func(float64) float64 { return 0.8e-9 }}
	aboveRounding = formula{"1.5e-9", func(float64) float64 { return 1.5e-9 }}
)

// Classes checks the exercise classes.
func Classes(t T, answer ClassFunctions) {
	t.Helper()
	run(t, "classes",
		step{"Distance", 2, distances(answer.Distance)},
		step{"Closest", 2, closests(answer.Closest)},
		step{"Contains", 2, nestings(answer.Contains)},
		step{"Plain", 2, deeper("Plain", answer.Plain, plainLayer, plainMistakes)},
		step{"Residual", 2, deeper("Residual", answer.Residual, residualLayer, residualMistakes)},
	)
}

// distanceCase holds the arguments of Distance, or of Closest if the class has several functions.
type distanceCase struct {
	class  formulas
	target formula
	points []float64
}

// differences returns f − target at the points.
func (c distanceCase) differences(f formula) []float64 {
	var list []float64
	for _, x := range c.points {
		list = append(list, f.f(x)-c.target.f(x))
	}
	return list
}

// distances returns the right distance of each function.
func (c distanceCase) distances() []float64 {
	var list []float64
	for _, f := range c.class {
		list = append(list, largestOf(absolutes(c.differences(f))))
	}
	return list
}

func absolutes(values []float64) []float64 {
	var list []float64
	for _, x := range values {
		list = append(list, math.Abs(x))
	}
	return list
}

func largestOf(values []float64) float64 { return slices.Max(values) }

func sum(values []float64) float64 {
	total := 0.0
	for _, x := range values {
		total += x
	}
	return total
}

func mean(values []float64) float64 { return sum(values) / float64(len(values)) }

func squares(values []float64) []float64 {
	var list []float64
	for _, x := range values {
		list = append(list, x*x)
	}
	return list
}

// distanceMistake returns a mistake in what is computed from the differences.
func distanceMistake(name, text string, of func(differences []float64) float64) mistake[distanceCase, float64] {
	return mistake[distanceCase, float64]{Hint{name, text}, func(c distanceCase) float64 { return of(c.differences(c.class[0])) }}
}

func distances(answer func(f, target function, points []float64) float64) func() error {
	points := []float64{-3, -1, 0, 2}
	return trial[distanceCase, float64]{
		cases: []distanceCase{
			{formulas{double}, identityFunction, points}, {formulas{identityFunction}, double, points},
			{formulas{square}, oneMore, points}, {formulas{positivePart}, zeroFunction, points},
			{formulas{oneMore}, identityFunction, points}, {formulas{negative}, negative, points}, {formulas{half}, triple, []float64{2}},
		},
		answer: func(c distanceCase) float64 { return answer(c.class[0].f, c.target.f, slices.Clone(c.points)) },
		want:   func(c distanceCase) float64 { return c.distances()[0] },
		same:   func(a, b float64) bool { return near(a, b, 1e-9) },
		what: func(c distanceCase) string {
			return fmt.Sprintf("Distance(%s, %s, %s)", c.class[0].text, c.target.text, numbers(c.points))
		},
		explain: func(c distanceCase, want, got float64) *Failure {
			return &Failure{What: fmt.Sprintf("Distance(%s, %s, %s)", c.class[0].text, c.target.text, numbers(c.points)), Want: number(want), Got: number(got)}
		},
		mistakes: []mistake[distanceCase, float64]{
			distanceMistake("signed-difference", "a difference may be negative: take its absolute value before you look for the largest", largestOf),
			distanceMistake("signed-difference", "a difference may be negative: take its absolute value before you look for the largest",
				func(d []float64) float64 { return max(0, largestOf(d)) }),
			distanceMistake("mean-not-largest", "this is the mean of the differences; the distance is the largest of them",
				func(d []float64) float64 { return mean(absolutes(d)) }),
			distanceMistake("mean-not-largest", "this is the mean of the squared differences; the distance is the largest difference",
				func(d []float64) float64 { return mean(squares(d)) }),
			distanceMistake("sum-not-largest", "this is the sum of the differences; the distance is the largest of them",
				func(d []float64) float64 { return sum(absolutes(d)) }),
			distanceMistake("sum-not-largest", "this adds up the squares, as the length of a vector does; the distance is the largest difference",
				func(d []float64) float64 { return math.Sqrt(sum(squares(d))) }),
			distanceMistake("difference-squared", "this is the square of the largest difference; return the difference itself",
				func(d []float64) float64 { return largestOf(squares(d)) }),
			distanceMistake("smallest-not-largest", "this is the smallest difference; the distance is the largest",
				func(d []float64) float64 { return slices.Min(absolutes(d)) }),
			distanceMistake("last-point-only", "only the last point is used: keep the largest difference of all points",
				func(d []float64) float64 { return math.Abs(d[len(d)-1]) }),
		},
	}.try
}

// closestMistake returns a mistake in what is computed from the distances of a class.
func closestMistake(name, text string, of func(distances []float64) float64) mistake[distanceCase, float64] {
	return mistake[distanceCase, float64]{Hint{name, text}, func(c distanceCase) float64 { return of(c.distances()) }}
}

func closests(answer func(class []function, target function, points []float64) float64) func() error {
	points := []float64{-2, 0, 1, 3}
	what := func(c distanceCase) string {
		return fmt.Sprintf("Closest(%s, %s, %s)", c.class, c.target.text, numbers(c.points))
	}
	return trial[distanceCase, float64]{
		cases: []distanceCase{
			{formulas{triple, oneMore, negative}, identityFunction, points}, {formulas{oneMore, half, square}, triple, points},
			{formulas{square, zeroFunction, triple}, half, points}, {formulas{negative, double}, double, points}, {formulas{square}, zeroFunction, points},
		},
		answer: func(c distanceCase) float64 { return answer(c.class.functions(), c.target.f, slices.Clone(c.points)) },
		want:   func(c distanceCase) float64 { return slices.Min(c.distances()) },
		same:   func(a, b float64) bool { return near(a, b, 1e-9) },
		what:   what,
		explain: func(c distanceCase, want, got float64) *Failure {
			var lines []string
			for i, d := range c.distances() {
				lines = append(lines, fmt.Sprintf("  the distance of %s is %s", c.class[i].text, number(d)))
			}
			return &Failure{What: what(c) + "\n" + strings.Join(lines, "\n"), Want: number(want), Got: number(got)}
		},
		mistakes: []mistake[distanceCase, float64]{
			closestMistake("starts-at-zero", "this is always 0. If the smallest distance starts at 0, no distance is smaller: start with the first function's, or with math.Inf(1)",
				func([]float64) float64 { return 0 }),
			closestMistake("farthest-not-closest", "this is the largest distance; a class is as close as its best function",
				largestOf),
			closestMistake("mean-over-the-class", "this is the mean distance; a class is as close as its best function, however bad the others are",
				mean),
			closestMistake("first-function-only", "only the first function is used: look at all of them",
				func(d []float64) float64 { return d[0] }),
			closestMistake("last-function-only", "only the last function is used: keep the smallest distance of all",
				func(d []float64) float64 { return d[len(d)-1] }),
		},
	}.try
}

// nestingCase holds the arguments of Contains.
type nestingCase struct{ outer, inner formulas }

var nestingPoints = []float64{-2, -1, 1, 3}

func (c nestingCase) String() string {
	return fmt.Sprintf("Contains(%s, %s, %s)", c.outer, c.inner, numbers(nestingPoints))
}

// equal reports whether two functions are the same at all points, up to rounding.
func (f formula) equal(g formula, tolerance float64, points []float64) bool {
	c := distanceCase{formulas{f}, g, points}
	return c.distances()[0] <= tolerance
}

// has reports whether the class has the function.
func (c formulas) has(f formula, tolerance float64, points []float64) bool {
	return slices.ContainsFunc(c, func(g formula) bool { return f.equal(g, tolerance, points) })
}

// missing returns the functions of inner that outer lacks.
func (c nestingCase) missing(tolerance float64, points []float64) int {
	count := 0
	for _, f := range c.inner {
		if !c.outer.has(f, tolerance, points) {
			count++
		}
	}
	return count
}

func nestings(answer func(outer, inner []function, points []float64) bool) func() error {
	const rounding = 1e-9
	return trial[nestingCase, bool]{
		cases: []nestingCase{
			{formulas{double, oneMore, square}, formulas{square, double}},
			{formulas{double, oneMore}, formulas{double, square}},
			{formulas{double, oneMore}, formulas{square, double}},
			{formulas{double}, formulas{double, square}},
			{formulas{half, negative}, formulas{triple}},
			{formulas{positivePart}, formulas{identityFunction}},
			{formulas{identityFunction, positivePart}, formulas{positivePart, identityFunction}},
			{formulas{tenths}, formulas{threeTenths}},
			{formulas{half}, formulas{threeTenths}},
			{formulas{zeroFunction}, formulas{belowRounding}},
			{formulas{zeroFunction}, formulas{aboveRounding}},
		},
		answer: func(c nestingCase) bool {
			return answer(c.outer.functions(), c.inner.functions(), slices.Clone(nestingPoints))
		},
		want: func(c nestingCase) bool { return c.missing(rounding, nestingPoints) == 0 },
		same: func(a, b bool) bool { return a == b },
		what: nestingCase.String,
		explain: func(c nestingCase, want, got bool) *Failure {
			return &Failure{What: c.String(), Want: fmt.Sprint(want), Got: fmt.Sprint(got)}
		},
		mistakes: []mistake[nestingCase, bool]{
			{Hint{"one-function-is-enough", "one function of inner that is in outer is not enough: all of them have to be"},
				func(c nestingCase) bool { return c.missing(rounding, nestingPoints) < len(c.inner) }},
			{Hint{"the-wrong-way-round", "this checks whether inner has all of outer; check whether outer has all of inner"},
				func(c nestingCase) bool {
					return nestingCase{c.inner, c.outer}.missing(rounding, nestingPoints) == 0
				}},
			{Hint{"equal-to-the-last-bit", "0.1x + 0.2x and 0.3x differ in the last bit: compare the distance with 1e-9 instead of 0"},
				func(c nestingCase) bool { return c.missing(0, nestingPoints) == 0 }},
			{Hint{"one-point-is-enough", "two functions are the same if they agree at all points; these agree at some"},
				func(c nestingCase) bool {
					for _, f := range c.inner {
						if !slices.ContainsFunc(nestingPoints, func(x float64) bool { return c.outer.has(f, rounding, []float64{x}) }) {
							return false
						}
					}
					return true
				}},
			{Hint{"the-wrong-way-round", "the result is the wrong way round: return true if the class is nested"},
				func(c nestingCase) bool { return c.missing(rounding, nestingPoints) > 0 }},
			{Hint{"function-by-function", "a function of inner may be anywhere in outer, not only at the same place"},
				func(c nestingCase) bool {
					for i, f := range c.inner {
						if i >= len(c.outer) || !f.equal(c.outer[i], rounding, nestingPoints) {
							return false
						}
					}
					return true
				}},
			{Hint{"last-function-only", "only the last function of inner is checked: return false as soon as one is missing, and true after the loop"},
				func(c nestingCase) bool { return c.outer.has(c.inner[len(c.inner)-1], rounding, nestingPoints) }},
			{Hint{"first-function-only", "only the first function of inner is checked: return true after the loop, not inside it"},
				func(c nestingCase) bool { return c.outer.has(c.inner[0], rounding, nestingPoints) }},
		},
	}.try
}

// layerCase holds the arguments of Plain and of Residual.
type layerCase struct{ class, layers formulas }

var layerPoints = []float64{-2, 1, 3}

// values returns the values of functions at the points, a row for each function. The order of
// the functions does not matter, so the rows are sorted.
func values(functions []function) [][]float64 {
	rows := [][]float64{}
	for _, f := range functions {
		var row []float64
		for _, x := range layerPoints {
			row = append(row, f(x))
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}

// pairs returns the values of one function for each pair of a function and a layer.
func (c layerCase) pairs(join func(f, g function) function) [][]float64 {
	var list []function
	for _, f := range c.class {
		for _, g := range c.layers {
			list = append(list, join(f.f, g.f))
		}
	}
	return values(list)
}

func plainLayer(f, g function) function { return func(x float64) float64 { return g(f(x)) } }
func residualLayer(f, g function) function {
	return func(x float64) float64 { return f(x) + g(f(x)) }
}

// deeper returns a step for Plain or Residual.
func deeper(name string, answer func(class, layers []function) []function, right func(f, g function) function, mistakes []mistake[layerCase, [][]float64]) func() error {
	what := func(c layerCase) string {
		return fmt.Sprintf("%s(%s, %s)", name, c.class, c.layers)
	}
	return trial[layerCase, [][]float64]{
		cases: []layerCase{
			{formulas{oneMore}, formulas{double}},
			{formulas{oneMore, half}, formulas{triple, square}},
			{formulas{double, negative, oneMore}, formulas{zeroFunction, positivePart}},
			{formulas{square, half}, formulas{oneMore}},
		},
		answer: func(c layerCase) [][]float64 {
			class := c.class.functions()
			before := values(class)
			rows := values(answer(class, c.layers.functions()))
			if !sameRows(before, values(class)) {
				panic(&Failure{What: "the class after " + what(c), Want: "the same functions", Got: "others",
					Hint: Hint{"class-changed", "the class belongs to the caller: put the deeper functions into a new slice"}})
			}
			return rows
		},
		want: func(c layerCase) [][]float64 { return c.pairs(right) },
		same: sameRows,
		what: what,
		explain: func(c layerCase, want, got [][]float64) *Failure {
			if len(want) != len(got) {
				return &Failure{What: what(c), Want: fmt.Sprintf("%d functions, one for each pair of a function and a layer", len(want)), Got: fmt.Sprint(len(got))}
			}
			return &Failure{What: fmt.Sprintf("the values of %s at %s, a line for each function", what(c), numbers(layerPoints)), Want: showRows(want), Got: showRows(got)}
		},
		mistakes: mistakes,
	}.try
}

func sameRows(a, b [][]float64) bool { return slices.EqualFunc(a, b, nearAll) }

func showRows(rows [][]float64) string {
	var lines []string
	for _, row := range rows {
		lines = append(lines, numbers(row))
	}
	return strings.Join(lines, "\n")
}

// pairMistake returns a mistake in the function made of f and g.
func pairMistake(name, text string, join func(f, g function) function) mistake[layerCase, [][]float64] {
	return mistake[layerCase, [][]float64]{Hint{name, text}, func(c layerCase) [][]float64 { return c.pairs(join) }}
}

// zipped returns the mistake of pairing each function with one layer only.
func zipped(join func(f, g function) function) mistake[layerCase, [][]float64] {
	return mistake[layerCase, [][]float64]{
		Hint{"not-every-pair", "the first function gets only the first layer and the second only the second; combine every function with every layer"},
		func(c layerCase) [][]float64 {
			var list []function
			for i := range min(len(c.class), len(c.layers)) {
				list = append(list, join(c.class[i].f, c.layers[i].f))
			}
			return values(list)
		}}
}

// kept returns the mistake of keeping the functions of the shallower class in the result.
func kept(join func(f, g function) function) mistake[layerCase, [][]float64] {
	return mistake[layerCase, [][]float64]{
		Hint{"class-before-kept", "the result also has the functions of the shallower class, without the new layer. With them every class would be nested in the next, and that is the question"},
		func(c layerCase) [][]float64 {
			list := c.class.functions()
			for _, f := range c.class {
				for _, g := range c.layers {
					list = append(list, join(f.f, g.f))
				}
			}
			return values(list)
		}}
}

var plainMistakes = []mistake[layerCase, [][]float64]{
	pairMistake("layer-comes-first", "the new layer comes last: it gets the result of f, as in g(f(x)); this is f(g(x))",
		func(f, g function) function { return func(x float64) float64 { return f(g(x)) } }),
	pairMistake("layer-alone", "the new layer gets x itself; it should get the result of f, as in g(f(x))",
		func(_, g function) function { return g }),
	pairMistake("has-a-shortcut", "a plain layer adds nothing: the result is g(f(x))", residualLayer),
	pairMistake("has-a-shortcut", "the results of f and g are added; a plain layer gets the result of f, as in g(f(x))",
		func(f, g function) function { return func(x float64) float64 { return f(x) + g(x) } }),
	zipped(plainLayer), kept(plainLayer),
}

var residualMistakes = []mistake[layerCase, [][]float64]{
	pairMistake("no-shortcut", "nothing is added: this is the plain layer, g(f(x))", plainLayer),
	pairMistake("shortcut-from-the-start", "x is added, the input of the whole network; a residual layer adds its own input, f(x)",
		func(f, g function) function { return func(x float64) float64 { return x + g(f(x)) } }),
	pairMistake("branch-gets-x", "g gets x, the input of the whole network; like any layer it should get the result of f: f(x) + g(f(x))",
		func(f, g function) function { return func(x float64) float64 { return f(x) + g(x) } }),
	pairMistake("layer-comes-first", "the new layer comes last: it gets the result of f and adds to it; here f gets that of g",
		func(f, g function) function { return func(x float64) float64 { return g(x) + f(g(x)) } }),
	pairMistake("layer-comes-first", "the new layer comes last: it gets the result of f and adds to it; here f gets x + g(x)",
		func(f, g function) function { return func(x float64) float64 { return f(x + g(x)) } }),
	zipped(residualLayer), kept(residualLayer),
}
