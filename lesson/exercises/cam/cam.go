// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/cam
// Hand in only this file.

// Package cam computes class activation maps: where in an image a network found a class.
package cam

// Map returns the class activation map of a class, [height][width]: what each place adds to the
// logit of the class.
//
//	features  [height][width][channels]  the last maps, before the global average pooling
//	weight    [channels][classes]        the weight of the linear layer
//
// Each value is the sum, over the channels, of the feature at that place times the weight
// from its channel to the class.
func Map(features [][][]float64, weight [][]float64, class int) [][]float64 {
	panic("not done yet: lesson/exercises/cam/README.md says what to do")
}

// Scale returns the map m with its values shifted and stretched so that the smallest is 0 and
// the largest is 1, so that it can be drawn. If all values are the same, the result is 0
// everywhere. m has at least one value, and Scale does not change it.
func Scale(m [][]float64) [][]float64 {
	panic("not done yet: lesson/exercises/cam/README.md says what to do")
}
