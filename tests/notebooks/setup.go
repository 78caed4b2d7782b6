package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/residual-go/residual/tests/internal/debian"
)

// tools are GoNB and goimports, which it needs. They are tools of this module, so go.mod fixes
// their versions.
var tools = []string{"github.com/janpfeifer/gonb", "golang.org/x/tools/cmd/goimports"}

// packages are the Debian packages of Jupyter.
var packages = []string{"jupyter-nbconvert", "jupyter-notebook", "jupyter-client", "python3-ipykernel"}

// python is Debian's Python, which finds Debian's Jupyter. Another Python may come first on the
// path.
const python = "/usr/bin/python3"

// setup installs the tools and the kernel into bin/. A Jupyter that is missing is an error.
func (c *course) setup(ctx context.Context) error {
	args := append([]string{"build", "-o", c.path("bin") + string(filepath.Separator)}, tools...)
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = c.root
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build GoNB: %w\n%s", err, tail(string(output), 10))
	}
	if err := c.registerKernel(); err != nil {
		return err
	}
	if !c.hasJupyter(ctx) {
		return errors.New("no Jupyter found; on Debian and Ubuntu, make jupyter installs it, as root; on other systems: pip install notebook nbconvert")
	}
	return nil
}

// installJupyter installs Jupyter with apt-get.
func (c *course) installJupyter(ctx context.Context) error {
	if c.hasJupyter(ctx) {
		fmt.Println("Jupyter is installed")
		return nil
	}
	if err := debian.Install(ctx, packages...); err != nil {
		return err
	}
	if !c.hasJupyter(ctx) {
		return errors.New("apt-get installed Jupyter, but it does not run; to see why, run: " + python + " -m jupyter nbconvert --version")
	}
	return nil
}

// hasJupyter reports whether the two parts of Jupyter that we use run.
func (c *course) hasJupyter(ctx context.Context) bool {
	for _, part := range []string{"nbconvert", "notebook"} {
		if c.jupyter(ctx, part, "--version").Run() != nil {
			return false
		}
	}
	return true
}

// registerKernel writes a Jupyter kernel spec for GoNB into bin/. Its Go workspace contains
// this checkout, so that cells can import the project.
func (c *course) registerKernel() error {
	dir := c.path("bin", "jupyter", "kernels", "gonb")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("register the kernel: %w", err)
	}
	spec, err := json.MarshalIndent(map[string]any{
		"argv":           []string{c.path("bin", "gonb"), "--kernel", "{connection_file}", "--go_work", c.root, "--raw_error"},
		"display_name":   "Go (gonb)",
		"language":       "go",
		"interrupt_mode": "message",
		// Before it runs a cell, GoNB calls "go get" for the cell's imports. Without this it
		// would ask the network for modules that the workspace contains.
		"env": map[string]string{"GOPROXY": "off"},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("register the kernel: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kernel.json"), spec, 0o644); err != nil {
		return fmt.Errorf("register the kernel: %w", err)
	}
	return nil
}

// jupyter returns a command that runs Jupyter with the checkout's kernel. It uses Debian's
// Jupyter, or the one on the path if there is none.
func (c *course) jupyter(ctx context.Context, args ...string) *exec.Cmd {
	name, args := python, append([]string{"-m", "jupyter"}, args...)
	if exec.Command(python, "-c", "import jupyter_core").Run() != nil {
		name, args = "jupyter", args[2:]
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(),
		"JUPYTER_PATH="+c.path("bin", "jupyter"),
		// GoNB runs goimports and go.
		"PATH="+c.path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
	)
	return cmd
}
