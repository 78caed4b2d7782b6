package cpu

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// PartTime is the time that a backend with the option "profile" spent in the steps of an execution, or in
// the parts of steps, that have the same description.
type PartTime struct {
	// Part describes what is computed and, after a colon, the sizes.
	Part string
	// Elapsed is the time from beginning to end. Busy is the time that all goroutines worked, so with n
	// cores n*Elapsed - Busy is the time that cores were idle.
	Elapsed, Busy time.Duration
}

// Profile returns where the time of executions went since the last call, what took longest first. Without
// the option "profile" it returns nothing.
func (b *Backend) Profile() []PartTime {
	if b.profile == nil {
		return nil
	}
	b.profile.mu.Lock()
	defer b.profile.mu.Unlock()
	var list []PartTime
	for _, t := range b.profile.parts {
		list = append(list, *t)
	}
	clear(b.profile.parts)
	slices.SortFunc(list, func(a, b PartTime) int {
		return cmp.Or(cmp.Compare(b.Elapsed, a.Elapsed), strings.Compare(a.Part, b.Part))
	})
	return list
}

// profile collects times by description.
type profile struct {
	mu    sync.Mutex
	parts map[string]*PartTime
}

func newProfile() *profile { return &profile{parts: map[string]*PartTime{}} }

func (p *profile) add(part string, elapsed, busy time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.parts[part]
	if t == nil {
		t = &PartTime{Part: part}
		p.parts[part] = t
	}
	t.Elapsed += elapsed
	t.Busy += busy
}

// now returns the time if the backend has a profile. Otherwise it saves the call.
func (r *run) now() time.Time {
	if r.plan.backend.profile == nil {
		return time.Time{}
	}
	return time.Now()
}

// runStep runs a step. What it does between its jobs, on one goroutine, counts as work.
func (r *run) runStep(s step) error {
	p := r.plan.backend.profile
	if p == nil {
		return s.run(r)
	}
	r.jobs = 0
	start := time.Now()
	err := s.run(r)
	rest := time.Since(start) - r.jobs
	p.add(describe(s), rest, rest)
	return err
}

// measured adds a job to the profile, if the backend has one.
func (r *run) measured(t tasker, start time.Time, busy time.Duration) {
	p := r.plan.backend.profile
	if p == nil {
		return
	}
	elapsed := time.Since(start)
	r.jobs += elapsed
	if _, ok := t.(*chainStep); ok {
		// Its members have added their times: what is left is that cores were idle.
		cores := time.Duration(runtime.GOMAXPROCS(0))
		p.add(describe(t), elapsed-busy/cores, 0)
		return
	}
	p.add(describe(t), elapsed, busy)
}

// worked adds a member of a chain to the profile, if the backend has one.
func (r *run) worked(m member, start time.Time) {
	if p := r.plan.backend.profile; p != nil {
		busy := time.Since(start)
		p.add(describe(m), busy/time.Duration(runtime.GOMAXPROCS(0)), busy)
	}
}

// describe returns the description of a step, or of the tasks of one of its jobs.
func describe(of any) string {
	switch s := of.(type) {
	case *rowsStep:
		return s.convolution() + ", direct: " + s.sizes()
	case *winogradStep:
		return s.convolution() + ", Winograd: " + s.sizes()
	case *packPanels:
		return "packing: taps of " + s.sizes()
	case *transformTaps:
		return "packing: transformed taps of " + s.sizes()
	case *colsStep:
		return "gradient of taps, direct: " + s.sizes()
	case *winogradGradientStep:
		return "gradient of taps, Winograd: " + s.sizes()
	case *packSegments:
		return "packing: pixels for the gradient of taps of " + s.sizes()
	case *addParts:
		return "adding: gradients of taps of " + s.sizes()
	case *addTaps:
		return "adding: transformed gradients of taps of " + s.sizes()
	case *chainStep:
		return "chain: waiting for the last task"
	case *momentsStep:
		return fmt.Sprintf("moments: %d×%d", s.rows, s.features)
	case *loop:
		kind := "loop"
		if s.reduces() {
			kind = "loop with sums"
		}
		return fmt.Sprintf("%s: %d elements, %d operations on %d tensors", kind, s.size, len(s.program), len(s.slots))
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", of), "*cpu.")
}

// convolution returns what a contraction is, as far as its kernel tells. The gradient with respect to the
// input reads the kernel across its output channels.
func (c *contraction) convolution() string {
	switch {
	case len(c.spatial) == 0:
		return "matrix product"
	case c.kerO != 1:
		return "gradient of input"
	}
	return "convolution"
}

// sizes returns the sizes of a contraction: the batch, those of the input, taps and output along each
// spatial axis, and the channels.
func (c *contraction) sizes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", c.n)
	for _, s := range c.spatial {
		fmt.Fprintf(&b, " × (%d, %d, %d)", s.in, s.ker, s.out)
	}
	fmt.Fprintf(&b, ", %d to %d", c.ci, c.co)
	return b.String()
}
