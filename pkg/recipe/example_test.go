package recipe_test

import (
	"encoding/json"
	"fmt"
	"log"

	"github.com/residual-go/residual/pkg/recipe"
)

// Start from a named recipe, change it, and save it as JSON.
func ExampleByName() {
	r, err := recipe.ByName("fast")
	if err != nil {
		log.Fatal(err)
	}
	r.Epochs, r.Precision = 30, recipe.BFloat16
	if err := r.Validate(); err != nil {
		log.Fatal(err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output:
	// {
	//   "name": "fast",
	//   "model": {
	//     "name": "resnet20",
	//     "stem": "cifar",
	//     "block": "basic",
	//     "blocks": [
	//       3,
	//       3,
	//       3
	//     ],
	//     "width": 16,
	//     "shortcut": "A",
	//     "classes": 10
	//   },
	//   "epochs": 30,
	//   "batch_size": 128,
	//   "drop_last": true,
	//   "precision": "bfloat16",
	//   "learning_rate": 0.4,
	//   "schedule": {
	//     "kind": "onecycle",
	//     "warm_up": 0.3,
	//     "initial": 0.04,
	//     "final": 0.000004
	//   },
	//   "momentum": 0.9,
	//   "nesterov": true,
	//   "weight_decay": 0.0005,
	//   "decay_norms_and_biases": true,
	//   "augment": {
	//     "crop": 4,
	//     "flip": true
	//   },
	//   "normalization": {
	//     "mean": [
	//       0.4914,
	//       0.4822,
	//       0.4465
	//     ],
	//     "std": [
	//       0.247,
	//       0.2435,
	//       0.2616
	//     ]
	//   },
	//   "seed": 42
	// }
}

// The learning rate rises to its peak in the first 30% of the run, and then falls.
func ExampleRecipe() {
	r, err := recipe.ByName("fast")
	if err != nil {
		log.Fatal(err)
	}
	const steps = 1000
	for _, step := range []int{0, 299, 650, 999} {
		fmt.Printf("step %d: %.4f\n", step, r.Schedule.Rate(r.LearningRate, step, steps))
	}
	// Output:
	// step 0: 0.0160
	// step 299: 0.4000
	// step 650: 0.1994
	// step 999: 0.0000
}
