package figure_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/figure"
)

func Example() {
	run := figure.Run{
		Name:  "ResNet-20",
		Train: []float64{0.62, 0.41, 0.30, 0.24},
		Test:  []float64{0.58, 0.44, 0.36, 0.33},
	}
	f, err := figure.Curves("Error by epoch", "epoch", "top-1 error", run.Curves(1, figure.Solid),
		figure.Percent(), figure.Caption("data: Shapes-10 (built-in), not CIFAR-10"))
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "figures")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := f.Save(filepath.Join(folder, "error.png"), filepath.Join(folder, "error.svg")); err != nil {
		log.Fatal(err)
	}
	width, _ := f.Size()
	fmt.Println(width, "pixels wide")
	// Output: 800 pixels wide
}
