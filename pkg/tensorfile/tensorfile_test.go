package tensorfile

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
)

// All 65,536 float16 values, by the definition of the format.
func TestFloat16(t *testing.T) {
	for bits := range 1 << 16 {
		sign, exponent, fraction := 1-2*float64(bits>>15), bits>>10&31, float64(bits&1023)
		var want float64
		switch exponent {
		case 0:
			want = math.Ldexp(fraction, -24)
		case 31:
			want = math.Inf(1)
			if fraction != 0 {
				want = math.NaN()
			}
		default:
			want = math.Ldexp(1024+fraction, exponent-25)
		}
		want *= sign
		var dst [1]float32
		fromFloat16(dst[:], []byte{byte(bits), byte(bits >> 8)})
		if got := dst[0]; got != float32(want) && (got == got || want == want) {
			t.Errorf("%#04x is %g, want %g", bits, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, tensor := range map[string]Tensor{
		"too few elements":  {[]int{2, 2}, make([]float32, 3)},
		"too many elements": {[]int{2, 2}, make([]float32, 5)},
		"a scalar":          {nil, make([]float32, 1)},
		"nothing":           {},
		"empty":             {[]int{2, 0}, nil},
		"negative":          {[]int{-1, -1}, make([]float32, 1)},
	} {
		if err := tensor.Validate(); err == nil || !strings.HasPrefix(err.Error(), "has shape ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := (Tensor{[]int{2, 1}, make([]float32, 2)}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestViewsAreRead(t *testing.T) {
	var storage bytes.Buffer
	if err := WriteFloats(&storage, Float32, []float32{0, 1, 2, 3, 4, 5}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		view *View
		want []float32
	}{
		"row by row": {RowMajor(Float32, []int64{2, 3}), []float32{0, 1, 2, 3, 4, 5}},
		"transposed": {&View{Float32, []int64{3, 2}, []int64{1, 3}, 0}, []float32{0, 3, 1, 4, 2, 5}},
		"a column":   {&View{Float32, []int64{2}, []int64{3}, 2}, []float32{2, 5}},
		"expanded":   {&View{Float32, []int64{2, 2}, []int64{0, 1}, 4}, []float32{4, 5, 4, 5}},
		"one":        {&View{Float32, nil, nil, 5}, []float32{5}},
	} {
		elements, err := test.view.Check(int64(storage.Len()), 6)
		if err != nil || elements != int64(len(test.want)) {
			t.Errorf("%s: %d elements, %v", name, elements, err)
			continue
		}
		c := NewContents()
		test.view.Read(c, "a", elements, storage.Bytes())
		if got := c.Tensors["a"].Data; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	c := NewContents()
	counter := RowMajor(Int32, nil)
	if _, err := counter.Check(4, 1); err != nil {
		t.Fatal(err)
	}
	if counter.Read(c, "n", 1, []byte{0xfe, 0xff, 0xff, 0xff}); c.Counters["n"] != -2 {
		t.Errorf("the counter is %d, want -2", c.Counters["n"])
	}
}

func TestLongDataIsWrittenInPieces(t *testing.T) {
	data := make([]float32, 1<<14+3)
	for i := range data {
		data[i] = float32(i)
	}
	var written bytes.Buffer
	if err := WriteFloats(&written, Float32, data); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(data))
	fromFloat32(got, written.Bytes())
	if written.Len() != 4*len(data) || !reflect.DeepEqual(got, data) {
		t.Errorf("%d bytes, want the %d floats", written.Len(), len(data))
	}
}

// TestFloat16IsWrittenToTheNearest writes every float16, and values between them, and compares with the definition.
func TestFloat16IsWrittenToTheNearest(t *testing.T) {
	value := func(bits int) float64 { // by IEEE 754
		exponent, fraction := bits>>10, float64(bits&0x3ff)
		if exponent == 0 {
			return math.Ldexp(fraction, -24)
		}
		return math.Ldexp(1024+fraction, exponent-25)
	}
	const infinity = 0x7c00
	for bits := range infinity {
		x, next := value(bits), value(bits+1)
		even := bits + bits%2
		for _, test := range []struct {
			x    float64
			want int
		}{{x, bits}, {x + (next-x)*0.25, bits}, {x + (next-x)*0.5, even}, {x + (next-x)*0.75, bits + 1}} {
			for sign, x := range map[uint16]float32{0: float32(test.x), 0x8000: float32(math.Copysign(test.x, -1))} {
				if got := toFloat16(x); got != sign|uint16(test.want) {
					t.Fatalf("%g is %#04x, want %#04x", x, got, sign|uint16(test.want))
				}
			}
		}
		var back [1]float32
		if fromFloat16(back[:], []byte{byte(bits), byte(bits >> 8)}); float64(back[0]) != x {
			t.Fatalf("%#04x is %g, want %g", bits, back[0], x)
		}
	}
	if nan := toFloat16(float32(math.NaN())); nan&infinity != infinity || nan&0x3ff == 0 {
		t.Errorf("NaN is %#04x", nan)
	}
}
