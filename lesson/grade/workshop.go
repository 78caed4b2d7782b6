package grade

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/pkg/printable"
)

// The limits of the compiler and the linker, which have to deal with whatever students wrote.
// Their time limit is that of the test.
const (
	compileMemory = 4 << 30  // bytes
	maxCompiled   = 64 << 20 // bytes of a compiled answer; the usual size is 10 KB
	maxLinked     = 256 << 20
)

// maxShared is how large a compiled answer may be, in bytes, to share a program with others.
const maxShared = 1 << 20

// workshop is where answers are compiled, linked and run. Everything that comes of them is in
// its folder. The go command builds only the course; it never sees an answer, so that no answer
// gets into the build cache.
type workshop struct {
	*course
	dir     string
	sandbox *Sandbox
	options Options
	// archives are the compiled packages of the course, by import path. unbuilt says why a
	// package that answers may import could not be compiled.
	archives, unbuilt map[string]string
	// slots bounds how many processes run at once.
	slots  chan struct{}
	number atomic.Int64
}

// job is an answer on its way to a mark.
type job struct {
	task   task
	source []byte
	// mark is nil until the answer is marked; err says why it could not be.
	mark *Mark
	err  error
	// report is what package check reported.
	report *check.Result

	dir, id string
	// alone is whether the answer needs a program of its own.
	alone bool
}

func (j *job) done() bool { return j.mark != nil || j.err != nil }

func (j *job) decide(status Status, message string) {
	j.mark = &Mark{Exercise: j.task.name, Status: status, Message: message}
}

// testPath and path are the import paths of the answer and its test. Several answers to one
// exercise may be in one program, so they differ.
func (j *job) path() string     { return checkout.Module + "/" + j.task.folder() + "/" + j.id }
func (j *job) testPath() string { return j.path() + "_test" }

// openWorkshop compiles what the exercises' tests, and answers to them, need of the course.
func openWorkshop(ctx context.Context, c *course, dir string, s *Sandbox, o Options) (*workshop, error) {
	w := &workshop{course: c, dir: dir, sandbox: s, options: o, archives: map[string]string{}, unbuilt: map[string]string{},
		slots: make(chan struct{}, o.workers)}
	source := filepath.Join(dir, "course")
	for _, folder := range []string{source, filepath.Join(dir, "archives"), filepath.Join(dir, "tmp")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, fmt.Errorf("copy the course: %w", err)
		}
	}
	if err := c.write(source); err != nil {
		return nil, err
	}
	result, err := s.run(ctx, process{
		Path: c.goCommand,
		// Without -trimpath, the place of the copy would make every run compile the course anew.
		Args: slices.Concat([]string{"list", "-e", "-export", "-deps", "-trimpath", "-json=ImportPath,Export,Error"}, c.needed, pure, o.imports),
		Env:  append(w.toolEnvironment(), c.environment...),
		Dir:  source,
		// Neither its time nor its memory is limited: the first time, it compiles GoMLX.
	})
	if err == nil {
		err = result.failedToStart()
	}
	if err == nil && result.exit != 0 {
		err = fmt.Errorf("%s: %s", result.how, shorten(printable.Line(string(result.errors)), 500))
	}
	if err != nil {
		return nil, fmt.Errorf("compile the course: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(result.output))
	for decoder.More() {
		var p struct {
			ImportPath, Export string
			Error              *struct{ Err string }
		}
		if err := decoder.Decode(&p); err != nil {
			return nil, fmt.Errorf("compile the course: %w", err)
		}
		switch {
		case p.Error != nil && slices.Contains(c.needed, p.ImportPath):
			text := header.ReplaceAllString(p.Error.Err, "")
			return nil, fmt.Errorf("compile the course: %s: %s", p.ImportPath, shorten(printable.Line(text), 500))
		case p.Error != nil:
			w.unbuilt[p.ImportPath] = printable.Line(p.Error.Err)
		case p.Export != "":
			w.archives[p.ImportPath] = p.Export
		}
	}
	for _, p := range c.needed {
		if w.archives[p] == "" && p != "unsafe" {
			return nil, fmt.Errorf("compile the course: the go command did not compile %s", p)
		}
	}
	return w, w.seed()
}

// seed links the compiled packages of the course into the workshop's folder, so that a build
// cache that is cleaned meanwhile does no harm. If the cache is on another disk, they are used
// where they are: a copy would take 150 MB.
func (w *workshop) seed() error {
	var config strings.Builder
	for i, p := range slices.Sorted(maps.Keys(w.archives)) {
		at := filepath.Join(w.dir, "archives", fmt.Sprint(i, ".a"))
		if os.Link(w.archives[p], at) == nil {
			w.archives[p] = at
		}
		fmt.Fprintf(&config, "packagefile %s=%s\n", p, w.archives[p])
	}
	if err := os.WriteFile(w.config(), []byte(config.String()), 0o644); err != nil {
		return fmt.Errorf("copy the course: %w", err)
	}
	return nil
}

// config is the path of the file that tells the compiler where the course's packages are.
func (w *workshop) config() string { return filepath.Join(w.dir, "importcfg") }

func (w *workshop) toolEnvironment() []string {
	tmp := filepath.Join(w.dir, "tmp")
	return []string{"HOME=" + tmp, "TMPDIR=" + tmp, "TMP=" + tmp, "TEMP=" + tmp}
}

// mark marks the answers, or says in a job's err why it could not, and calls finished for each.
// Its own error is ctx's.
func (w *workshop) mark(ctx context.Context, jobs []*job, finished func(*job)) error {
	defer func() {
		for _, j := range jobs {
			if j.dir != "" {
				_ = w.options.remove(j.dir) // if it fails, the grader tries once more at the end
			}
		}
	}()
	if err := w.each(ctx, jobs, finished, w.compile); err != nil {
		return err
	}
	var shared, alone []*job
	for _, j := range jobs {
		switch {
		case j.done():
		case j.alone:
			alone = append(alone, j)
		default:
			shared = append(shared, j)
		}
	}
	if len(shared) > 1 {
		program, err := w.linkShared(ctx, shared)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			defer os.Remove(program)
			err := w.each(ctx, shared, finished, func(ctx context.Context, j *job) { w.run(ctx, j, program) })
			if err != nil {
				return err
			}
			shared = nil
		}
	}
	// What cannot be linked together is linked one by one, to find out which is to blame.
	return w.each(ctx, append(alone, shared...), finished, func(ctx context.Context, j *job) {
		if program := w.linkAlone(ctx, j); program != "" {
			w.run(ctx, j, program)
			os.Remove(program)
		}
	})
}

