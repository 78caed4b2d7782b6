// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/gap
// Hand in only this file.

// Package gap measures the degradation problem in the logs of two training runs.
package gap

// Losses returns the training loss of each finished epoch of a log, in order. The line of a
// finished epoch looks like this:
//
//	Epoch [2/24] done: train loss 1.9908, train accuracy 24.90%, test loss 2.0717, …
//
// A log has other lines too. If the run was killed, its log may end in the middle of a line:
// only lines that end with a newline count.
func Losses(log string) []float64 {
	panic("not done yet: lesson/exercises/gap/README.md says what to do")
}

// Gap returns by how much the training loss of the deep network is higher than that of the
// shallow one, after the last epoch that both finished. It is negative if the deep network's
// loss is lower. Each log has at least one finished epoch.
func Gap(shallow, deep string) float64 {
	panic("not done yet: lesson/exercises/gap/README.md says what to do")
}
