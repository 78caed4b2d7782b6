package weights_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// Open weights and put them into the variables of a GoMLX model. Instead of a path, the spec
// can be a URL, or a name such as "resnet50".
func ExampleOpen() {
	m, err := weights.Open(context.Background(), "testdata/earlier/exported.safetensors", weights.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s for %d×%d images of %d classes\n", m.Config.Name, m.Transform.Height, m.Transform.Width, len(m.Classes))

	store := model.NewStore()
	if err := m.Restore(store, "/model"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.GetVariable("/model/conv1/weight").Shape())
	// Output:
	// resnet8 for 32×32 images of 10 classes
	// (Float32)[7, 7, 3, 2]
}

// Weights that do not describe themselves: the names are another program's, and the
// architecture is detected from the shapes.
func ExampleFile_Model() {
	published, err := weights.ReadFile("testdata/earlier/exported.safetensors")
	if err != nil {
		log.Fatal(err)
	}
	file := &weights.File{Tensors: map[string]statedict.Tensor{}}
	for name, tensor := range published.Tensors {
		file.Tensors["module."+name] = tensor
	}
	m, err := file.Model(hub.Origin{}, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Config.Name)
	for _, note := range append(m.Notes, m.AssumedImages(), m.AssumedNetwork()) {
		fmt.Println("-", note)
	}
	// Output:
	// resnet8-basic-1-1-1-w2-shortcutA
	// - prefix module. removed, 37 names
	// - the file does not name its 10 classes
	// - the file does not say how images are prepared; assuming 224×224 pixels, normalised as imagenet (mean [0.485 0.456 0.406], std [0.229 0.224 0.225])
	// - names and shapes do not tell these weights from those of plain8-basic-1-1-1-w2 (no shortcuts), resnet8-basic-1-1-1-w2-pad-end (shortcuts with all zeros behind the channels); assuming resnet8-basic-1-1-1-w2-shortcutA
}
