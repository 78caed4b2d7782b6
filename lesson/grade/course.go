package grade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/pkg/printable"
)

const checkPath = checkout.Module + "/" + exercises.Folder + "/check"

// course holds what is needed from the checkout. It is read once, so that edits while the
// grader runs make no difference.
type course struct {
	// files are the files of every copy of the module, by slash-separated path below its root.
	files map[string][]byte
	// tasks are the exercises to grade, in order.
	tasks []task
	// all are tasks too, and the other exercises: what a notebook has an answer to may only be
	// told by comparing.
	all []task
	// goCommand is the path of the go command, environment its environment.
	goCommand   string
	environment []string
}

// task is an exercise to grade.
type task struct {
	name           string
	solution, stub []byte
	gate           gate
}

// folder returns the exercise's folder, slash-separated, relative to the root.
func (t task) folder() string { return path.Join(exercises.Folder, t.name) }

// file returns the path of the file that students write, relative to the root.
func (t task) file() string { return path.Join(t.folder(), t.name+".go") }

// openTask reads the exercise's solution from the checkout at root.
func openTask(root, name string) (t task, err error) {
	t.name = name
	if t.solution, err = os.ReadFile(filepath.Join(root, filepath.FromSlash(t.folder()), "solution", name+".go")); err != nil {
		return t, fmt.Errorf("the course's solution of %s: %w", name, err)
	}
	if t.stub, err = exercises.Stub(t.solution, name); err != nil {
		return t, err
	}
	t.gate.exercise = name
	if t.gate.solution, err = importsOf(t.solution); err != nil {
		return t, fmt.Errorf("the course's solution of %s: %w", name, err)
	}
	return t, nil
}

// openCourse reads what the named exercises need from the checkout at root.
func openCourse(ctx context.Context, root string, names []string) (*course, error) {
	c := &course{files: map[string][]byte{}}
	for _, name := range names {
		t, err := openTask(root, name)
		if err != nil {
			return nil, err
		}
		c.tasks = append(c.tasks, t)
	}
	for _, name := range exercises.Names() {
		if i := slices.Index(names, name); i >= 0 {
			c.all = append(c.all, c.tasks[i])
		} else if t, err := openTask(root, name); err == nil { // it is not needed for the grades
			c.all = append(c.all, t)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			c.files[name] = content
		} else if name == "go.mod" || !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the course: %w", err)
		}
	}
	if err := c.findGo(ctx, root); err != nil {
		return nil, err
	}
	return c, c.readPackages(ctx, root)
}

// findGo finds the go command and sets up its environment. From the caller's environment it
// keeps only where the toolchain, the modules and the build cache are.
func (c *course) findGo(ctx context.Context, root string) (err error) {
	if c.goCommand, err = exec.LookPath("go"); err != nil {
		return fmt.Errorf("find the go command: %w", err)
	}
	if c.goCommand, err = filepath.Abs(c.goCommand); err != nil {
		return fmt.Errorf("find the go command: %w", err)
	}
	keep := []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT"}
	cmd := exec.CommandContext(ctx, c.goCommand, append([]string{"env", "-json"}, keep...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	values := map[string]string{}
	if err == nil {
		err = json.Unmarshal(out, &values)
	}
	if err != nil {
		return fmt.Errorf("run go env: %w", err)
	}
	c.environment = append(systemEnvironment(), "PATH="+os.Getenv("PATH"), "CGO_ENABLED=0", "GOENV=off", "GOFLAGS=-mod=readonly",
		"GOPROXY=off", "GOTELEMETRY=off", "GOTOOLCHAIN=local", "GOWORK=off", fmt.Sprint("GOMAXPROCS=", processors))
	for _, name := range keep {
		c.environment = append(c.environment, name+"="+values[name])
	}
	return nil
}

// processors is GOMAXPROCS of a compiler or a test. It is small, because as many of them run
// at once as the machine has processors. With 1, an endless loop could delay the check's
// timeout.
const processors = 2

// systemEnvironment returns the variables that Windows needs to start programs properly.
func systemEnvironment() []string {
	if runtime.GOOS != "windows" {
		return nil
	}
	var kept []string
	for _, name := range []string{"SystemRoot", "SystemDrive", "PATHEXT", "ComSpec"} {
		if value, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+value)
		}
	}
	return kept
}

// listed is a package as go list prints it.
type listed struct {
	Dir, ImportPath         string
	Module                  *struct{ Path string }
	GoFiles, SFiles, HFiles []string
	EmbedFiles              []string
	TestGoFiles             []string
	XTestGoFiles            []string
	TestEmbedFiles          []string
	XTestEmbedFiles         []string
}

// readPackages reads the files of all packages of the module that the exercises' tests and
// solutions need, without the files that students write and the solutions themselves.
func (c *course) readPackages(ctx context.Context, root string) error {
	args := []string{"list", "-e", "-deps", "-test", "-json=Dir,ImportPath,Module,GoFiles,SFiles,HFiles,EmbedFiles,TestGoFiles,XTestGoFiles,TestEmbedFiles,XTestEmbedFiles"}
	exercise := map[string]task{} // by import path
	for _, t := range c.tasks {
		args = append(args, "./"+t.folder(), "./"+t.folder()+"/solution")
		exercise[checkout.Module+"/"+t.folder()] = t
	}
	cmd := exec.CommandContext(ctx, c.goCommand, args...)
	cmd.Dir, cmd.Env = root, append(c.environment, "HOME="+os.Getenv("HOME"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the packages of the course: %w: %s", err, printable.Line(stderr.String()))
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for decoder.More() {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			return fmt.Errorf("list the packages of the course: %w", err)
		}
		// Test variants of packages list the same files again.
		if p.Module == nil || p.Module.Path != checkout.Module || strings.ContainsRune(p.ImportPath, ' ') ||
			strings.HasSuffix(p.ImportPath, ".test") || strings.HasSuffix(p.ImportPath, "/solution") {
			continue
		}
		names := slices.Concat(p.GoFiles, p.SFiles, p.HFiles, p.EmbedFiles)
		t, isExercise := exercise[p.ImportPath]
		if isExercise {
			names = slices.Concat(names, p.TestGoFiles, p.XTestGoFiles, p.TestEmbedFiles, p.XTestEmbedFiles)
		}
		for _, name := range names {
			at, err := filepath.Rel(root, filepath.Join(p.Dir, name))
			if err != nil {
				return fmt.Errorf("read the course: %w", err)
			}
			at = filepath.ToSlash(at)
			if isExercise && at == t.file() {
				continue
			}
			if c.files[at], err = os.ReadFile(filepath.Join(p.Dir, name)); err != nil {
				return fmt.Errorf("read the course: %w", err)
			}
		}
	}
	for _, t := range c.tasks {
		// This file makes the student's package import package check, so that check is
		// initialised, and reads its secret, before any of the student's code runs. The
		// student's own file cannot name package check.
		c.files[path.Join(t.folder(), "grade_check.go")] = fmt.Appendf(nil, "package %s\n\nimport _ %q\n", t.name, checkPath)
	}
	return nil
}

// write writes a copy of the course to dir, which must exist.
func (c *course) write(dir string) error {
	made := map[string]bool{}
	for name, content := range c.files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if parent := filepath.Dir(at); !made[parent] {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return fmt.Errorf("copy the course: %w", err)
			}
			made[parent] = true
		}
		if err := os.WriteFile(at, content, 0o644); err != nil {
			return fmt.Errorf("copy the course: %w", err)
		}
	}
	return nil
}
