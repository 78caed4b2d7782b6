package e2e

import (
	"strings"
	"testing"
)

// Errors that are found before anything is built. The checks themselves are tested in package
// cli.
func TestCheckErrors(t *testing.T) {
	p := newPlace(t)
	p.fails([]string{`no exercise "outputsise"`, "did you mean outputsize?", "batchnorm"}, "check", "outputsise")
	p.fails([]string{p.dir, "is not in a checkout of the course", "go.mod", "git clone https://github.com/residual-go/residual"}, "check", "outputsize")
	p.fails([]string{p.dir, "is not in a checkout of the course", "git clone https://github.com/residual-go/residual"}, "grade", "submissions")
	has(t, p.ok("check", "--help"), "git clone https://github.com/residual-go/residual")
}

// In a checkout, help, advice and closing lines say go run; outside, they say lesson.
func TestHowTheCommandIsCalled(t *testing.T) {
	t.Parallel()
	for _, inside := range []bool{false, true} {
		p := newPlace(t)
		call, other := "lesson", "go run"
		if inside {
			writeFile(t, p.path("go.mod"), []byte("module github.com/residual-go/residual\n"))
			call, other = "go run ./lesson", "  lesson train -"
		}
		help := p.ok("train", "--help")
		has(t, help, "  "+call+" train ", call+" summary lists them")
		doctor := p.ok("doctor")
		has(t, doctor, call+" data fetch", "Try next:\n  "+call+" degradation\n")
		p.fails([]string{"(" + call + " train makes"}, "eval")
		p.fails([]string{call + " eval --help"}, "eval", "--bogus")
		if text := help + doctor; strings.Contains(text, other) {
			t.Errorf("inside a checkout %t: the text says %q:\n%s", inside, other, text)
		}
	}
}
