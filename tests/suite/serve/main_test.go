// Package serve tests the server of lesson serve from outside: its page in a real browser, and
// its behaviour under more load than it accepts.
package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/serve"
)

// engine is the backend of all tests in this package; tensors cannot move between backends.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("cpu") })

var served = serve.Model{
	Name: "resnet8-w4", Classes: []string{"apple", "bell", "cup", "drum", "egg", "fan", "gong"},
	Transform: picture.Transform{Resize: 16, Height: 16, Width: 16},
}

// network returns a small network with random weights, the same every time.
func network(t *testing.T) *infer.Network {
	t.Helper()
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	config.Classes = len(served.Classes)
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(11); err != nil {
		t.Fatal(err)
	}
	if err := config.Declare(store.Scope("/model")); err != nil {
		t.Fatal(err)
	}
	n, err := infer.New(engine, store, "/model", config, dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Finalize)
	return n
}

// begin serves the network until stop, which returns the error of Serve, or the end of the
// test.
func begin(t *testing.T, limits serve.Limits) (url string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve.New(network(t), served, limits)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	stop = sync.OnceValue(func() error {
		cancel()
		err := <-ended
		s.Close()
		return err
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return fmt.Sprintf("http://%s/", listener.Addr()), stop
}

// photo returns image number i as a PNG; no two numbers give the same image.
func photo(i, width, height int) ([]byte, error) {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			r := (x*(3+i%5) + i*37) * 256 / width
			g := (y*(2+i%7) + i*11) * 256 / height
			m.SetRGBA(x, y, color.RGBA{uint8(r), uint8(g), uint8((x ^ y) * (1 + i%3)), 255})
		}
	}
	var content bytes.Buffer
	if err := png.Encode(&content, m); err != nil {
		return nil, errors.Join(fmt.Errorf("image %d", i), err)
	}
	return content.Bytes(), nil
}
