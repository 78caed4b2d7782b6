package datasource_test

import (
	"context"
	"fmt"

	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/picture"
)

func ExampleOpen() {
	ctx := context.Background()
	set, err := datasource.Open(ctx, datasource.Builtin, datasource.Options{Subset: "500,10/class"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Training.Len(), "training and", set.Test.Len(), "test images")
	fmt.Println(set.Caption())

	// A network for larger images than CIFAR's needs them resized.
	if err := set.Resize(ctx, picture.Transform{Resize: 64, Height: 64, Width: 64}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Training.Name)
	// Output:
	// 500 training and 100 test images
	// data: Shapes-10 (built-in), first 500, drawn shapes, not CIFAR-10
	// Shapes-10 (built-in), first 500, scaled to 64×64
}
