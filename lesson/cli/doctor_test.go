package cli

import (
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/backend"
)

// File names and what tools print may contain control sequences. None may reach the terminal.
func TestReportIsPrintable(t *testing.T) {
	const evil = "\x1b[2J"
	var out strings.Builder
	report{XLA: backend.Survey{Why: evil, Driver: evil, GPUs: []string{evil}, Plugins: []backend.Plugin{
		{Kind: evil, Path: "/" + evil, API: "0.1"}, {Kind: evil, Path: "/" + evil, Problem: evil},
	}}}.print(words.English, &out, []string{evil})
	if strings.Contains(out.String(), evil) {
		t.Errorf("the terminal gets %q", out.String())
	}
}

// Plugins are offered only where they can be used.
func TestExtras(t *testing.T) {
	for _, test := range []struct {
		survey backend.Survey
		want   bool
	}{
		{backend.Survey{}, true},
		{backend.Survey{NotXLA: "built without"}, false},
	} {
		offered, compiler := false, false
		for _, e := range extras(words.English, test.survey) {
			offered = offered || strings.Contains(e.install, "doctor --install")
			compiler = compiler || strings.Contains(e.what, "C compiler")
		}
		if offered != test.want || !compiler {
			t.Errorf("%+v: plugins are offered: %v, want %v; a compiler: %v, want true", test.survey, offered, test.want, compiler)
		}
	}
}
