package plots_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/plots"
)

func ExampleSave() {
	images := &dataset.Images{
		Classes: []string{"red", "blue"},
		Height:  1, Width: 1,
		Pixels: []byte{255, 0, 0, 0, 0, 255},
		Labels: []int32{0, 1},
	}
	folder, err := os.MkdirTemp("", "figures")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	paths, err := plots.Save(folder, plots.Drawing{Name: "samples", Draw: func() (*figure.Figure, error) {
		return plots.Samples("One image of each class", "data: two pixels", images, 1)
	}})
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range paths {
		fmt.Println(filepath.Base(path))
	}
	// Output:
	// samples.png
	// samples.svg
}
