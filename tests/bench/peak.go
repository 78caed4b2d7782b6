package main

import (
	"time"

	"github.com/residual-go/residual/pkg/cpu"
)

// peak measures the speed of fused multiply-adds on GOMAXPROCS cores, in GFLOP/s.
func peak() float64 { return cpu.PeakGFLOPS(300 * time.Millisecond) }
