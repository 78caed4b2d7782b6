package quiet_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
)

// TestMain is also the child process: a program with go-xla that only prints the variable.
func TestMain(m *testing.M) {
	if os.Getenv("RESIDUAL_QUIET_CHILD") != "" {
		value, set := os.LookupEnv("PJRT_PLUGIN_LIBRARY_PATH")
		fmt.Printf("%q %v %q", value, set, backend.Resolve(backend.Auto))
		return
	}
	os.Exit(m.Run())
}

// TestNothingIsPrinted checks that a program without a home folder, for which go-xla would print errors,
// prints none, and that the variable keeps the user's value.
func TestNothingIsPrinted(t *testing.T) {
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
			t.Errorf("with %q: standard error %q and output %s, want none and %s", test.variable, said.String(), out, test.want)
		}
	}
}
