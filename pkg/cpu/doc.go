// Package cpu is a GoMLX backend that trains residual networks on the CPU about twice as fast as
// PyTorch. It is written in Go and generated assembly: no cgo, no library to install. It
// registers itself as "cpu", so that any GoMLX program can use it:
//
//	import _ "github.com/residual-go/residual/pkg/cpu"
//
//	backend, err := compute.NewWithConfig("cpu")
//
// # How it works
//
// A graph goes through five stages. The name of every file begins with its stage.
//
// Build. [Backend.Builder] returns a builder that passes each operation to GoMLX's own Go backend,
// called the reference backend here. That checks the operation and infers the shape of its result.
// The builder also records the operation.
//
// Lower. Compile turns the recorded operations into tensors that native steps can compute. An
// operation that has no native form is delegated: it is compiled on its own in the reference
// backend, and runs as a step between the others. A graph with functions, control flow or dynamic
// shapes is delegated as a whole. So everything that runs on the reference backend runs here too,
// with the same results up to rounding.
//
// Plan. Compile then decides which tensors are stored in memory, orders the steps, and lays out
// the memory.
//
// Step. Each kind of step computes one kind of tensor. For float32 these are native:
//
//   - loops: chains of elementwise operations and broadcasts, which may begin with loading bytes,
//     bools, integers or bfloat16. A loop runs block by block as a small program of vector
//     operations, whose intermediate values never leave the first-level cache. One pass over
//     memory may store and reduce several tensors.
//   - contractions: ConvGeneral with any axes, strides, paddings, dilations and groups, and
//     DotGeneral. A convolution is a matrix product whose left matrix is never built: a table says
//     where its rows are in the input. The gradient with respect to a kernel is a sum of outer
//     products over pixels. Convolutions of 3×3 with stride 1, and their gradients, use Winograd's
//     algorithm where it pays.
//   - batch normalization: one pass over memory computes the moments, and loops do the rest
//     together with the operations around it.
//   - pooling and its gradient.
//   - moving elements of any type: pad, slice, concatenate, transpose, reverse.
//
// Run. An executable runs its steps one after another. Each step is cut into tasks that all cores
// share.
//
// The inner loops are in internal/kernel: assembly for AVX-512, for AVX2 with FMA and for ARM's NEON,
// written by generators, and portable Go. The backend selects the fastest kernels of the machine, unless the
// environment variable RESIDUAL_CPU_KERNEL or the option "kernel=NAME" names others (see [New]).
//
// # Where to find what
//
//	backend.go                        Backend, New and its options, registration, capabilities
//	backend_peak.go                   PeakGFLOPS: the peak speed of the machine
//
//	build.go                          builder and function: record operations; Parameter, Constant, Return
//	build_ops.go                      the operations of compute.Function, and their settings
//	build_batchnorm.go                batch normalization, composed for the reference backend
//	build_fused.go                    the fused operations of compute.FusedOps
//	build_control.go                  Call, Sort, While, If
//	build_spmd.go                     several devices: DistributedSPMD, DeviceAssignment, AllReduce
//
//	lower.go                          recorded operations → tensors; delegated operations
//	lower_graph.go                    graph and tensor, their kinds, broadcast and reshape
//	lower_element.go                  elementwise operations, and how the gradient of a ReLU is simplified
//	lower_reduce.go                   sums and extremes over axes
//	lower_batchnorm.go                batch normalization and its gradient
//	lower_contraction.go              convolutions and matrix products
//	lower_pooling.go                  pooling and its gradient
//	lower_move.go                     pad, slice, concatenate, transpose, reverse
//	lower_bfloat16.go                 bfloat16 as rounded float32
//
//	plan.go                           plan: what compiling a graph results in
//	plan_store.go                     which tensors are stored
//	plan_again.go                     which tensors are computed again instead of kept in memory
//	plan_order.go                     the order of steps, and which tensors join a loop
//	plan_chain.go                     which steps run together on a few images at a time
//	plan_memory.go                    slots, sharing of memory, the layout of the arena
//	plan_tasks.go                     chooses the size of tasks from caches and cores
//
//	step.go                           the step for each kind of tensor
//	step_chain.go                     steps that run together on a few images at a time
//	step_loop.go                      elementwise loops and reductions
//	step_loop_compile.go              the program of a loop, and its registers
//	step_loop_opcode.go               what each operation of a program does
//	step_contraction_rows.go          direct convolution and matrix product
//	step_contraction_cols.go          gradient of a convolution with respect to its kernel
//	step_contraction_winograd.go      convolution by Winograd's algorithm
//	step_contraction_winograd_gradient.go
//	                                  gradient with respect to a kernel by Winograd's algorithm
//	step_moments.go                   mean and variance of each feature
//	step_pooling.go                   pooling and its gradient
//	step_move.go                      strided copies
//	step_match.go                     comparison of integers
//	step_delegate.go                  one operation in the reference backend
//	step_allreduce.go                 reduction over devices
//
//	run_executable.go                 executable, and one execution of it
//	run_profile.go                    where the time goes
//	run_delegated.go                  a whole graph in the reference backend
//	run_workers.go                    the goroutines that share the tasks
//	run_devices.go                    which device is where
//	run_rendezvous.go                 where the replicas of an execution wait for each other
//	run_buffer.go                     Buffer, and memory for reuse
//	run_memory.go                     the arena; _unix from mmap, _heap from Go's heap
//
//	internal/kernel                   micro-kernels, Winograd's transforms, elementwise arithmetic, column sums;
//	                                  kernel.go chooses among AVX-512, AVX2, NEON and portable
//	                                  Go, vector_amd64.go asks what the processor supports
//	internal/cache                    how large the caches are
//	internal/kernel/gen               the generator of their assembly for amd64
//	internal/kernel/gen/arm64         the generator for arm64; gen/shape is shared by both
//
// Tests are named after the files that they test. The tests of the whole pipeline are
// random_graphs_test.go (against the reference backend; the graphs are from
// random_generator_test.go), gradients_test.go and special_values_test.go.
//
// # What the compiler does
//
// An elementwise tensor is stored only if a step other than a loop needs it, or if several loops do
// and computing it again would read more memory than it takes. A tensor joins an earlier loop that
// already reads one of its operands. GoMLX's gradient of a ReLU, five operations on the values
// before it, becomes one comparison with the ReLU itself, which is stored in any case. A layer
// therefore keeps two tensors for its gradient, as in PyTorch. Division by a power of two becomes
// multiplication.
//
// All memory except inputs and outputs is one arena, in which tensors that are not in use at the
// same time share a place. Loops overwrite operands that they are the last to read. The arena comes
// from the operating system instead of Go's heap, and is returned when the executable is finalized.
// If a loop computes an output from a donated input, such as the next value of a weight, the output
// takes over the input's memory.
//
// # bfloat16
//
// Inside a graph, bfloat16 is float32 that is rounded (to nearest, ties to even) after every
// operation with a bfloat16 result. Contractions and other sums accumulate in float32 and are
// rounded at the end. That is what a GPU computes, up to the order of its sums, and elementwise
// operations have the same bits as on the reference backend. It shows what mixed precision does to
// the training of a network; it saves neither time nor memory.
//
// # Determinism
//
// The order of sums depends only on shapes. The number of cores, their speeds, their caches and timing
// do not change a single bit of a result. The choice of kernels does, because each set has its own order
// of additions. Only AVX2 and NEON agree, except for the sign of a zero that max or min returns and the
// payload of a NaN. (Whole runs on the two may still differ: on arm64 the Go compiler fuses
// multiplications and additions, in code outside the kernels and in the math package.)
// Any number of executables can run at the same time, and each of them several times.
//
// # Several devices
//
// The option "devices=N", as in "cpu:devices=2", presents N devices, each with its own buffers.
// They share the cores, so they are no faster: they serve to test programs for several devices, and
// to learn from them, where there is only a CPU. The replicas of an SPMD graph run at the same time,
// one on each device, and meet at every AllReduce. They reduce in the order of the devices, so all
// devices get the same bits in every run. If one replica fails, all stop with its error.
// Auto-sharding is not supported.
//
// PERFORMANCE.md says what was tried, what it gained, and where the time goes.
package cpu
