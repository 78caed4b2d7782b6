package infer_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/resnet"
)

// A class's logit is the mean of its map plus the bias: that makes the map an explanation.
func TestExplainEqualsLogits(t *testing.T) {
	const classes = 7
	for name, change := range map[string]func(*resnet.Config){
		"residual":       func(*resnet.Config) {},
		"plain":          func(c *resnet.Config) { c.Plain = true },
		"pre-activation": func(c *resnet.Config) { c.PreActivation = true },
		"bottleneck":     func(c *resnet.Config) { c.Block, c.Width, c.Shortcut = resnet.Bottleneck, 16, resnet.ShortcutB },
	} {
		engine, err := engine()
		if err != nil {
			t.Fatal(err)
		}
		c := config(t, classes)
		change(&c)
		store := model.NewStore()
		if err := store.SetRNGStateFromSeed(5); err != nil {
			t.Fatal(err)
		}
		if err := c.Declare(store.Scope(path)); err != nil {
			t.Fatal(err)
		}
		n, err := infer.New(engine, store, path, c, normalization)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Finalize()
		for _, count := range []int{3, 1, 4} { // 3 is padded to 4
			m := images(count, classes)
			m.Height, m.Width = 12, 20
			m.Pixels = make([]byte, count*m.ImageSize())
			for i := range m.Pixels {
				m.Pixels[i] = byte(i * i >> 5)
			}
			want := logits(t, n, m)
			e, err := n.Explain(m.Pixels, m.Height, m.Width)
			if err != nil {
				t.Fatal(err)
			}
			value, err := store.GetVariable(path + "/fc/bias").Value()
			if err != nil {
				t.Fatal(err)
			}
			bias := tensors.MustCopyFlatData[float32](value)
			if e.Classes() != classes || len(e.Logits) != count*classes || e.Height != 3 || e.Width != 5 || len(e.Features) != count*15*e.Channels {
				t.Fatalf("%s: %d images have %d logits of %d classes, and %d features in maps of %d×%d×%d", name, count,
					len(e.Logits), e.Classes(), len(e.Features), e.Height, e.Width, e.Channels)
			}
			for i := range want {
				image, class := i/classes, i%classes
				if math.Abs(float64(e.Logits[i]-want[i])) > 1e-5 {
					t.Errorf("%s, image %d of %d: logit %d is %g, want %g", name, image, count, class, e.Logits[i], want[i])
				}
				got := float64(bias[class])
				for _, v := range e.ClassMap(image, class) {
					got += v / 15
				}
				if math.Abs(got-float64(want[i])) > 1e-4 {
					t.Errorf("%s, image %d of %d: the map of class %d and the bias give %g, the network %g", name, image, count, class, got, want[i])
				}
			}
			last := count - 1
			for i, guess := range infer.Top(want[last*classes:], 3) {
				if got := e.Top(last, 3)[i]; got.Class != guess.Class {
					t.Errorf("%s: guess %d of image %d is %d, want %d", name, i, last, got.Class, guess.Class)
				}
			}
		}
	}
}

func TestClassMap(t *testing.T) {
	e := infer.Explanation{
		Logits: make([]float32, 4), Height: 1, Width: 2, Channels: 3,
		Features: []float32{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6},
		Weight:   []float32{1, 10, 0, 100, -1, 1000},
	}
	for class, want := range [][2]float64{{-2, -2}, {3210, 6540}} {
		if got := e.ClassMap(1, class); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("the map of class %d is %v, want %v", class, got, want)
		}
	}
}

func TestExplainRefuses(t *testing.T) {
	n, _ := network(t, 3)
	if _, err := n.Explain(make([]byte, 61), 4, 5); err == nil || err.Error() != "61 bytes are not images of 4×5 pixels" {
		t.Errorf("error %v, want one that counts the bytes", err)
	}
	_, err := constant(t, 1, float32(math.NaN()), 2).Explain(make([]byte, 60), 4, 5)
	if err == nil || !strings.Contains(err.Error(), "diverged") {
		t.Errorf("error %v, want one that says the weights have diverged", err)
	}
}