// each calls f for the jobs that are not done, all at once: slots bounds what runs. Then it calls
// finished for those that are. It returns ctx's error.
func (w *workshop) each(ctx context.Context, jobs []*job, finished func(*job), f func(ctx context.Context, j *job)) error {
	var running sync.WaitGroup
	for _, j := range jobs {
		if j.done() {
			continue
		}
		running.Go(func() {
			if f(ctx, j); j.done() && ctx.Err() == nil {
				finished(j)
			}
		})
	}
	running.Wait()
	return ctx.Err()
}

// start runs a process when there is a slot for it.
func (w *workshop) start(ctx context.Context, p process) (*outcome, error) {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-w.slots }()
	result, err := w.sandbox.run(ctx, p)
	if err == nil {
		err = result.failedToStart()
	}
	return result, err
}

// tool returns the process of the compiler or the linker.
func (w *workshop) tool(name, dir string, fileSize uint64, args ...string) process {
	return process{
		Path: filepath.Join(w.tools, name+w.exe), Args: args, Dir: dir,
		// An empty GOROOT keeps the teacher's paths out of the program. The heap of the linker
		// is about as large as its input, so collecting garbage would not pay.
		Env: slices.Concat(w.toolEnvironment(), systemEnvironment(),
			[]string{"GOROOT=", "GOGC=off", "GOMEMLIMIT=1GiB", "GOMAXPROCS=1", "PATH=" + os.Getenv("PATH")}),
		Limits: limits{Time: w.options.Timeout, Memory: compileMemory, FileSize: fileSize},
	}
}

// compile compiles an answer and the test of the exercise with it.
func (w *workshop) compile(ctx context.Context, j *job) {
	if err := w.compiled(ctx, j); err != nil {
		j.err = fmt.Errorf("compile: %w", err)
	}
}

