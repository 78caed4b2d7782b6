package e2e

import "testing"

// Errors that are found before anything is built. The checks themselves are tested in package
// cli.
func TestCheckErrors(t *testing.T) {
	p := newPlace(t)
	p.fails([]string{`no exercise "outputsise"`, "did you mean outputsize?", "batchnorm"}, "check", "outputsise")
	p.fails([]string{p.dir, "is not in a checkout of the course", "go.mod"}, "check", "outputsize")
}
