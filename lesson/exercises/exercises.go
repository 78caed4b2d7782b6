// Package exercises lists the exercises of the course and generates the files that
// students edit.
//
// An exercise NAME is a folder of that name next to this file:
//
//	NAME/NAME.go             what the student edits: a stub, generated from the solution
//	NAME/NAME_test.go        its test, which hands the answer to package check
//	NAME/README.md           the task
//	NAME/solution/NAME.go    the worked solution
//
// # Where to find what
//
//	exercises.go       the list of exercises
//	stub.go, gen       makes stubs from solutions
//	nn                 the layers that answers are built from, and the learner that a
//	                   training loop trains
//	symptoms           trains with the broken code of the bug… exercises and prints the
//	                   results that their tasks quote
//
//	check/NAME.go      the check of exercise NAME: its steps, points, usual mistakes and
//	                   hints; for example, check/stage.go compares strides
//	check/check.go     runs a check step by step; catches panics and endless loops
//	check/trial.go     compares an answer in plain Go with the right values and with those
//	                   of the usual mistakes
//	check/graphs.go    does so for an answer that builds a GoMLX graph: shapes, weights,
//	                   values
//	check/blocks.go    the blocks and shortcuts that checks pass to answers
//	check/learner.go   the small network that checks pass to a training loop
//	check/hints.go     the hints that several exercises share
//	check/report.go    reports results to the grader
//	check/memory.go    ends a check that takes too much memory
//	check/testdata     PyTorch's values, written by make exercise-values
//
// Grading a class is package grade, whose documentation has a map of its own: forbidding
// imports, limiting memory and shutting off the network are there.
package exercises

// Exercise is one exercise.
type Exercise struct {
	// Name is the name of its folder, its package and its file.
	Name string
	// Title says in a few words what to do.
	Title string
	// Notebook is the number of the notebook that it belongs to.
	Notebook int
}

// Folder is the folder of the exercises, relative to the root of the module.
const Folder = "lesson/exercises"

// All returns the exercises in the order of the course.
func All() []Exercise {
	return []Exercise{
		{"classes", "Classes of functions, nested or not", 1},
		{"gap", "The degradation problem, read from two logs", 2},
		{"gradientnorms", "The gradient at each layer", 2},
		{"outputsize", "The size of a convolution's output", 3},
		{"convolution", "A convolution by hand", 3},
		{"batchnorm", "Batch norm, forward and its running statistics", 3},
		{"basicblock", "The block of two convolutions", 3},
		{"shortcut", "The shortcut where the shape changes", 3},
		{"preactivation", "The block that activates first", 3},
		{"zeroinit", "Blocks that begin as the identity", 3},
		{"bottleneck", "The block of three convolutions", 4},
		{"stage", "A stage of blocks", 4},
		{"resnet18", "ResNet-18 from its table", 4},
		{"parameters", "Counting parameters", 4},
		{"momentum", "SGD with momentum", 5},
		{"augment", "Augmentation that keeps labels true", 5},
		{"split", "Hold out images to choose with", 5},
		{"evaluate", "Accuracy over a test set", 5},
		{"trainingloop", "The full training loop", 5},
		{"newhead", "A new head on a frozen body", 6},
		{"bugblock", "Find the bug: a block that learns too little", 6},
		{"cam", "A class activation map", 7},
		{"lesion", "Take a block out", 7},
		{"bugnorm", "Find the bug: good in training, useless after it", 7},
		{"direction", "A direction to walk in, normalised by filter", 8},
		{"bughead", "Find the bug: a network that cares where things are", 8},
	}
}

// Names returns the names of the exercises in the order of the course.
func Names() []string {
	var names []string
	for _, exercise := range All() {
		names = append(names, exercise.Name)
	}
	return names
}