func (w *workshop) compiled(ctx context.Context, j *job) error {
	j.id = fmt.Sprint("a", w.number.Add(1))
	j.dir = filepath.Join(w.dir, j.id)
	folder := filepath.Join(j.dir, filepath.FromSlash(j.task.folder()))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	exercise := checkout.Module + "/" + j.task.folder()
	config, err := os.ReadFile(w.config())
	if err != nil {
		return err
	}
	config = fmt.Appendf(config, "importmap %s=%s\npackagefile %[2]s=%s\n", exercise, j.path(), filepath.Join(j.dir, "answer.a"))
	// This file makes the answer's package import package check, so that check is initialised,
	// and reads its secret, before any of the student's code runs. The student's own file
	// cannot name package check.
	first := fmt.Appendf(nil, "package %s\n\nimport _ %q\n", j.task.name, checkPath)
	testName := j.task.name + "_test.go"
	for at, content := range map[string][]byte{
		filepath.Join(folder, j.task.name+".go"): j.source, filepath.Join(folder, "grade_check.go"): first,
		filepath.Join(folder, testName): j.task.test, filepath.Join(j.dir, "importcfg"): config,
	} {
		if err := os.WriteFile(at, content, 0o644); err != nil {
			return err
		}
	}
	// The paths of the files are relative, so that the compiler's messages have no others.
	for _, part := range []struct {
		archive, path, config string
		files                 []string
	}{
		{"answer.a", j.path(), w.config(), []string{j.task.name + ".go", "grade_check.go"}},
		{"test.a", j.testPath(), filepath.Join(j.dir, "importcfg"), []string{testName}},
	} {
		args := []string{"-o", filepath.Join(j.dir, part.archive), "-trimpath", folder + "=>" + exercise, "-p", part.path,
			"-lang", w.lang, "-complete", "-c=1", "-nolocalimports", "-importcfg", part.config, "-pack"}
		if w.pie {
			args = append(args, "-shared")
		}
		for _, name := range part.files {
			args = append(args, path.Join(j.task.folder(), name))
		}
		result, err := w.start(ctx, w.tool("compile", j.dir, maxCompiled, args...))
		if err != nil {
			return err
		}
		mark, err := w.judgeCompiler(j, result)
		if j.mark = mark; mark != nil || err != nil {
			return err
		}
	}
	info, err := os.Stat(filepath.Join(j.dir, "answer.a"))
	if err != nil {
		return err
	}
	j.alone = info.Size() > maxShared || !inert(j.source)
	return nil
}

// inert reports whether nothing in a package runs or takes memory unless it is called: if it has
// no init function, and no package variables other than a number or the like. Only inert answers
// share a program, so that an answer's process runs no code of another student.
func inert(source []byte) bool {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				return false
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				values := spec.(*ast.ValueSpec).Values
				if len(values) == 0 || !allLiterals(values) {
					return false
				}
			}
		}
	}
	return true
}

// allLiterals reports whether all values are numbers or strings, without or with a sign.
func allLiterals(values []ast.Expr) bool {
	for _, value := range values {
		if signed, ok := value.(*ast.UnaryExpr); ok && signed.Op == token.SUB {
			value = signed.X
		}
		if _, ok := value.(*ast.BasicLit); !ok {
			return false
		}
	}
	return true
}

// linkShared links the tests of several answers into one program, which takes the ID of the job
// whose test it should run. Linking takes most of the time, and this way it is done once.
func (w *workshop) linkShared(ctx context.Context, jobs []*job) (program string, err error) {
	program, result, err := w.link(ctx, jobs)
	if err == nil && (result.timedOut || result.exit != 0) {
		err = fmt.Errorf("link: %s", result.how)
	}
	return program, err
}

// linkAlone links the test of an answer. If that fails, it decides the job and returns "".
func (w *workshop) linkAlone(ctx context.Context, j *job) (program string) {
	program, result, err := w.link(ctx, []*job{j})
	if err == nil {
		j.mark, err = w.judgeLinker(j, result)
	}
	if err == nil && j.mark == nil {
		if size := memorySize(program); size > uint64(w.options.Memory) {
			os.Remove(program)
			j.decide(OutOfMemory, fmt.Sprintf("its variables take %d MiB of memory, more than %d MiB", size>>20, w.options.Memory>>20))
		}
	}
	if err != nil {
		j.err = fmt.Errorf("link: %w", err)
	}
	if j.done() {
		return ""
	}
	return program
}

