package safetensors_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/residual-go/residual/pkg/safetensors"
	"github.com/residual-go/residual/pkg/tensorfile"
)

// Write tensors, look at the header, and read them again.
func Example() {
	tensors := map[string]tensorfile.Tensor{
		"fc.weight": {Shape: []int{2, 3}, Data: []float32{1, 2, 3, 4, 5, 6}},
		"fc.bias":   {Shape: []int{2}, Data: []float32{0.5, -0.5}},
	}
	var buffer bytes.Buffer
	if err := safetensors.Write(&buffer, tensors, map[string]string{"epoch": "3"}); err != nil {
		log.Fatal(err)
	}

	file, err := safetensors.Open(bytes.NewReader(buffer.Bytes()), int64(buffer.Len()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("epoch", file.Metadata["epoch"])
	for _, entry := range file.Entries {
		fmt.Println(entry.Name, entry.DType, entry.Shape)
	}
	contents, err := file.Read()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(contents.Tensors["fc.weight"].Data)
	// Output:
	// epoch 3
	// fc.bias float32 [2]
	// fc.weight float32 [2 3]
	// [1 2 3 4 5 6]
}
