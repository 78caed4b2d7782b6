package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// torch is what the names of all peers begin with.
const torch = "torch"

// peer is a way to run PyTorch.
type peer struct {
	// Name tells it from other peers and from backends. It is torch, a colon, and the value of the flag.
	Name   string `json:"name"`
	Python string `json:"python"`
	// Version is PyTorch's.
	Version string `json:"version"`
	// ChannelsLast runs it with images in NHWC layout, not in its default, NCHW.
	ChannelsLast bool `json:"channels_last,omitempty"`
	// Compile lets torch.compile compile the network.
	Compile bool `json:"compile,omitempty"`
	// AVX2 keeps it from using AVX-512, as on a processor that has none. It is the peer of cpu:kernel=avx2.
	AVX2 bool `json:"avx2,omitempty"`
}

// The options of a peer in the flag -torch. torch_step.py has flags of the first two names.
const (
	channelsLast = "channels-last"
	compile      = "compile"
	avx2         = "avx2"
)

// parsePeer reads the value of a flag: the path of a Python, and options after commas.
func parsePeer(value string) (peer, error) {
	python, rest, _ := strings.Cut(value, ",")
	p := peer{Name: torch + ":" + value, Python: python}
	if python == "" {
		return p, fmt.Errorf("%q names no Python", value)
	}
	if rest == "" {
		return p, nil
	}
	for option := range strings.SplitSeq(rest, ",") {
		switch option {
		case channelsLast:
			p.ChannelsLast = true
		case compile:
			p.Compile = true
		case avx2:
			p.AVX2 = true
		default:
			return p, fmt.Errorf("unknown option %q, want %s, %s or %s", option, channelsLast, compile, avx2)
		}
	}
	return p, nil
}

// peers is the flag that adds one.
type peers []peer

func (p *peers) String() string { return "" }

func (p *peers) Set(value string) error {
	added, err := parsePeer(value)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(*p, func(other peer) bool { return other.Name == added.Name }) {
		return fmt.Errorf("%s is given twice", value)
	}
	*p = append(*p, added)
	return nil
}

// of returns the peer with a name.
func (p peers) of(name string) (peer, bool) {
	i := slices.IndexFunc(p, func(peer peer) bool { return peer.Name == name })
	if i < 0 {
		return peer{}, false
	}
	return p[i], true
}

// program names PyTorch with its version and, if it is kept from using AVX-512, says so.
func (p peer) program() string {
	if p.AVX2 {
		return "PyTorch " + p.Version + " with AVX2"
	}
	return "PyTorch " + p.Version
}

// how describes the layout of the images, and whether the network is compiled.
func (p peer) how() string {
	layout := "NCHW"
	if p.ChannelsLast {
		layout = "NHWC"
	}
	if p.Compile {
		return layout + " compiled"
	}
	return layout
}

// args returns the arguments of torch_step.py that measure s.
func (p peer) args(s spec) []string {
	args := []string{"-", s.Network, "--batch", fmt.Sprint(s.Batch), "--threads", fmt.Sprint(s.Threads),
		"--steps", fmt.Sprint(s.Steps), "--seconds", fmt.Sprint(s.Seconds)}
	if s.Mode == evalMode {
		args = append(args, "--eval")
	}
	if p.ChannelsLast {
		args = append(args, "--"+channelsLast)
	}
	if p.Compile {
		args = append(args, "--"+compile)
	}
	return args
}

// environment returns what is added to the environment of torch_step.py. PyTorch's own kernels, oneDNN
// and MKL each have a variable.
func (p peer) environment() []string {
	if !p.AVX2 {
		return nil
	}
	return []string{"ATEN_CPU_CAPABILITY=avx2", "ONEDNN_MAX_CPU_ISA=AVX2", "MKL_ENABLE_INSTRUCTIONS=AVX2"}
}

// torchVersion returns the version of Python's PyTorch.
func torchVersion(ctx context.Context, python string) (string, error) {
	output, err := outputOf(exec.CommandContext(ctx, python, "-c", "import torch; print(torch.__version__)"))
	return lastLine(output), err
}
