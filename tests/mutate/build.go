package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
)

// build links all answers to all exercises into one program, in the folder. The program's arguments
// name the answers to check, such as basicblock:3, which is element 3 of answers["basicblock"].
//
// The files replace those of the module through an overlay: the checks find the line that panicked
// by its package, which must be that of an exercise.
func build(ctx context.Context, root, folder string, answers map[string][]mutant, list []*exercise) (program string, err error) {
	overlay := map[string]string{}
	files := 0
	put := func(text []byte, place ...string) error {
		files++
		file := filepath.Join(folder, fmt.Sprintf("%d.go", files))
		overlay[filepath.Join(append([]string{root, filepath.FromSlash(exercises.Folder)}, place...)...)] = file
		return os.WriteFile(file, text, 0o600)
	}
	const pkg = "mutants"
	module := checkout.Module + "/" + exercises.Folder
	var imports, table bytes.Buffer
	for _, e := range list {
		var calls bytes.Buffer
		for i, m := range answers[e.name] {
			suffix := fmt.Sprintf("_%d", i)
			if err := put(m.answer.renamed(pkg, suffix), e.name, pkg, fmt.Sprintf("%s%d.go", e.name, i)); err != nil {
				return "", err
			}
			fmt.Fprintf(&calls, "func(t check.T) %s,\n", e.call(suffix))
		}
		text := fmt.Sprintf("package %s\n\nimport %q\n\nvar Answers = []func(check.T){\n%s}\n", pkg, module+"/check", &calls)
		if err := put([]byte(text), e.name, pkg, "answers.go"); err != nil {
			return "", err
		}
		fmt.Fprintf(&imports, "%s %q\n", e.name, module+"/"+path.Join(e.name, pkg))
		fmt.Fprintf(&table, "%q: %s.Answers,\n", e.name, e.name)
	}
	main := fmt.Sprintf(mainProgram, module+"/check", &imports, &table)
	if err := put([]byte(main), pkg, "main.go"); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(overlayFile, text, 0o600); err != nil {
		return "", err
	}
	program = filepath.Join(folder, "mutants")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlayFile, "-o", program, "./"+path.Join(exercises.Folder, pkg))
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the mutants: %w\n%s", err, output)
	}
	return program, nil
}

// mainProgram checks its arguments one after the other. It writes the reports to standard output,
// as for the grader; see check.GradeVariable.
const mainProgram = `package main

import (
	"os"
	"strconv"
	"strings"

	%q
%s)

type quiet struct{}

func (quiet) Helper()               {}
func (quiet) Logf(string, ...any)   {}
func (quiet) Errorf(string, ...any) {}

func main() {
	answers := map[string][]func(check.T){
		%s}
	for _, argument := range os.Args[1:] {
		name, number, _ := strings.Cut(argument, ":")
		i, err := strconv.Atoi(number)
		if err != nil {
			panic(err)
		}
		answers[name][i](quiet{})
	}
}
`
