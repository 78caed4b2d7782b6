package quiet_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
)

// TestMain is a program that has go-xla in it, and does nothing but tell its variable.
func TestMain(m *testing.M) {
	if os.Getenv("RESIDUAL_QUIET_CHILD") != "" {
		value, set := os.LookupEnv("PJRT_PLUGIN_LIBRARY_PATH")
		fmt.Printf("%q %v %q", value, set, backend.Resolve(backend.Auto))
		return
	}
	os.Exit(m.Run())
}

// TestNothingIsSaid by a program without a home, where go-xla would write errors, nor by one that
// looks for plugins; and the variable is what the user made it.
func TestNothingIsSaid(t *testing.T) {
	for _, test := range []struct{ variable, want string }{
		{"", `"" false "cpu"`},
		{"PJRT_PLUGIN_LIBRARY_PATH=/nonesuch", `"/nonesuch" true "cpu"`},
	} {
		child := exec.Command(os.Args[0])
		child.Env = append([]string{"RESIDUAL_QUIET_CHILD=1"}, strings.Fields(test.variable)...)
		var said strings.Builder
		child.Stderr = &said
		out, err := child.Output()
		if err != nil {
			t.Fatal(err)
		}
		if said.Len() > 0 || string(out) != test.want {
			t.Errorf("with %q: it says %q and gives %s, want nothing said and %s", test.variable, said.String(), out, test.want)
		}
	}
}
