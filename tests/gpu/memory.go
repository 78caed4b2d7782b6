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

// sampler reads the memory in use on the card from nvidia-smi every 100 ms. That is the memory of
// whole processes, so it is comparable between PyTorch, JAX and ours.
type sampler struct {
	mu         sync.Mutex
	last, peak float64 // MiB
	known      bool
}

// startSampler returns a sampler that runs until the context is done. Without nvidia-smi it measures
// nothing.
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
		_ = cmd.Wait() // its error only says that the context is done
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

// begin resets the peak and returns the memory in use now, in MiB.
func (s *sampler) begin() float64 {
	time.Sleep(150 * time.Millisecond) // until nvidia-smi no longer counts processes that have ended
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peak = s.last
	return s.last
}

// grown returns by how much the peak since begin exceeds from, in MiB, or 0 if it is unknown.
func (s *sampler) grown(from float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		return 0
	}
	return max(0, s.peak-from)
}

// card returns the index of the card to measure on: the first visible one.
func card() string {
	first, _, _ := strings.Cut(os.Getenv("CUDA_VISIBLE_DEVICES"), ",")
	if first == "" {
		return "0"
	}
	return first
}
