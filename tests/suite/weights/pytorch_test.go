package weights

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

const python = "/usr/bin/python3"

// peer is a process of weight_exchange.py.
type peer struct {
	in  io.Writer
	out *bufio.Reader
}

// pytorch starts a peer, or skips the test if it cannot.
func pytorch(t *testing.T) *peer {
	t.Helper()
	if testing.Short() {
		t.Skip("exchanging gigabytes of files with PyTorch is not a short test")
	}
	if err := exec.Command(python, "-c", "import torch, torchvision").Run(); err != nil {
		t.Skipf("%s has no torch and torchvision (%v); on Debian: apt-get install python3-torch python3-torchvision", python, err)
	}
	command := exec.Command(python, "-B", filepath.Join("..", "..", "reference", "weight_exchange.py"))
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("weight_exchange.py: %v", err)
		}
	})
	return &peer{in, bufio.NewReader(out)}
}

// ask sends a line and returns the logits of the answer.
func (p *peer) ask(t *testing.T, word, name, path string) []float32 {
	t.Helper()
	fmt.Fprintln(p.in, word, name, path)
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("%s %s: no answer from weight_exchange.py: %v", word, name, err)
	}
	var logits []float32
	if err := json.Unmarshal(line, &logits); err != nil {
		t.Fatalf("%s %s: %v in %q", word, name, err, line)
	}
	return logits
}

// TestFilesFromPyTorch reads files that PyTorch wrote, in both of its formats.
func TestFilesFromPyTorch(t *testing.T) {
	p := pytorch(t)
	for name := range reference(t, "formula") {
		t.Run(name, func(t *testing.T) {
			defer runtime.GC()
			dir := t.TempDir() // so that each network's files are removed after its test
			want := p.ask(t, "save", name, dir)
			open := func(ext string) *weights.Model {
				m, err := weights.Open(context.Background(), filepath.Join(dir, name+ext), weights.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if m.Config.Name != name {
					t.Errorf("%s%s is detected as %s", name, ext, m.Config.Name)
				}
				return m
			}
			zipped, legacy := open(".pth"), open(".th")
			same := func(a, b statedict.Tensor) bool {
				return slices.Equal(a.Shape, b.Shape) && slices.Equal(a.Data, b.Data)
			}
			if !maps.EqualFunc(zipped.Tensors, legacy.Tensors, same) {
				t.Errorf("the two formats differ")
			}
			got, err := prepare(t, zipped, "cpu").Logits(images(), side, side)
			if err != nil {
				t.Fatal(err)
			}
			checkClose(t, name, got, want)
		})
	}
}

// TestFilesForPyTorch lets torchvision load files that Save wrote, with strict=True.
func TestFilesForPyTorch(t *testing.T) {
	p := pytorch(t)
	for _, name := range []string{"resnet18", "resnext50_32x4d"} {
		t.Run(name, func(t *testing.T) {
			defer runtime.GC()
			c, err := resnet.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			c.Classes = 37
			m, err := (&weights.File{Tensors: byFormula(t, c)}).Model(hub.Origin{}, "")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "weights.safetensors")
			if err := m.Save(path); err != nil {
				t.Fatal(err)
			}
			want := p.ask(t, "load", name, path)
			got, err := prepare(t, m, "cpu").Logits(images(), side, side)
			if err != nil {
				t.Fatal(err)
			}
			checkClose(t, name, got, want)
		})
	}
}
