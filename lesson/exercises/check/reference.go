package check

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// referenceJSON has PyTorch's values; tests/reference/exercise_slices.py writes it.
//
//go:embed testdata/reference.json
var referenceJSON []byte

// reference is what referenceJSON contains: the cases of the exercises in plain Go.
type reference struct {
	Convolution   []convolutionCase `json:"convolution"`
	BatchNorm     []batchNormCase   `json:"batchnorm"`
	Momentum      []momentumCase    `json:"momentum"`
	GradientNorms []normsCase       `json:"gradientnorms"`
	ZeroInit      []zeroCase        `json:"zeroinit"`
	CAM           []camCase         `json:"cam"`
	Lesion        []lesionCase      `json:"lesion"`
	Direction     []directionCase   `json:"direction"`
}

// torch returns PyTorch's values. Every call returns a new copy: an answer that writes to
// its arguments must not spoil the next check in the same notebook.
func torch() reference {
	var r reference
	if err := json.Unmarshal(referenceJSON, &r); err != nil {
		panic(fmt.Errorf("testdata/reference.json: %w", err))
	}
	return r
}

// near reports whether two numbers are equal up to rounding. NaN and infinities are near
// nothing.
func near(a, b, tolerance float64) bool {
	if math.IsInf(a, 0) || math.IsInf(b, 0) {
		return false // every difference would be within the tolerance, which is infinite too
	}
	return math.Abs(a-b) <= tolerance*max(1, math.Abs(a), math.Abs(b))
}

// nearAll reports whether two slices have the same length and near elements.
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

// number formats a number with as many digits as a reader needs.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

// numbers formats a slice as [1 2.5 3].
func numbers(x []float64) string {
	words := make([]string, len(x))
	for i, value := range x {
		words[i] = number(value)
	}
	return "[" + strings.Join(words, " ") + "]"
}