// link compiles a main program for the tests of the answers and links it.
func (w *workshop) link(ctx context.Context, jobs []*job) (program string, result *outcome, err error) {
	dir := jobs[0].dir
	program = filepath.Join(dir, "test"+w.exe)
	var imports, cases strings.Builder
	config, err := os.ReadFile(w.config())
	if err != nil {
		return "", nil, err
	}
	for i, j := range jobs {
		config = fmt.Appendf(config, "packagefile %s=%s\npackagefile %s=%s\n",
			j.path(), filepath.Join(j.dir, "answer.a"), j.testPath(), filepath.Join(j.dir, "test.a"))
		fmt.Fprintf(&imports, "\tt%d %q\n", i, j.testPath())
		fmt.Fprintf(&cases, "\tcase %q:\n\t\ttests = []testing.InternalTest{", j.id)
		for _, name := range j.task.tests {
			fmt.Fprintf(&cases, "{%q, t%d.%s}, ", name, i, name)
		}
		cases.WriteString("}\n")
	}
	source := fmt.Sprintf(`package main

import (
	"os"
	"testing"
	"testing/internal/testdeps"

%s)

func main() {
	var tests []testing.InternalTest
	switch os.Args[1] {
%s	}
	os.Args = os.Args[:1]
	os.Exit(testing.MainStart(testdeps.TestDeps{}, tests, nil, nil, nil).Run())
}
`, &imports, &cases)
	for name, content := range map[string][]byte{"main.go": []byte(source), "linkcfg": config} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", nil, err
		}
	}
	main := filepath.Join(dir, "main.a")
	args := []string{"-o", main, "-p", "main", "-lang", w.lang, "-complete", "-c=1", "-importcfg", "linkcfg", "-pack", "main.go"}
	if w.pie {
		args = append(args, "-shared")
	}
	result, err = w.start(ctx, w.tool("compile", dir, maxCompiled, args...))
	if err != nil || result.timedOut || result.exit != 0 {
		return "", result, err
	}
	mode := "exe"
	if w.pie {
		mode = "pie"
	}
	// Without debug information (-s -w), linking takes half the time.
	result, err = w.start(ctx, w.tool("link", dir, maxLinked, "-o", program, "-importcfg", "linkcfg", "-buildmode="+mode, "-s", "-w",
		"-X", "testing.testBinary=1", main))
	return program, result, err
}

// run runs an answer's test in a program.
func (w *workshop) run(ctx context.Context, j *job, program string) {
	if err := w.ran(ctx, j, program); err != nil {
		j.err = fmt.Errorf("run: %w", err)
	}
}

func (w *workshop) ran(ctx context.Context, j *job, program string) error {
	scratch := filepath.Join(j.dir, "scratch")
	if err := os.Mkdir(scratch, 0o755); err != nil {
		return err
	}
	random := make([]byte, check.SecretSize/2)
	rand.Read(random) // never fails
	secret := hex.EncodeToString(random)
	memory := uint64(w.options.Memory)
	limit := memory
	if w.options.unlimited {
		limit = 0
	}
	result, err := w.start(ctx, process{
		Path: program,
		Args: []string{j.id},
		Env: append(systemEnvironment(), "HOME="+scratch, "TMPDIR="+scratch, "TMP="+scratch, "TEMP="+scratch,
			check.GradeVariable+"=1", fmt.Sprint(check.MemoryVariable, "=", memory),
			fmt.Sprint("GOMEMLIMIT=", memory/8*7), fmt.Sprint("GOMAXPROCS=", processors),
			"GOTRACEBACK=none"), // printing the stacks of a million goroutines would take long
		Dir:   scratch,
		Input: []byte(secret),
		Limits: limits{
			Time: w.options.Timeout, Memory: limit, FileSize: 64 << 20, Files: 256, Shut: true,
			// This matters only if the grader dies and cannot enforce the time limit.
			Processor: uint64(2*processors*w.options.Timeout.Seconds()) + 10,
		},
	})
	if err != nil {
		return err
	}
	return w.judge(j, secret, result)
}

// testFunctions returns the names of the tests in a file.
func testFunctions(source []byte) (names []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, declaration := range file.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}
