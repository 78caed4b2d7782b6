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

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/words"
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
			l := language(cmd)
			r.print(l, w, devices)
			if broken != nil {
				return broken
			}
			fmt.Fprintln(w, "\n"+l.Text("Nothing needs to be installed. Optional extras:"))
			for _, extra := range extras(l, r.XLA) {
				state := l.Text("found")
				if !extra.found() {
					state = l.Sprintf("not found; %s", asCalled(extra.install))
				}
				fmt.Fprintln(w, "  "+l.Sprintf("%s: %s", extra.what, state))
			}
			ending(l, w, nil, "go run ./lesson degradation")
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
func (r report) print(l words.Language, w io.Writer, devices []string) {
	row := func(what, text string) { fmt.Fprintln(w, aligned.Pad(what, 10)+printable.Escape(text)) }
	row("Go", r.Go+", "+r.Platform)
	features := strings.Join(r.CPUFeatures, " ")
	if features == "" {
		features = l.Text("no vector instructions known")
	}
	row("CPU", l.Sprintf("%d processors; %s", r.CPUs, features))
	for _, gpu := range r.XLA.GPUs {
		row("GPU", gpu)
	}
	if r.XLA.Driver != "" {
		row(l.Text("Driver"), "NVIDIA "+r.XLA.Driver)
	}
	row(l.Text("Backends"), l.Sprintf("%s; default: %s (%s)", strings.Join(r.Backends, ", "), r.Default, l.Error(r.XLA.Why)))
	for _, device := range devices {
		row(l.Text("Device"), l.Error(device))
	}
	if r.XLA.NotXLA != "" {
		row("XLA", l.Error(r.XLA.NotXLA))
	}
	for _, p := range r.XLA.Plugins {
		state := l.Sprintf("PJRT API %s, usable", p.API)
		if p.Problem != "" {
			state = l.Sprintf("not usable: %s", l.Error(p.Problem))
		}
		row("XLA", l.Sprintf("%s, %s: %s", p.Kind, p.Path, state))
	}
	if len(r.XLA.Plugins) == 0 && r.XLA.NotXLA == "" {
		row("XLA", l.Sprintf("no plugin in %s", strings.Join(r.XLA.Folders, ", ")))
	}
	row(l.Text("Cache"), r.Cache)
	for _, kind := range []cifar.Kind{cifar.CIFAR10, cifar.CIFAR100} {
		where := r.Data[kind.String()]
		if where == "" {
			where = l.Sprintf("not downloaded; get it with: %s", asCalled("go run ./lesson data fetch --data ")+strings.ToLower(strings.ReplaceAll(kind.String(), "-", "")))
		}
		row(l.Text("Data"), l.Sprintf("%s: %s", kind, where))
	}
	row(l.Text("Data"), l.Sprintf("%s: always available", dataName(l, shapes10.Name)))
}

// extra is something outside the project that is useful but not necessary.
type extra struct {
	what    string
	found   func() bool
	install string
}

// extras lists them; the survey says which XLA plugins are installed.
func extras(l words.Language, survey backend.Survey) []extra {
	usable := func(kind string) func() bool {
		return func() bool {
			return slices.ContainsFunc(survey.Plugins, func(p backend.Plugin) bool { return p.Kind == kind && p.Problem == "" })
		}
	}
	all := []extra{
		{l.Text("XLA on an NVIDIA GPU"), usable("cuda"), "go run ./lesson doctor --install xla:cuda"},
		{l.Text("XLA on the CPU"), usable("cpu"), "go run ./lesson doctor --install xla:cpu"},
		{l.Text("a C compiler, for XLA on Linux and the race detector in make test"),
			func() bool { return finds("cc") || finds("gcc") || finds("clang") },
			l.Text("install gcc or clang")},
		{l.Text("PyTorch for /usr/bin/python3, to regenerate the reference values of the tests"),
			func() bool { return exec.Command("/usr/bin/python3", "-c", "import torch, torchvision").Run() == nil },
			l.Text("on Debian: apt-get install python3-torch python3-torchvision")},
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
	found := []string{}
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
	return found
}
