package weights

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// TestFilesOfEarlierVersionsAreRead opens a checkpoint and an exported file that an earlier
// version wrote; see testdata/earlier/README.md.
func TestFilesOfEarlierVersionsAreRead(t *testing.T) {
	want := resnet.Config{Name: "resnet8", Stem: resnet.ImageNetStem, Block: resnet.Basic, Blocks: []int{1, 1, 1},
		Width: 2, Shortcut: resnet.ShortcutA, Classes: 10}
	opened := map[string]*Model{}
	for _, name := range []string{"checkpoint", "exported"} {
		path := filepath.Join("testdata", "earlier", name+".safetensors")
		m, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(m.Config, want) {
			t.Errorf("%s: the network is %+v, want %+v", name, m.Config, want)
		}
		normalization := dataset.Normalization{Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.247, 0.2435, 0.2616}}
		if m.Normalization != normalization || m.Transform != (picture.Transform{Resize: 32, Height: 32, Width: 32}) ||
			m.Classes[6] != "heart" || m.Recipe != "degradation" || m.Spec != "builtin" || m.Subset != "100,20" {
			t.Errorf("%s: the description is %+v", name, m.Description)
		}
		opened[name] = m
	}
	if t.Failed() {
		t.FailNow()
	}
	if !reflect.DeepEqual(opened["checkpoint"].Tensors, opened["exported"].Tensors) {
		t.Error("the weights of the two files differ")
	}
}

// TestFilesAreWrittenAsByEarlierVersions saves the same content again and compares the bytes.
func TestFilesAreWrittenAsByEarlierVersions(t *testing.T) {
	for _, name := range []string{"checkpoint", "exported"} {
		path := filepath.Join("testdata", "earlier", name+".safetensors")
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := statedict.Load(path) // which verifies the checksum
		if err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "again.safetensors")
		if err := content.Save(again); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(again); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: saved again, the file differs (%v)", name, err)
		}
	}
}

// TestTrainedNetworksOfEarlierVersions opens networks that an earlier version trained and
// exported. They are too large for the repository.
func TestTrainedNetworksOfEarlierVersions(t *testing.T) {
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set; the trained networks are in the folder runs beside the one it names")
	}
	runs := filepath.Join(data, "..", "runs", "cifar10-jpeg-paper-24-epochs")
	if _, err := os.Stat(runs); err != nil {
		t.Skipf("no trained networks beside RESIDUAL_TEST_DATA: %v", err)
	}
	for _, name := range []string{"plain20", "plain56", "resnet20", "resnet56"} {
		path := filepath.Join(runs, name, name+".safetensors")
		if _, err := statedict.Load(path); err != nil {
			t.Error(err)
		}
		m, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		want, err := resnet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m.Config, want) || m.Classes[3] != "cat" || m.Recipe != "paper" || m.Normalization.Validate() != nil {
			t.Errorf("%s: %+v, %+v", path, m.Config, m.Description)
		}
	}
}
