package exercises

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const header = `// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/half
// Hand in only this file.

`

const notDone = `panic("not done yet: lesson/exercises/half/README.md says what to do")`

func TestStub(t *testing.T) {
	for _, c := range []struct{ name, solution, want string }{
		{"a region becomes a panic", `// Package half halves.
package half

import (
	"fmt"
	"math"
	random "math/rand/v2"
	_ "embed"
)

// Half returns half of x.
func Half(x float64) float64 {
	fmt.Println("x is", x)
	// BEGIN SOLUTION
	if math.IsNaN(x) {
		return random.Float64()
	}
	return x / 2
	// END SOLUTION
}
`, `// Package half halves.
package half

import (
	_ "embed"
	"fmt"
)

// Half returns half of x.
func Half(x float64) float64 {
	fmt.Println("x is", x)
	` + notDone + `
}
`},
		{"a panic is indented like its region's mark", `package half

func Half(x int) int {
	if x > 1 {
		// BEGIN SOLUTION
			x /= 2
		// END SOLUTION
	}
	// BEGIN SOLUTION
	return x
	// END SOLUTION
}
`, `package half

func Half(x int) int {
	if x > 1 {
		` + notDone + `
	}
	` + notDone + `
}
`},
		{"a region may hold code for the stub", `package half

import "math"

func Half(x float64) float64 {
	// BEGIN SOLUTION
	// STUB: if x > 0 {
	// STUB: 	x--
	// STUB: }
	// STUB:
	// STUB: return x / 3
	return math.Ldexp(x, -1)
	// END SOLUTION
}

// BEGIN SOLUTION
// STUB:

func help() {}

// END SOLUTION
`, `package half

func Half(x float64) float64 {
	if x > 0 {
		x--
	}

	return x / 3
}
`},
		{"an import whose path ends with a version stays if it is used", `package half

import "math/rand/v2"

var rng *rand.Rand

func Half(x int) int {
	// BEGIN SOLUTION
	return x / 2
	// END SOLUTION
}
`, `package half

import "math/rand/v2"

var rng *rand.Rand

func Half(x int) int {
	` + notDone + `
}
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Stub([]byte(c.solution), "half")
			if err != nil {
				t.Fatal(err)
			}
			if want := header + c.want; string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			// As checked out on Windows.
			crlf, err := Stub([]byte(strings.ReplaceAll(c.solution, "\n", "\r\n")), "half")
			if err != nil || string(crlf) != string(got) {
				t.Errorf("with CRLF: %v, got\n%q\nwant\n%q", err, crlf, got)
			}
		})
	}
}

func TestStubErrors(t *testing.T) {
	for _, c := range []struct{ solution, want string }{
		{"package half\n", `has no line "// BEGIN SOLUTION"`},
		{"package half\n// BEGIN SOLUTION\n", "line 2: BEGIN SOLUTION without END SOLUTION"},
		{"package half\n\t// END SOLUTION\n", "line 2: END SOLUTION without BEGIN SOLUTION"},
		{"package half\n// BEGIN SOLUTION\n// BEGIN SOLUTION\n// END SOLUTION\n", "line 3: BEGIN SOLUTION inside the region that begins at line 2"},
		{"package half\n// STUB: x\n// BEGIN SOLUTION\n// END SOLUTION\n", "line 2: STUB outside a region"},
		{"package half\n// BEGIN SOLUTION\n// END SOLUTION\n", "stub of half: "}, // a panic outside a function
	} {
		if _, err := Stub([]byte(c.solution), "half"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got the error %v, want %q in it", c.solution, err, c.want)
		}
	}
}

func TestWriteStubKeepsAnswers(t *testing.T) {
	t.Chdir(t.TempDir())
	solution := []byte("package half\n\nfunc Half(x int) int {\n\t// BEGIN SOLUTION\n\treturn x / 2\n\t// END SOLUTION\n}\n")
	stub, err := Stub(solution, "half")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join("half", "solution"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("half", "half.go")
	put := func(path string, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := func(want []byte) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
			t.Errorf("%v; the file is\n%s\nwant\n%s", err, got, want)
		}
	}
	put(filepath.Join("half", "solution", "half.go"), solution)
	for range 2 { // first the file is missing, then it is the stub
		if err := WriteStub("half", false); err != nil {
			t.Fatal(err)
		}
		want(stub)
	}
	answer := []byte("package half\n\nfunc Half(x int) int { return x >> 1 }\n")
	put(path, answer)
	if err := WriteStub("half", false); !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), path) {
		t.Errorf("got the error %v, want ErrAnswer with the path", err)
	}
	want(answer)
	if err := WriteStub("half", true); err != nil {
		t.Error(err)
	}
	want(stub)
}
