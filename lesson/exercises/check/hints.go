package check

// Hint is the usual reason for a failure.
type Hint struct {
	// Name is short and does not change, like relu-before-addition: teachers count by it.
	Name string `json:"name"`
	// Text explains the reason to the student.
	Text string `json:"text"`
}

// The hints below can come up in several exercises. All others are in the file of their
// exercise.
var (
	slicesNotMade = Hint{"slices-not-made", "the slice is empty: create it with make and its full length. If it holds slices, as an image holds rows, make each of those too"}
	noEnd         = Hint{"no-end", "a loop never ends: find what should make its condition false"}
	scopeTwice    = Hint{"scope-entered-twice", "a scope name is used twice. GoMLX creates each scope once, so that layers do not share weights by accident: give every layer its own name, and keep a scope that holds several layers in a variable"}
	fixedSize     = Hint{"fixed-size", "the number of channels is hard-coded somewhere; take it from x: x.Shape().Dim(-1)"}
)
