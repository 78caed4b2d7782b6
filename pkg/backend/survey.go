package backend

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// A Survey is what there is on this machine to choose from.
type Survey struct {
	Default string   `json:"default"` // what Auto means
	Why     string   `json:"why"`
	NotXLA  string   `json:"xla_not_linked,omitempty"` // why XLA is not in this program; "" if it is
	Folders []string `json:"plugin_folders"`           // where plugins are looked for
	Plugins []Plugin `json:"plugins"`
	Driver  string   `json:"nvidia_driver,omitempty"` // the NVIDIA driver's version, such as 580.65.06
	GPUs    []string `json:"gpus"`                    // their names and memory
}

// Look returns what is on this machine. It opens the plugins that it finds, without starting one.
func Look() Survey { return thisMachine().look() }

func (m machine) look() Survey {
	s := Survey{Folders: m.folders(), Plugins: m.plugins(), Driver: m.driverVersion(), GPUs: m.gpus()}
	if !m.linked {
		s.NotXLA = xla.ErrNotLinked.Error()
	}
	s.Default, s.Why = m.resolve(Auto)
	return s
}

// driverVersion is the version of the NVIDIA driver that the kernel has loaded, or "".
func (m machine) driverVersion() string {
	data, err := os.ReadFile(filepath.Join(m.root, "sys/module/nvidia/version"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// smi is what nvidia-smi says of the GPUs, a line for each. Of a test's machine it knows nothing.
func (m machine) smi() ([]byte, error) {
	if m.root != "/" {
		return nil, exec.ErrNotFound
	}
	return exec.Command("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader").Output()
}

// gpus asks nvidia-smi, and where there is none the driver's own files, for the names of the GPUs.
func (m machine) gpus() []string {
	names := []string{}
	if out, err := m.smi(); err == nil {
		for line := range strings.Lines(string(out)) {
			names = append(names, strings.TrimSpace(line))
		}
		return names
	}
	files, _ := filepath.Glob(filepath.Join(quoteGlob(m.root), "proc/driver/nvidia/gpus/*/information"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(data) {
			if model, is := bytes.CutPrefix(line, []byte("Model:")); is {
				names = append(names, string(bytes.TrimSpace(model)))
			}
		}
	}
	return names
}
