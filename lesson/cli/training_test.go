package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestFreeRun(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := 1; i <= 3; i++ {
		want := filepath.Join("runs", fmt.Sprintf("net-%d", i))
		if got := freeRun("net"); got != want {
			t.Errorf("the free run is %s, want %s", got, want)
		}
		if err := os.MkdirAll(want, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := freeRun("other"), filepath.Join("runs", "other-1"); got != want {
		t.Errorf("the free run is %s, want %s", got, want)
	}
}

// The search ends even where there can be no folder for runs.
func TestFreeRunEnds(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("runs", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	found := make(chan string)
	go func() { found <- freeRun("net") }()
	select {
	case got := <-found:
		if want := filepath.Join("runs", "net-1"); got != want {
			t.Errorf("the free run is %s, want %s", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Error("the search for a free run does not end")
	}
}

// The command that resumes a run repeats what belongs to the machine and to the output.
func TestResumeCommand(t *testing.T) {
	for args, want := range map[string]string{
		"": "",
		"--log-every 7 --epochs 3 --seed 1 --devices 2":     " --log-every 7",
		"--backend cpu:devices=2 --devices 2 --local-norms": " --backend cpu:devices=2",
		"--backend auto":        "",
		"--json --input device": " --input device --json",
		"--json=false --backend xla:cuda,visible_devices=1":      " --backend xla:cuda,visible_devices=1 --json=false",
		"--backend=xla:/opt/my$plugin.so --resume --precision x": " --backend 'xla:/opt/my$plugin.so'",
	} {
		var f trainingFlags
		cmd := &cobra.Command{Use: "train"}
		f.add(cmd, "model")
		if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOMLX_BACKEND", "")
		want = "go run ./lesson train --run 'a b' --resume" + want
		if got := f.resumeCommand(cmd, "a b"); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
		if !strings.Contains(args, "--backend") || strings.Contains(args, "auto") {
			t.Setenv("GOMLX_BACKEND", "cpu:kernel=portable")
			if got := f.resumeCommand(cmd, "a b"); !strings.Contains(got, " --resume --backend cpu:kernel=portable") {
				t.Errorf("%s, with the backend from the environment: %s", args, got)
			}
		}
	}
}
