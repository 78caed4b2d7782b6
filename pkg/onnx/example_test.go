package onnx_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/residual-go/residual/pkg/onnx"
	"github.com/residual-go/residual/pkg/weights"
)

// Export a network. Folding the batch normalisations into the convolutions makes the model
// smaller.
func ExampleWrite() {
	m, err := weights.Open(context.Background(), "../weights/testdata/earlier/exported.safetensors", weights.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var model, folded bytes.Buffer
	if err := onnx.Write(&model, m, onnx.Options{}); err != nil {
		log.Fatal(err)
	}
	if err := onnx.Write(&folded, m, onnx.Options{Fold: true}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("BatchNormalization in the model:", bytes.Contains(model.Bytes(), []byte("BatchNormalization")))
	fmt.Println("BatchNormalization in the folded model:", bytes.Contains(folded.Bytes(), []byte("BatchNormalization")))
	fmt.Println("the folded model is smaller:", folded.Len() < model.Len())
	// Output:
	// BatchNormalization in the model: true
	// BatchNormalization in the folded model: false
	// the folded model is smaller: true
}
