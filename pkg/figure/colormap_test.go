package figure

import (
	"image/color"
	"math"
	"testing"
)

// lightness returns CIE's L*, in which equal steps look equal, from 0 to 100.
func lightness(c color.RGBA) float64 {
	linear := func(v uint8) float64 { return math.Pow((float64(v)/255+0.055)/1.055, 2.4) }
	return 116*math.Cbrt(0.2126*linear(c.R)+0.7152*linear(c.G)+0.0722*linear(c.B)) - 16
}

func TestHeatRisesInLightness(t *testing.T) {
	last := -1.0
	for i := range shades {
		light := lightness(heat(float64(i) / (shades - 1)))
		if i > 0 && (light <= last || light > last+1) {
			t.Fatalf("at colour %d lightness changes from %g to %g, want a small rise", i, last, light)
		}
		last = light
	}
	if heat(-1) != heat(0) || heat(2) != heat(1) {
		t.Error("values beyond the scale do not have the colour of its nearer end")
	}
}

func TestBluesDarkenAllTheWay(t *testing.T) {
	last := math.Inf(1)
	for i, c := range table(blues()) {
		light := lightness(c)
		if light >= last {
			t.Fatalf("colour %d is no darker than colour %d", i, i-1)
		}
		last = light
	}
}
