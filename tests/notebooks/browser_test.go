package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image/png"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	nb "github.com/residual-go/residual/lesson/notebook"
)

// TestNotebookInTheBrowser follows a student's first minutes: it opens Jupyter's page in a real
// browser, runs all cells from the menu, and waits for the figures.
func TestNotebookInTheBrowser(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := ready(t, ctx)
	chromium := browser(t)
	if version, err := c.jupyter(ctx, "notebook", "--version").Output(); err != nil || !strings.HasPrefix(string(version), "6.") {
		t.Skipf("this test needs Jupyter Notebook 6; this is %s", strings.TrimSpace(string(version)))
	}

	// The server gets a copy, because Jupyter's page saves the notebook it runs.
	folder, output := t.TempDir(), t.TempDir()
	chosen, err := c.named([]string{"3"})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(chosen[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "lesson.ipynb"), withoutOutputs(t, content), 0o644); err != nil {
		t.Fatal(err)
	}
	page := serve(t, ctx, c, folder, nb.OutputVariable+"="+output) + "notebooks/lesson.ipynb"

	temporary := t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR="+temporary), chromedp.WindowSize(1100, 900),
		// In a container, root cannot use the sandbox, and there is little shared memory.
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-quic", true))
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	defer stop()
	tab, closeTab := chromedp.NewContext(allocator)
	defer closeTab()

	const figures = `document.querySelectorAll(".output_png img").length`
	var figure, failed string
	var screenshot []byte
	err = chromedp.Run(tab,
		chromedp.Navigate(page),
		chromedp.WaitVisible("#celllink", chromedp.ByQuery),
		chromedp.Poll(`Jupyter.notebook && Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected()`, nil),
		chromedp.Click("#celllink", chromedp.ByQuery),
		chromedp.WaitVisible("#run_all_cells", chromedp.ByQuery),
		chromedp.Click("#run_all_cells", chromedp.ByQuery),
		chromedp.Poll(figures+` >= 2 && document.querySelectorAll(".cell.running").length == 0`, nil,
			chromedp.WithPollingInterval(time.Second), chromedp.WithPollingTimeout(4*time.Minute)),
		chromedp.Evaluate(`document.querySelector(".output_png img").src`, &figure),
		chromedp.Evaluate(`Array.from(document.querySelectorAll(".output_stderr, .output_error")).map(e => e.innerText).join("\n")`, &failed),
		chromedp.ScrollIntoView(".output_png img", chromedp.ByQuery),
		chromedp.CaptureScreenshot(&screenshot),
	)
	if len(screenshot) > 0 {
		path := filepath.Join(c.path("bin"), "notebook.png")
		if err := os.WriteFile(path, screenshot, 0o644); err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if failed != "" {
		t.Errorf("a cell failed:\n%s", failed)
	}
	data, ok := strings.CutPrefix(figure, "data:image/png;base64,")
	if !ok {
		t.Fatalf("the page's figure is %.80s, want a PNG", figure)
	}
	shown, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(filepath.Join(output, "figures", "3-identity.png"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(shown, saved) {
		t.Error("the page's first figure is not the one that the notebook saved")
	}
	decoded, err := png.Decode(bytes.NewReader(screenshot))
	if err != nil {
		t.Fatalf("the screenshot: %v", err)
	}
	if size := decoded.Bounds().Size(); size.X < 1000 || size.Y < 700 {
		t.Errorf("the screenshot has a size of %v, want that of the window", size)
	}
}

// browser returns the path of Chromium. Without Chromium it skips the test.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("Chromium is missing; on Debian: apt-get install chromium")
	return ""
}

// withoutOutputs returns a notebook without its outputs.
func withoutOutputs(t *testing.T, content []byte) []byte {
	t.Helper()
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	cmd := c.jupyter(t.Context(), "nbconvert", "--to", "notebook", "--clear-output", "--stdin", "--stdout")
	cmd.Stdin = bytes.NewReader(content)
	cleared, err := cmd.Output()
	if err != nil {
		t.Fatalf("clear the outputs: %v", err)
	}
	return cleared
}

// serve starts Jupyter on a folder and returns its address. Jupyter stops when the test ends.
func serve(t *testing.T, ctx context.Context, c *course, folder string, extra ...string) string {
	t.Helper()
	// Jupyter cannot choose a free port itself: we ask the system for one and release it.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	args := []string{"notebook", "--no-browser", "--ip=127.0.0.1", fmt.Sprintf("--port=%d", port), "--NotebookApp.token=", "--NotebookApp.password=",
		"--notebook-dir=" + folder}
	s, err := newSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	cmd := s.jupyter(ctx, c, append(args, asRoot()...)...)
	cmd.Env = append(cmd.Env, extra...)
	cmd.Dir = folder
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// At SIGTERM Jupyter ends its kernels and then itself, without asking.
		_ = cmd.Process.Signal(syscall.SIGTERM)
		killing := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		killing.Stop()
	})
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)
	var log strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		if found := address.FindString(lines.Text()); found != "" {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return found
		}
	}
	t.Fatalf("Jupyter did not print its address:\n%s", tail(log.String(), 20))
	return ""
}
