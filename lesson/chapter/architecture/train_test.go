package architecture

import (
	"context"
	"errors"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/shapes10"
)

// tiny is a ResNet of the library's, of 8 layers and 4 channels.
func tiny(t *testing.T) (Network, resnet.Config) {
	t.Helper()
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	config.Stem = resnet.ImageNetStem
	return func(scope *model.Scope, images *graph.Node) *graph.Node { return config.Forward(scope, images) }, config
}

func TestParameters(t *testing.T) {
	network, config := tiny(t)
	cpu, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	summary, err := config.Summary(32, 32)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := network.Parameters(cpu, 32, 32); err != nil || int64(got) != summary.Parameters {
		t.Errorf("%d parameters and the error %v, want %d as in the summary", got, err, summary.Parameters)
	}
}

// A network learns: with every epoch its loss falls, and in the end it beats guessing on images
// it has not seen.
func TestTrain(t *testing.T) {
	network, _ := tiny(t)
	cpu, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	training, test := shapes10.Train(500, 1), shapes10.Test(500, 1)
	reported := 0
	results, err := Train(t.Context(), cpu, network, training, test, 6, func(epoch int, _ Epoch) { reported = epoch })
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 6 || reported != 6 {
		t.Fatalf("%d results, the last one reported for epoch %d, want 6", len(results), reported)
	}
	first, last := results[0], results[5]
	if last.Loss >= first.Loss-0.1 || last.Accuracy <= first.Accuracy || last.Test < 0.2 {
		t.Errorf("the first epoch ended with %+v and the last one with %+v", first, last)
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Train(cancelled, cpu, network, training, test, 1, func(int, Epoch) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled training ends with the error %v", err)
	}
}
