package check

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"time"
)

// A grader runs a check in a child process that it does not trust: what the answer prints
// could be made to look like anything. So with GradeVariable set, the child has a secret on
// its standard input, SecretSize bytes, and a result is a line of JSON with the secret on
// what was its standard output. What else is printed goes to the standard error instead.
//
// This package takes the secret when it is initialised. The grader sees to it that this
// is before the answer's package is, and so nobody else ever can read it, not in the
// environment either.
const (
	GradeVariable = "RESIDUAL_GRADE"
	SecretSize    = 64
)

// MemoryVariable is how many bytes of memory the child may take, if it is set. Where the
// system has a limit of its own, the grader sets both.
const MemoryVariable = "RESIDUAL_GRADE_MEMORY"

// OutOfMemory is what a child says on its standard error, as Go itself does, before it
// ends for having taken too much.
const OutOfMemory = "out of memory"

// Report is a line on the grader's pipe.
type Report struct {
	Secret string `json:"secret"`
	Result Result `json:"result"`
}

// grader is where reports go; nil where there is none.
var grader *channel

type channel struct {
	secret string
	pipe   *os.File
}

func init() {
	if os.Getenv(GradeVariable) == "" {
		return
	}
	secret := make([]byte, SecretSize)
	_, err := io.ReadFull(os.Stdin, secret)
	os.Stdin.Close()
	if err != nil {
		return
	}
	grader = &channel{string(secret), os.Stdout}
	os.Stdout = os.Stderr
	if limit, err := strconv.ParseUint(os.Getenv(MemoryVariable), 10, 64); err == nil {
		go watchMemory(limit)
	}
}

// report tells the grader, if there is one.
func report(result Result) {
	if grader == nil {
		return
	}
	// An answer can panic with text of any length, and the grader reads only so much.
	const longest = 16 << 10
	result.Steps = slices.Clone(result.Steps)
	for i, step := range result.Steps {
		result.Steps[i].Message = step.Message[:min(len(step.Message), longest)]
	}
	// A grader that has gone misses nothing.
	_ = json.NewEncoder(grader.pipe).Encode(Report{Secret: grader.secret, Result: result})
}

// watchMemory ends the process when Go has taken more than limit bytes from the system.
func watchMemory(limit uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64() > limit {
			fmt.Fprintf(os.Stderr, "fatal error: %s: more than %d MiB\n", OutOfMemory, limit>>20)
			os.Exit(2)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
