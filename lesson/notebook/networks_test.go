package notebook

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/shapes10"

	"github.com/gomlx/gomlx/ml/model"
)

// TestTrainedNetworks: without the network and with an empty cache, the recorded networks stand in.
func TestTrainedNetworks(t *testing.T) {
	t.Setenv("RESIDUAL_CACHE", t.TempDir())
	t.Setenv("RESIDUAL_MARTYN_URL", "http://127.0.0.1:1") // where nobody listens
	n := trainedNetworks()
	if !n.Recorded || n.Caption != "weights: recorded run, 24 epochs on CIFAR-10 (JPEG)" {
		t.Fatalf("Recorded is %v, the caption %q", n.Recorded, n.Caption)
	}
	for _, name := range []string{"plain20", "plain56", "resnet20", "resnet56"} {
		if m := n.Model(name); m.Config.Name != name || m.Accuracy == nil {
			t.Errorf("%s is %s, described as %+v", name, m.Config.Name, m.Description)
		}
	}
}

// TestAsk: the label of a drawn shape is what the network says of it, and images of known classes keep theirs.
func TestAsk(t *testing.T) {
	m := RecordedWeights(recordedRuns + "/resnet20")
	images := shapes10.Test(12, 1)
	asked := Ask(m, images)
	if !slices.Equal(asked.Classes, cifar.CIFAR10.Classes()) || slices.Equal(asked.Labels, images.Labels) {
		t.Fatalf("classes %v and labels %v", asked.Classes, asked.Labels)
	}
	store := model.NewStore()
	defer store.Finalize()
	if err := m.Restore(store, "/model"); err != nil {
		t.Fatal(err)
	}
	network, err := infer.New(Backend(), store, "/model", m.Config, m.Normalization)
	if err != nil {
		t.Fatal(err)
	}
	defer network.Finalize()
	logits, err := network.Logits(images.Pixels, images.Height, images.Width)
	if err != nil {
		t.Fatal(err)
	}
	for i, label := range asked.Labels {
		if want := infer.Top(logits[i*10:][:10], 1)[0].Class; int(label) != want {
			t.Errorf("image %d has the label %d, the network says %d", i, label, want)
		}
	}
	if again := Ask(m, asked); again != asked {
		t.Error("images of the network's classes were labelled anew")
	}
}

// TestImageNet: the file that the variable names comes first, and without any weights there is nothing.
func TestImageNet(t *testing.T) {
	t.Setenv("RESIDUAL_CACHE", t.TempDir())
	t.Setenv("RESIDUAL_TORCHVISION_URL", "http://127.0.0.1:1") // where nobody listens
	if m := ImageNet(); m != nil {
		t.Errorf("an empty cache has %s", m.Config.Name)
	}
	t.Setenv(ImageNetVariable, filepath.Join(Root(), "lesson", "recorded", recordedRuns, "resnet20", "weights.safetensors"))
	if m := ImageNet(); m == nil || m.Config.Name != "resnet20" || m.Tensors["conv1.weight"].Data == nil {
		t.Errorf("the file has %+v", m)
	}
}
