package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
)

// testsName is the program of the tests in tests/suite/xla, which need an XLA plugin.
const testsName = "xla.test"

// notRun begins the value of the fact "tests" if they did not run. They may run next time.
const notRun = "not run: "

// test runs the packed tests once, since the speed of wrong results is worth nothing. It records the
// outcome and writes the tests' output to tests.txt.
func (d *driver) test(ctx context.Context) error {
	before, known := d.fact(testsPart)
	if known && !strings.HasPrefix(before, notRun) && !d.retrying {
		return nil
	}
	plugin, isXLA := strings.CutPrefix(d.backend, "xla:")
	program := filepath.Join(d.home, testsName)
	why := ""
	if _, err := os.Stat(program); err != nil {
		why = notRun + testsName + " is missing beside this program; make bench-gpu packs it"
	}
	if !isXLA {
		why = notRun + "they are for XLA, but our backend is " + d.backend
	}
	if why != "" && why == before {
		return nil
	}
	if why != "" {
		return d.note(testsPart, why)
	}
	cmd := exec.CommandContext(ctx, program, "-test.v", "-test.run=OnXLA$", "-test.timeout=5m")
	cmd.Env = append(append(os.Environ(), d.environment()...), "RESIDUAL_TEST_XLA="+plugin)
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("run the tests: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.out, "tests.txt"), output, 0o644); err != nil {
		return fmt.Errorf("keep the output of the tests: %w", err)
	}
	return d.note(testsPart, verdict(output, err))
}

var testLine = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+)`)

// verdict returns the outcome of the tests in one line, given their output and the error of the process.
func verdict(output []byte, err error) string {
	names := map[string][]string{}
	for _, match := range testLine.FindAllSubmatch(output, -1) {
		names[string(match[1])] = append(names[string(match[1])], string(match[2]))
	}
	text := fmt.Sprintf("%d passed", len(names["PASS"]))
	if skipped := names["SKIP"]; len(skipped) > 0 {
		text += ", skipped " + strings.Join(skipped, ", ")
	}
	if failed := names["FAIL"]; len(failed) > 0 {
		text += ", FAILED " + strings.Join(failed, ", ")
	} else if err != nil {
		last := bytes.TrimSpace(output)
		text += ", then " + err.Error() + ": " + printable.Line(string(last[max(0, len(last)-200):]))
	}
	return text
}
