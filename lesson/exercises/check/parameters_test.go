package check

import (
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/parameters"
	solution "github.com/residual-go/residual/lesson/exercises/parameters/solution"
)

func TestParameters(t *testing.T) {
	right := Counts{solution.Conv, solution.Norm, solution.Linear, solution.Block, solution.Parameters}
	try := func(change func(c *Counts)) func(T) {
		return func(t T) {
			answer := right
			change(&answer)
			Parameters(t, answer)
		}
	}
	test(t, "parameters",
		try(func(*Counts) {}),
		func(t T) {
			Parameters(t, Counts{stub.Conv, stub.Norm, stub.Linear, stub.Block, stub.Parameters})
		},
		wrong{"bias-in-convolutions", try(func(c *Counts) {
			c.Conv = func(in, out, kernel int) int { return (in*kernel*kernel + 1) * out }
		})},
		wrong{"kernel-counted-once", try(func(c *Counts) { c.Conv = func(in, out, kernel int) int { return in * out * kernel } })},
		wrong{"running-statistics-counted", try(func(c *Counts) { c.Norm = func(channels int) int { return 4 * channels } })},
		wrong{"one-per-norm", try(func(c *Counts) { c.Norm = func(channels int) int { return channels } })},
		wrong{"bias-of-linear-forgotten", try(func(c *Counts) { c.Linear = func(in, out int) int { return in * out } })},
		wrong{"projection-forgotten", try(func(c *Counts) { c.Block = blockWith(func(_, _, _ int) bool { return false }) })},
		wrong{"projection-everywhere", try(func(c *Counts) { c.Block = blockWith(func(_, _, _ int) bool { return true }) })},
		wrong{"projection-by-stride-only", try(func(c *Counts) { c.Block = blockWith(func(_, _, stride int) bool { return stride > 1 }) })},
		wrong{"projection-by-channels-only", try(func(c *Counts) { c.Block = blockWith(func(in, out, _ int) bool { return in != out }) })},
		wrong{"bottleneck-of-one-by-ones", try(func(c *Counts) {
			c.Block = func(bottleneck bool, in, width, stride int) int {
				count := solution.Block(bottleneck, in, width, stride)
				if bottleneck {
					count -= 8 * width * width
				}
				return count
			}
		})},
		wrong{"bottleneck-not-widened", try(func(c *Counts) {
			c.Block = func(bottleneck bool, in, width, stride int) int {
				if !bottleneck {
					return solution.Block(false, in, width, stride)
				}
				count := in*width + 9*width*width + width*width + 6*width
				if in != width || stride > 1 {
					count += in*width + 2*width
				}
				return count
			}
		})},
		wrong{"norm-of-projection-forgotten", try(func(c *Counts) {
			c.Block = func(bottleneck bool, in, width, stride int) int {
				out := width
				if bottleneck {
					out = 4 * width
				}
				count := solution.Block(bottleneck, in, width, stride)
				if in != out || stride > 1 {
					count -= 2 * out
				}
				return count
			}
		})},
		wrong{"projection-forgotten", try(func(c *Counts) {
			c.Parameters = func(bottleneck bool, blocks [4]int, classes int) int {
				return countNetwork(bottleneck, blocks, classes, blockWith(func(_, _, _ int) bool { return false }), 4)
			}
		})},
		wrong{"stage-input-not-updated", try(func(c *Counts) {
			c.Parameters = func(bottleneck bool, blocks [4]int, classes int) int {
				expansion := 1
				if bottleneck {
					expansion = 4
				}
				count, in := 9408+128, 64
				for i, n := range blocks {
					width, stride := 64<<i, min(i+1, 2)
					for range n {
						count += solution.Block(bottleneck, in, width, stride)
						stride = 1
					}
					in = expansion * width
				}
				return count + (in+1)*classes
			}
		})},
		wrong{"head-forgotten", try(func(c *Counts) {
			c.Parameters = func(bottleneck bool, blocks [4]int, _ int) int {
				return solution.Parameters(bottleneck, blocks, 0)
			}
		})},
		wrong{"stem-forgotten", try(func(c *Counts) {
			c.Parameters = func(bottleneck bool, blocks [4]int, classes int) int {
				return solution.Parameters(bottleneck, blocks, classes) - 9408 - 128
			}
		})},
		wrong{"first-block-of-stage-one", try(func(c *Counts) {
			c.Parameters = func(bottleneck bool, blocks [4]int, classes int) int {
				return countNetwork(bottleneck, blocks, classes, blockWith(func(_, _, stride int) bool { return stride > 1 }), 4)
			}
		})},
		wrong{"stride-in-every-block", try(func(c *Counts) {
			c.Parameters = func(bottleneck bool, blocks [4]int, classes int) int {
				strided := func(bottleneck bool, in, width, _ int) int { return solution.Block(bottleneck, in, width, 2) }
				return countNetwork(bottleneck, blocks, classes, strided, 4)
			}
		})},
		wrong{"head-without-expansion", try(func(c *Counts) {
			c.Parameters = func(bottleneck bool, blocks [4]int, classes int) int {
				return countNetwork(bottleneck, blocks, classes, solution.Block, 1)
			}
		})},
	)
}

// blockWith returns a Block that counts a projection where projected says so.
func blockWith(projected func(in, out, stride int) bool) func(bottleneck bool, in, width, stride int) int {
	return func(bottleneck bool, in, width, stride int) int {
		out, count := width, 9*in*width+9*width*width+4*width
		if bottleneck {
			out = 4 * width
			count = in*width + 9*width*width + width*out + 4*width + 2*out
		}
		if projected(in, out, stride) {
			count += in*out + 2*out
		}
		return count
	}
}

// countNetwork counts a network of these blocks. With bottlenecks, its head has
// 512·expansion input channels.
func countNetwork(bottleneck bool, blocks [4]int, classes int, block func(bottleneck bool, in, width, stride int) int, expansion int) int {
	count, in := 9408+128, 64
	for i, n := range blocks {
		width := 64 << i
		for j := range n {
			stride := 1
			if i > 0 && j == 0 {
				stride = 2
			}
			count += block(bottleneck, in, width, stride)
			in = width
			if bottleneck {
				in = 4 * width
			}
		}
	}
	head := 512
	if bottleneck {
		head *= expansion
	}
	return count + (head+1)*classes
}
