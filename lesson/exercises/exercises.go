// Package exercises lists the exercises of the course and makes the students' files.
//
// An exercise NAME is a folder of that name beside this file:
//
//	NAME.go             what the student edits: a stub, made from the solution
//	NAME_test.go        the test: it gives the answer to package check
//	README.md           the task
//	solution/NAME.go    the worked solution, the one source of both
//
// and a function in package check, which is the teacher. Stub makes NAME.go from the
// solution; in this folder, "go run ./gen NAME" does so, and "go generate" makes those that are
// not there.
package exercises

// Exercise is one exercise.
type Exercise struct {
	// Name is that of its folder, its package and its file.
	Name string
	// Title is the task in a few words.
	Title string
	// Notebook is the number of the notebook it belongs to.
	Notebook int
}

// Folder is where the exercises are, below the root of the module.
const Folder = "lesson/exercises"

// All returns the exercises in the order of the course.
func All() []Exercise {
	return []Exercise{
		{"outputsize", "The height and width that leave a convolution", 3},
		{"convolution", "A convolution by hand", 3},
		{"batchnorm", "Batch norm, forward and its running statistics", 3},
		{"basicblock", "The block of two convolutions", 3},
		{"shortcut", "The shortcut where the shape changes", 3},
		{"bottleneck", "The block of three convolutions", 4},
		{"stage", "A stage of blocks", 4},
		{"resnet18", "ResNet-18 from its table", 4},
		{"parameters", "Counting parameters", 4},
		{"momentum", "SGD with momentum", 5},
		{"augment", "Augmentation that keeps labels true", 5},
		{"evaluate", "Accuracy over a test set", 5},
		{"trainingloop", "The full training loop", 5},
		{"bugblock", "Find the bug: a block that learns too little", 6},
		{"bugnorm", "Find the bug: good in training, useless after it", 7},
		{"bughead", "Find the bug: a network that cares where things are", 8},
	}
}
