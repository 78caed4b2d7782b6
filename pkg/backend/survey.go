package backend

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// A Survey lists the backends, plugins and GPUs of this machine.
type Survey struct {
	Default string   `json:"default"`                  // the backend that Auto stands for
	Why     string   `json:"why"`                      // the reason for that choice, in words
	NotXLA  string   `json:"xla_not_linked,omitempty"` // why XLA is not part of this program; "" if it is
	Folders []string `json:"plugin_folders"`           // the folders searched for plugins
	Plugins []Plugin `json:"plugins"`
	Driver  string   `json:"nvidia_driver,omitempty"` // the NVIDIA driver's version, such as 580.65.06
	GPUs    []string `json:"gpus"`                    // their names and amounts of memory
}

// Look surveys this machine. It opens the plugins that it finds but starts none of them.
func Look() Survey { return thisMachine().look() }

func (m machine) look() Survey {
	s := Survey{Folders: m.folders(), Plugins: m.plugins(), Driver: m.driverVersion(), GPUs: m.gpus()}
	if !m.linked {
		s.NotXLA = xla.ErrNotLinked.Error()
	}
	s.Default, s.Why = m.resolve(Auto)
	return s
}

// driverVersion returns the version of the loaded NVIDIA driver, or "".
func (m machine) driverVersion() string {
	data, err := os.ReadFile(filepath.Join(m.root, "sys/module/nvidia/version"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// smi asks nvidia-smi for the GPUs, one line for each. It fails on the machine of a test.
func (m machine) smi() ([]byte, error) {
	if m.root != "/" {
		return nil, exec.ErrNotFound
	}
	return exec.Command("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader").Output()
}

// gpus returns the names of the GPUs, from nvidia-smi or, without it, from the driver's files.
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
