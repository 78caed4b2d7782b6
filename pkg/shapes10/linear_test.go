package shapes10

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
)

// TestLinearClassifier: a linear classifier does better than chance, 10%, but not well: the
// data set needs more than one layer.
func TestLinearClassifier(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	train, test := Train(4000, 42), Test(1000, 42)
	var c linear
	c.train(train, 6)
	onTrain, onTest := c.accuracy(train), c.accuracy(test)
	t.Logf("accuracy %.1f%% on the training images, %.1f%% on the test images", 100*onTrain, 100*onTest)
	if onTrain < 0.3 {
		t.Errorf("%.1f%% on the training images: the classifier was not trained", 100*onTrain)
	}
	if onTest < 0.15 || onTest > 0.5 {
		t.Errorf("%.1f%% on the test images, want 15%% to 50%%", 100*onTest)
	}
}

// linear is softmax regression on pixels: the weights of ten classes, each with its bias last.
type linear [10][Side*Side*3 + 1]float32

// input returns the pixels of an image, roughly normalised, followed by a 1 for the bias.
func input(image []byte) (x [Side*Side*3 + 1]float32) {
	for j, v := range image {
		x[j] = (float32(v) - 110) / 60
	}
	x[len(image)] = 1
	return x
}

func (c *linear) logits(x *[Side*Side*3 + 1]float32) (logits [10]float64) {
	for k := range c {
		var sum float32
		for j, w := range &c[k] {
			sum += w * x[j]
		}
		logits[k] = float64(sum)
	}
	return logits
}

// train runs SGD with a batch size of 1 and a learning rate that falls linearly to zero.
func (c *linear) train(m *dataset.Images, epochs int) {
	r := rand.New(rand.NewPCG(1, 1))
	step, steps := 0, epochs*m.Len()
	for range epochs {
		for _, i := range r.Perm(m.Len()) {
			rate := 2e-4 * (1 - float64(step)/float64(steps))
			step++
			x := input(m.Image(i))
			p := c.logits(&x)
			top, total := p[0], 0.0
			for _, v := range p {
				top = max(top, v)
			}
			for k, v := range p {
				p[k] = math.Exp(v - top)
				total += p[k]
			}
			for k := range p {
				slope := p[k] / total
				if k == int(m.Labels[i]) {
					slope--
				}
				move := float32(-rate * slope)
				for j, v := range &x {
					c[k][j] += move * v
				}
			}
		}
	}
}

func (c *linear) accuracy(m *dataset.Images) float64 {
	right := 0
	for i, label := range m.Labels {
		x := input(m.Image(i))
		logits := c.logits(&x)
		best := 0
		for k, v := range logits {
			if v > logits[best] {
				best = k
			}
		}
		if best == int(label) {
			right++
		}
	}
	return float64(right) / float64(m.Len())
}
