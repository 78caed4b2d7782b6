// Package noise has images for those tests of the chapters that need some, no matter which.
package noise

import (
	"math/rand/v2"

	"github.com/residual-go/residual/pkg/dataset"
)

// Images returns n random images of side×side pixels in three classes, always the same for the same numbers.
func Images(n, side int) *dataset.Images {
	m := &dataset.Images{Name: "noise", Classes: []string{"a", "b", "c"}, Height: side, Width: side}
	random := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range n {
		m.Labels = append(m.Labels, int32(i%len(m.Classes)))
		for range m.ImageSize() {
			m.Pixels = append(m.Pixels, byte(random.IntN(256)))
		}
	}
	return m
}
