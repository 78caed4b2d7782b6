package check

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// referenceJSON has PyTorch's values; tests/reference/exercise_slices.py makes it.
//
//go:embed testdata/reference.json
var referenceJSON []byte

// reference is what referenceJSON has: the cases of three exercises.
type reference struct {
	Convolution []convolutionCase `json:"convolution"`
	BatchNorm   []batchNormCase   `json:"batchnorm"`
	Momentum    []momentumCase    `json:"momentum"`
}

// torch reads PyTorch's values, for each check anew: an answer may write where it should
// not, and that must not spoil the next check in a notebook.
func torch() reference {
	var r reference
	if err := json.Unmarshal(referenceJSON, &r); err != nil {
		panic(fmt.Errorf("testdata/reference.json: %w", err))
	}
	return r
}

// near reports whether two numbers are the same but for rounding; NaN is near nothing.
func near(a, b, tolerance float64) bool {
	return math.Abs(a-b) <= tolerance*max(1, math.Abs(a), math.Abs(b))
}

// nearAll is near for all the elements of two slices of one length.
func nearAll(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !near(a[i], b[i], 1e-9) {
			return false
		}
	}
	return true
}

// number writes a number with the digits that a reader needs.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

// numbers writes a slice as [1 2.5 3].
func numbers(x []float64) string {
	words := make([]string, len(x))
	for i, value := range x {
		words[i] = number(value)
	}
	return "[" + strings.Join(words, " ") + "]"
}
