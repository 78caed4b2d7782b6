package cli

import (
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
)

// TestReportIsPrintable: a plugin's file may be called anything, and a terminal is told none of it.
func TestReportIsPrintable(t *testing.T) {
	const evil = "\x1b[2J"
	var out strings.Builder
	report{XLA: backend.Survey{Why: evil, Driver: evil, GPUs: []string{evil}, Plugins: []backend.Plugin{
		{Kind: evil, Path: "/" + evil, API: "0.1"}, {Kind: evil, Path: "/" + evil, Problem: evil},
	}}}.print(&out, []string{evil})
	if strings.Contains(out.String(), evil) {
		t.Errorf("a terminal is sent %q", out.String())
	}
}

// TestExtras: plugins are offered where one could be used.
func TestExtras(t *testing.T) {
	for _, test := range []struct {
		survey backend.Survey
		want   bool
	}{
		{backend.Survey{}, true},
		{backend.Survey{NotXLA: "built without"}, false},
	} {
		offered, compiler := false, false
		for _, e := range extras(test.survey) {
			offered = offered || strings.Contains(e.install, "doctor --install")
			compiler = compiler || strings.Contains(e.what, "C compiler")
		}
		if offered != test.want || !compiler {
			t.Errorf("%+v: plugins are offered: %v, want %v; a compiler: %v", test.survey, offered, test.want, compiler)
		}
	}
}
