package e2e

import "testing"

// TestCheckErrors is about what is to be said before anything is built; what check does is
// tested beside it.
func TestCheckErrors(t *testing.T) {
	p := newPlace(t)
	p.fails([]string{`no exercise "outputsise"`, "did you mean outputsize?", "batchnorm"}, "check", "outputsise")
	p.fails([]string{p.dir, "is not in the course", "go.mod"}, "check", "outputsize")
}
