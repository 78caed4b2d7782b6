package main

import (
	"time"

	"github.com/residual-go/residual/pkg/cpu"
)

// peak measures the fused multiply-adds that this machine can do on GOMAXPROCS cores, in
// GFLOP/s.
func peak() float64 { return cpu.PeakGFLOPS(300 * time.Millisecond) }
