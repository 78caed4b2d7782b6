package grade

import (
	"bytes"
	"context"
	"crypto/sha256"
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
	"github.com/residual-go/residual/lesson/exercises/check"
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
	// needed are the packages that the exercises' tests and solutions import.
	needed []string
	// goCommand is the path of the go command, environment its environment.
	goCommand   string
	environment []string
	// tools is the folder of the compiler and the linker, exe the ending of programs, version
	// that of Go, lang the version of the language that the course is written in, and pie
	// whether the system's programs must be position-independent.
	tools, exe, version, lang string
	pie                       bool
}

// task is an exercise to grade.
type task struct {
	name                 string
	solution, stub, test []byte
	gate                 gate
	// tests are the functions in the test's file, testImports what it imports, and hints the
	// texts of the hints that its check may give.
	tests, testImports []string
	hints              map[string]string
	// version is a hash of what marks answers to the exercise.
	version []byte
	// steps are those that the check of the worked solution has reported.
	steps []check.Step
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

// openTest reads the exercise's test from the checkout at root.
func (t *task) openTest(root string) (err error) {
	at := filepath.Join(root, filepath.FromSlash(t.folder()), t.name+"_test.go")
	if t.test, err = os.ReadFile(at); err == nil {
		t.tests, err = testFunctions(t.test)
	}
	if err == nil {
		t.testImports, err = importsOf(t.test)
	}
	if err != nil {
		return fmt.Errorf("the course's test of %s: %w", t.name, err)
	}
	return nil
}

// openCourse reads what the named exercises need from the checkout at root.
func openCourse(ctx context.Context, root string, names []string) (*course, error) {
	c := &course{files: map[string][]byte{}}
	for _, name := range names {
		t, err := openTask(root, name)
		if err != nil {
			return nil, err
		}
		if err := t.openTest(root); err != nil {
			return nil, err
		}
		c.tasks = append(c.tasks, t)
		c.needed = slices.Concat(c.needed, t.gate.solution, t.testImports)
	}
	c.needed = append(c.needed, checkPath, "testing", "testing/internal/testdeps")
	slices.Sort(c.needed)
	c.needed = slices.DeleteFunc(slices.Compact(c.needed), isExercise)
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
	packages, err := c.readPackages(ctx, root)
	if err != nil {
		return nil, err
	}
	for i, t := range c.tasks {
		c.tasks[i].version = c.versionOf(t, packages)
		if c.tasks[i].hints, err = hintsFor(t.name, c.files); err != nil {
			return nil, fmt.Errorf("read the hints of package check: %w", err)
		}
	}
	return c, nil
}

// isExercise reports whether a package is one that students write.
func isExercise(path string) bool {
	name, ok := strings.CutPrefix(path, checkout.Module+"/"+exercises.Folder+"/")
	return ok && slices.Contains(exercises.Names(), name)
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
	cmd := exec.CommandContext(ctx, c.goCommand, append([]string{"env", "-json", "GOEXE", "GOTOOLDIR", "GOVERSION", "GOOS"}, keep...)...)
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
	c.tools, c.exe, c.version = values["GOTOOLDIR"], values["GOEXE"], values["GOVERSION"]
	c.pie = values["GOOS"] == "darwin" || values["GOOS"] == "windows"
	return nil
}

// processors is GOMAXPROCS of a test. It is small, because as many of them run at once as the
// machine has processors. With 1, an endless loop could delay the check's timeout.
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
	Module                  *struct{ Path, GoVersion string }
	GoFiles, SFiles, HFiles []string
	EmbedFiles, Deps        []string
}

// files returns the names of the package's files.
func (p listed) files() []string { return slices.Concat(p.GoFiles, p.SFiles, p.HFiles, p.EmbedFiles) }

// place returns the path of a file of a package of the module, slash-separated, relative to the
// root.
func (p listed) place(name string) string {
	return path.Join(strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, checkout.Module), "/"), filepath.ToSlash(name))
}

// readPackages reads the files of all packages of the module that the exercises' tests and
// solutions need. It returns all packages that these need, by import path.
func (c *course) readPackages(ctx context.Context, root string) (packages map[string]listed, err error) {
	args := append([]string{"list", "-e", "-deps", "-json=Dir,ImportPath,Module,GoFiles,SFiles,HFiles,EmbedFiles,Deps"}, c.needed...)
	cmd := exec.CommandContext(ctx, c.goCommand, args...)
	cmd.Dir, cmd.Env = root, append(c.environment, "HOME="+os.Getenv("HOME"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages of the course: %w: %s", err, printable.Line(stderr.String()))
	}
	packages = map[string]listed{}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for decoder.More() {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			return nil, fmt.Errorf("list the packages of the course: %w", err)
		}
		packages[p.ImportPath] = p
		if p.Module == nil || p.Module.Path != checkout.Module {
			continue
		}
		c.lang = "go" + languageVersion(p.Module.GoVersion)
		for _, name := range p.files() {
			if c.files[p.place(name)], err = os.ReadFile(filepath.Join(p.Dir, name)); err != nil {
				return nil, fmt.Errorf("read the course: %w", err)
			}
		}
	}
	return packages, nil
}

// versionOf returns a hash of everything in the course that an answer to the exercise is marked
// with, and of the grader's rules and Go's version.
func (c *course) versionOf(t task, packages map[string]listed) []byte {
	h := sha256.New()
	part := func(name string, content []byte) {
		fmt.Fprintf(h, "%q %d\n", name, len(content))
		h.Write(content)
	}
	_ = fs.WalkDir(rules, ".", func(at string, d fs.DirEntry, err error) error { // it cannot fail
		if err == nil && !d.IsDir() {
			content, _ := rules.ReadFile(at)
			part(at, content)
		}
		return nil
	})
	part("go", fmt.Append(nil, c.version, runtime.GOOS, runtime.GOARCH))
	part("test", t.test)
	part("solution", t.solution)
	var needed []string
	for _, p := range slices.Concat([]string{checkPath}, t.testImports, t.gate.solution) {
		needed = append(append(needed, p), packages[p].Deps...)
	}
	slices.Sort(needed)
	for _, path := range slices.Compact(needed) {
		p := packages[path]
		if p.Module == nil || p.Module.Path != checkout.Module {
			continue
		}
		for _, name := range p.files() {
			part(p.place(name), c.files[p.place(name)])
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		part(name, c.files[name])
	}
	return h.Sum(nil)
}

// languageVersion returns the version of the language of a version of Go: 1.26 of 1.26.5.
func languageVersion(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
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
