// Package cpu is a GoMLX backend that trains residual networks on the CPU at the speed of
// PyTorch, in pure Go: no cgo, no library to install. It registers itself as "cpu".
//
// # The shape of it
//
// A graph is built twice. [Backend.Builder] returns a builder that passes every operation
// on to GoMLX's own Go backend, the reference, which checks it and infers its shape, and
// records it (builder.go, ops.go, batchnorm.go). Compile then lowers the record to tensors
// that native steps can make (graph.go), decides which of them are stored, and in which
// order and where in memory (plan.go). What has no native form is made again in a small
// executable of the reference, and runs as a step between the others; a graph with
// functions, control flow or shapes that are not known goes to the reference as a whole
// (delegate.go). So whatever runs there runs here, and differs by rounding.
//
// Native are, for float32:
//
//   - loops (loop.go): chains of element by element operations, broadcasts, and loads of
//     bytes, bools and integers, run block by block as a small program of vector operations
//     whose intermediate values never leave the first-level cache. One pass may store and
//     reduce several tensors;
//   - contractions (contract.go): ConvGeneral, with any axes, strides, paddings, dilations
//     and groups, and DotGeneral. Convolutions are matrix products without the matrix: a
//     table says where the input's rows are (rows.go). Those of 3×3 with enough channels are
//     done by Winograd's algorithm (winograd.go). The gradient of a kernel is a sum of outer
//     products over the pixels (cols.go);
//   - batch normalisation: its moments in one pass over memory (moments.go), the rest in
//     loops with what is around it. The composition that the reference is given instead,
//     which has no such operations, is in batchnorm.go;
//   - pooling and its gradient (window.go), and whatever moves elements of any type: pad,
//     slice, concatenate, transpose, reverse (move.go).
//
// And for bfloat16, which is float32 inside a graph, rounded to bfloat16 (to nearest, ties to
// even) after every operation that has a result of that type (bfloat16.go). Contractions and
// other sums are float32's, rounded at their end. That is what a GPU computes, up to the order
// of its sums, and what the reference backend does element by element, to the bit. It is there
// to see what mixed precision does to a network's training: it saves neither time nor memory.
//
// The inner loops of all these are in internal/kernel: assembly for AVX-512 and for AVX2
// with FMA, written by a generator, and portable Go. The best that the machine has is
// chosen when the backend is made; the environment variable RESIDUAL_CPU_KERNEL, or the
// option "kernel=NAME" of the backend's configuration, takes another.
//
// # What is decided when a graph is compiled
//
// An element by element tensor is stored only if something else than a loop needs it, or
// several loops do and computing it again would read more than it takes. A tensor joins an
// earlier loop that has its operands in hand. Of GoMLX's gradient of a ReLU, five operations
// on the values before it, remains a comparison with the ReLU itself, which is kept anyway:
// a layer keeps two tensors for its gradient, as in PyTorch. Division by a power of two is
// multiplication.
//
// All memory but inputs and outputs is one piece, in which tensors that do not live at the
// same time share a place; loops write over what they read last. It comes from the operating
// system, not Go's heap, and goes back when the executable is finalized. An output that a
// loop makes of a donated input, such as a weight's next value, takes over its memory.
//
// # Parallel, and the same bits
//
// Steps run one after the other, and each is cut into tasks that all cores share
// (workers.go). The cuts and the order of sums depend on the shapes alone: the number of
// cores and the timing do not change a bit of the result. The kernels do: each set has its
// own order of additions. Any number of executables can run at once, one of them several
// times too.
//
// # Several devices
//
// The option "devices=N", as in "cpu:devices=2", presents N devices, each with buffers of its
// own. They share the cores and bring no speed: they are there to test programs for several
// devices, and to learn from them, where there is only a CPU. SPMD graphs run as one replica
// for each device, all at the same time, that meet at every AllReduce (devices.go,
// allreduce.go). They reduce in the order of the devices: each gets the same bits, in every
// run. If one fails, all end with its error. Auto-sharding is not there.
//
// PERFORMANCE.md has what was tried, what it gained, and where the time goes.
package cpu
