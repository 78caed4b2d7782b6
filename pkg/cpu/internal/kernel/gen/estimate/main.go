// Estimate simulates the inner loops of the NEON kernels with llvm-mca, for processors that we do not
// have, and prints a table of its estimates in Markdown:
//
//	go run ./pkg/cpu/internal/kernel/gen/estimate
//
// It needs aarch64-linux-gnu-objdump and llvm-mca (on Debian: apt-get install
// binutils-aarch64-linux-gnu llvm-22). llvm-mca's models of processors assume that all data are in the
// first-level cache and that every branch is predicted.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// simulations is the number of iterations of a loop: enough that the first ones do not matter.
const simulations = 200

func main() {
	log.SetFlags(0)
	log.SetPrefix("estimate: ")
	mca := flag.String("mca", "llvm-mca-22", "the program llvm-mca; versions before 17 have no model of the Neoverse processors")
	processors := flag.String("cpu", "apple-m1,neoverse-n1,neoverse-v1", "processors, as llvm-mca calls them")
	functions := flag.String("functions", `^(rows\d|cols\d|winograd)`, "a regular expression for the kernels")
	flag.Parse()
	if err := run(*mca, strings.Split(*processors, ","), *functions); err != nil {
		log.Fatal(err)
	}
}

func run(mca string, processors []string, functions string) error {
	wanted, err := regexp.Compile(functions)
	if err != nil {
		return err
	}
	code, err := disassemble()
	if err != nil {
		return err
	}
	var independent loop
	for i := range 24 {
		independent = append(independent, instruction{0, fmt.Sprintf("fmla v%d.4s, v24.4s, v24.s[0]", i)})
	}
	fmt.Printf("| kernel | arithmetic in its loop |")
	peak := map[string]float64{}
	for _, p := range processors {
		cycles, err := simulate(mca, p, independent)
		if err != nil {
			return err
		}
		peak[p] = math.Round(float64(len(independent)) / cycles)
		fmt.Printf(" %s, of %.0f a cycle | its loads and stores |", p, peak[p])
	}
	fmt.Printf("\n| --- | ---: |%s\n", strings.Repeat(" ---: | ---: |", len(processors)))
	for _, name := range order(code) {
		if !wanted.MatchString(name) {
			continue
		}
		body, err := innermost(code[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("| %s | %d |", name, body.arithmetic())
		for _, p := range processors {
			cycles, err := simulate(mca, p, body)
			if err != nil {
				return err
			}
			memory, err := simulate(mca, p, body.memory())
			if err != nil {
				return err
			}
			fmt.Printf(" %.0f%% | %.0f%% |", 100*float64(body.arithmetic())/cycles/peak[p], 100*memory/cycles)
		}
		fmt.Println()
	}
	return nil
}

// instruction is a line of a disassembly.
type instruction struct {
	address uint64
	text    string
}

// loop is the instructions of a loop.
type loop []instruction

// floats is an instruction that multiplies, adds or subtracts vectors. All take a vector unit for a cycle.
var floats = regexp.MustCompile(`^(fmla|fmls|fmul|fadd|fsub) v`)

// arithmetic returns the number of instructions that compute with vectors of floats.
func (l loop) arithmetic() int {
	n := 0
	for _, i := range l {
		if floats.MatchString(i.text) {
			n++
		}
	}
	return n
}

// memory returns only the loads and stores.
func (l loop) memory() loop {
	var some loop
	for _, i := range l {
		if strings.HasPrefix(i.text, "ld") || strings.HasPrefix(i.text, "st") {
			some = append(some, i)
		}
	}
	return some
}

// disassemble builds package kernel for arm64 and returns the code of its NEON functions, by name
// without suffix.
func disassemble() (map[string][]instruction, error) {
	dir, err := os.MkdirTemp("", "estimate")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "kernel.test")
	build := exec.Command("go", "test", "-c", "-o", program, "github.com/residual-go/residual/pkg/cpu/internal/kernel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if _, err := output(build); err != nil {
		return nil, err
	}
	text, err := output(exec.Command("aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", program))
	if err != nil {
		return nil, err
	}
	code := map[string][]instruction{}
	start := regexp.MustCompile(`^[0-9a-f]+ <.*/kernel\.(\w+)NEON(?:\.abi0)?>:$`)
	line := regexp.MustCompile(`^ *([0-9a-f]+):\t([^<]*?)\s*(?:<.*>)?(?:\s*//.*)?$`)
	name := ""
	for text := range strings.Lines(text) {
		text = strings.TrimSuffix(text, "\n")
		if m := start.FindStringSubmatch(text); m != nil {
			name = m[1]
			continue
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			name = "" // an empty line ends a function
			continue
		}
		if name == "" {
			continue
		}
		address, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			return nil, err
		}
		code[name] = append(code[name], instruction{address, strings.ReplaceAll(m[2], "\t", " ")})
	}
	return code, nil
}

// order returns the names of functions, in the order of their code.
func order(code map[string][]instruction) []string {
	var names []string
	for name := range code {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(code[a][0].address, code[b][0].address) })
	return names
}

// innermost returns the longest of the loops that contain no other loop.
func innermost(code []instruction) (loop, error) {
	branch := regexp.MustCompile(`^(?:b\.\w+|b|cbn?z \w+,) ?\s*([0-9a-f]+)$`)
	var best loop
	for end, i := range code {
		m := branch.FindStringSubmatch(i.text)
		if m == nil {
			continue
		}
		target, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			return nil, err
		}
		if target > i.address || target < code[0].address {
			continue
		}
		body := loop(code[(target-code[0].address)/4 : end]) // without the branch
		nested := false
		for _, inner := range body {
			nested = nested || branch.MatchString(inner.text)
		}
		if !nested && len(body) > len(best) {
			best = body
		}
	}
	if best == nil {
		return nil, errors.New("no loop")
	}
	return best, nil
}

// simulate returns the number of cycles that a processor needs for a loop.
func simulate(mca, processor string, body loop) (float64, error) {
	var text strings.Builder
	for _, i := range body {
		fmt.Fprintln(&text, i.text)
	}
	cmd := exec.Command(mca, "-mtriple=aarch64", "-mcpu="+processor, fmt.Sprintf("-iterations=%d", simulations))
	cmd.Stdin = strings.NewReader(text.String())
	out, err := output(cmd)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`Total Cycles:\s+(\d+)`).FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%s does not say how many cycles it took", mca)
	}
	cycles, err := strconv.ParseFloat(m[1], 64)
	return cycles / simulations, err
}

// output runs a program and returns its output. The error includes what it wrote to stderr.
func output(cmd *exec.Cmd) (string, error) {
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, errs.String())
	}
	return string(out), nil
}
