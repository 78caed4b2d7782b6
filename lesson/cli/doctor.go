package cli

import (
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/cpu"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cifar"
	downloads "github.com/residual-go/residual/pkg/download"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/shapes10"
)

// report is what doctor finds out about the machine.
type report struct {
	Go          string            `json:"go"`
	Platform    string            `json:"platform"`
	CPUs        int               `json:"cpus"`
	CPUFeatures []string          `json:"cpu_features"`
	Backends    []string          `json:"backends"`
	Default     string            `json:"default_backend"`
	XLA         backend.Survey    `json:"xla"`
	Cache       string            `json:"cache"`
	Data        map[string]string `json:"data"` // folders by name, "" if not downloaded
}

func doctorCommand() *cobra.Command {
	var f flags
	var install string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this machine offers, and what you can install to add more",
		Long: `Show what this machine offers, and what you can install to add more.

--install downloads an XLA plugin into ~/.local/lib/go-xla: xla:cpu (63 MB), a build of XLA
that the project's tests run on, or xla:cuda (gigabytes), jax's plugin with NVIDIA's
libraries. No other command ever downloads a plugin.`,
		Example: "  go run ./lesson doctor\n  go run ./lesson doctor --install xla:cuda",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("install") {
				return installPlugin(cmd, f.messages(cmd), install)
			}
			r, err := examine()
			if err != nil {
				return err
			}
			devices, broken := tryBackend(cmd.Context(), backend.Auto)
			if f.json {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
				return broken
			}
			w := cmd.OutOrStdout()
			r.print(w, devices)
			if broken != nil {
				return broken
			}
			fmt.Fprintln(w, "\nNothing needs to be installed. Optional extras:")
			for _, extra := range extras(r.XLA) {
				state := "found"
				if !extra.found() {
					state = "not found; " + asCalled(extra.install)
				}
				fmt.Fprintf(w, "  %s: %s\n", extra.what, state)
			}
			ending(language(cmd), w, nil, "go run ./lesson degradation")
			return nil
		},
	}
	f.add(cmd, "json")
	cmd.Flags().StringVar(&install, "install", "", "download and install an XLA plugin: xla:cpu or xla:cuda")
	cmd.AddCommand(doctorStartCommand(), doctorFetchCommand())
	return cmd
}

// examine finds out everything but whether the backend starts.
func examine() (report, error) {
	r := report{
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
		CPUFeatures: cpuFeatures(), Backends: backend.Names(), XLA: backend.Look(), Data: map[string]string{},
	}
	r.Default = r.XLA.Default
	cache, err := downloads.CacheDir()
	if err != nil {
		return report{}, err
	}
	r.Cache = cache
	for _, kind := range []cifar.Kind{cifar.CIFAR10, cifar.CIFAR100} {
		r.Data[kind.String()] = ""
		if dir, ok := (&cifar.Fetcher{}).Cached(kind); ok {
			r.Data[kind.String()] = dir
		}
	}
	return r, nil
}

// print prints the report with the devices of the default backend.
func (r report) print(w io.Writer, devices []string) {
	fmt.Fprintf(w, "Go        %s, %s\n", r.Go, r.Platform)
	fmt.Fprintf(w, "CPU       %d processors; %s\n", r.CPUs, strings.Join(r.CPUFeatures, " "))
	for _, gpu := range r.XLA.GPUs {
		fmt.Fprintf(w, "GPU       %s\n", printable.Escape(gpu))
	}
	if r.XLA.Driver != "" {
		fmt.Fprintf(w, "Driver    NVIDIA %s\n", printable.Escape(r.XLA.Driver))
	}
	fmt.Fprintf(w, "Backends  %s; default: %s (%s)\n", strings.Join(r.Backends, ", "), r.Default, printable.Escape(r.XLA.Why))
	for _, device := range devices {
		fmt.Fprintf(w, "Device    %s\n", printable.Escape(device))
	}
	if r.XLA.NotXLA != "" {
		fmt.Fprintf(w, "XLA       %s\n", r.XLA.NotXLA)
	}
	for _, p := range r.XLA.Plugins {
		state := "PJRT API " + p.API + ", usable"
		if p.Problem != "" {
			state = "not usable: " + p.Problem
		}
		fmt.Fprintf(w, "XLA       %s, %s: %s\n", printable.Escape(p.Kind), printable.Escape(p.Path), printable.Escape(state))
	}
	if len(r.XLA.Plugins) == 0 && r.XLA.NotXLA == "" {
		fmt.Fprintf(w, "XLA       no plugin in %s\n", printable.Escape(strings.Join(r.XLA.Folders, ", ")))
	}
	fmt.Fprintf(w, "Cache     %s\n", r.Cache)
	for _, kind := range []cifar.Kind{cifar.CIFAR10, cifar.CIFAR100} {
		where := r.Data[kind.String()]
		if where == "" {
			where = "not downloaded; get it with: " + asCalled("go run ./lesson data fetch --data ") + strings.ToLower(strings.ReplaceAll(kind.String(), "-", ""))
		}
		fmt.Fprintf(w, "Data      %v: %s\n", kind, where)
	}
	fmt.Fprintf(w, "Data      %s: always available\n", shapes10.Name)
}

// extra is something outside the project that is useful but not necessary.
type extra struct {
	what    string
	found   func() bool
	install string
}

// extras lists them; the survey says which XLA plugins are installed.
func extras(survey backend.Survey) []extra {
	usable := func(kind string) func() bool {
		return func() bool {
			return slices.ContainsFunc(survey.Plugins, func(p backend.Plugin) bool { return p.Kind == kind && p.Problem == "" })
		}
	}
	all := []extra{
		{"XLA on an NVIDIA GPU", usable("cuda"), "go run ./lesson doctor --install xla:cuda"},
		{"XLA on the CPU", usable("cpu"), "go run ./lesson doctor --install xla:cpu"},
		{"a C compiler, for XLA on Linux and the race detector in make test",
			func() bool { return finds("cc") || finds("gcc") || finds("clang") },
			"install gcc or clang"},
		{"PyTorch for /usr/bin/python3, to regenerate the reference values of the tests",
			func() bool { return exec.Command("/usr/bin/python3", "-c", "import torch, torchvision").Run() == nil },
			"on Debian: apt-get install python3-torch python3-torchvision"},
	}
	if survey.NotXLA != "" { // a plugin would be useless
		all = all[2:]
	}
	return all
}

// finds reports whether the program is in PATH.
func finds(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// cpuFeatures names the vector instructions that matter for numerical code.
func cpuFeatures() []string {
	var found []string
	for _, feature := range []struct {
		name string
		has  bool
	}{
		{"SSE4.1", cpu.X86.HasSSE41}, {"AVX", cpu.X86.HasAVX}, {"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA},
		{"AVX-512F", cpu.X86.HasAVX512F}, {"AVX-512BW", cpu.X86.HasAVX512BW}, {"AVX-512VNNI", cpu.X86.HasAVX512VNNI},
		{"ASIMD", cpu.ARM64.HasASIMD}, {"SVE", cpu.ARM64.HasSVE},
	} {
		if feature.has {
			found = append(found, feature.name)
		}
	}
	if len(found) == 0 {
		found = []string{"no vector instructions known"}
	}
	return found
}
