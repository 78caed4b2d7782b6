package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Where figures cannot be written, commands fail before they work for minutes, and say what to do.
func TestFiguresThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	p := trained(t)
	writeFile(t, p.path("file"), nil)
	writeFile(t, p.path("a.png"), encodePNG(t, bands(32, 32)))
	blocked := filepath.Join("file", "figures")
	flag := []string{"cannot write to the folder " + blocked, "choose another folder with --figures"}
	p.fails(flag, "degradation", "--data", small(t), "--run", "four", "--figures", blocked)
	if _, err := os.Stat(p.path("four")); err == nil {
		t.Error("degradation trained before it looked at the folder for its figures")
	}
	p.fails(flag, "plot", "runs/tiny", "--figures", blocked)
	p.fails(flag, "data", "show", "--data", "builtin", "--figures", blocked)
	r := p.fails([]string{"cannot write to the folder " + blocked, "choose another folder with --out"},
		"predict", "--run", "runs/tiny", "--cam", "--out", blocked, "a.png")
	if r.stdout != "" {
		t.Errorf("predict printed before it failed:\n%s", r.stdout)
	}

	figures := p.path("runs", "tiny", "figures")
	if err := os.RemoveAll(figures); err != nil {
		t.Fatal(err)
	}
	writeFile(t, figures, nil)
	p.fails([]string{"cannot write to the folder", "use --weights runs/tiny"}, "eval", "--run", "runs/tiny")
	has(t, p.ok("eval", "--weights", "runs/tiny"), "Test Accuracy")
	p.ok("eval", "--run", "runs/tiny", "--json")
	p.fails([]string{"cannot write to the folder", "another folder and resume it there"}, "train", "--run", "runs/tiny", "--resume")
}

// A process that is killed while it writes figures leaves temporary files. Resuming removes them,
// and leaves alone what other processes are writing.
func TestResumeSweepsFigures(t *testing.T) {
	t.Parallel()
	p := trained(t)
	ended := p.command("--version")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left := p.path("runs", "tiny", "figures", fmt.Sprintf(".loss.png.tmp-%d-0", ended.Process.Pid))
	others := p.path("runs", "tiny", "figures", fmt.Sprintf(".loss.png.tmp-%d-0", os.Getpid()))
	writeFile(t, left, []byte("half a figure"))
	writeFile(t, others, []byte("half a figure"))
	p.ok("train", "--run", "runs/tiny", "--resume")
	if _, err := os.Stat(left); err == nil {
		t.Errorf("%s is still there", left)
	}
	if _, err := os.Stat(others); err != nil {
		t.Error(err)
	}
}
