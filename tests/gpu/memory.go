package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampler watches the memory in use on the card, every 100 ms, as nvidia-smi sees it: that
// of whole processes, PyTorch's, JAX's and ours alike.
type sampler struct {
	mu         sync.Mutex
	last, peak float64 // MiB
	known      bool
}

// startSampler returns a sampler that runs until the context is done. Where there is no
// nvidia-smi it knows nothing.
func startSampler(ctx context.Context) *sampler {
	s := &sampler{}
	cmd := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms", "100", "-i", card())
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return s
	}
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if mib, err := strconv.ParseFloat(strings.TrimSpace(lines.Text()), 64); err == nil {
				s.add(mib)
			}
		}
		_ = cmd.Wait() // it is killed when the context is done
		s.mu.Lock()
		s.known = false
		s.mu.Unlock()
	}()
	return s
}

func (s *sampler) add(mib float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.peak, s.known = mib, max(s.peak, mib), true
}

// begin starts a new peak, and returns the memory in use now.
func (s *sampler) begin() float64 {
	time.Sleep(150 * time.Millisecond) // until what ended is no longer counted
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peak = s.last
	return s.last
}

// grown returns the peak since begin, above what begin returned; 0 if it is not known.
func (s *sampler) grown(from float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		return 0
	}
	return max(0, s.peak-from)
}

// card is the one that everything is measured on: the first that the user lets be seen.
func card() string {
	first, _, _ := strings.Cut(os.Getenv("CUDA_VISIBLE_DEVICES"), ",")
	if first == "" {
		return "0"
	}
	return first
}
