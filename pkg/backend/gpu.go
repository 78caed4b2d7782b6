package backend

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// checkGPU returns an error if there is no GPU for the CUDA plugin at path, or the driver is too
// old for it. It only asks the driver for its version, which takes no memory on a GPU.
func (m machine) checkGPU(path string) error {
	if devices, set := m.env("CUDA_VISIBLE_DEVICES"); set && (devices == "" || strings.HasPrefix(devices, "-")) {
		return fmt.Errorf("CUDA_VISIBLE_DEVICES=%q hides every GPU; unset it, or name one: CUDA_VISIBLE_DEVICES=0", devices)
	}
	hasGPU := m.hasGPU()
	supports, err := m.driver()
	switch {
	case errors.Is(err, xla.ErrNotLinked):
		return err
	case err != nil && !hasGPU:
		return fmt.Errorf("no NVIDIA GPU or driver found (%w, and there is no /dev/nvidia0); if the machine has a GPU, install NVIDIA's driver, or start the container with --gpus all", err)
	case err != nil:
		return fmt.Errorf("there is an NVIDIA GPU but no usable driver library: %w; install NVIDIA's driver for this system, or start the container with --gpus all", err)
	case !hasGPU:
		return errors.New("there is an NVIDIA driver but no GPU (no /dev/nvidia0); run nvidia-smi to load the driver, or start the container with --gpus all")
	}
	if wants := cudaMajor(path); supports/1000 < wants {
		return fmt.Errorf("the NVIDIA driver is too old: it supports CUDA %d.%d, but the plugin is for CUDA %d; update the driver, or install a plugin for CUDA %d", supports/1000, supports%1000/10, wants, supports/1000)
	}
	return nil
}

// hasGPU reports whether there is a device file of an NVIDIA GPU, of an NVIDIA Jetson board, or of
// the Windows Subsystem for Linux.
func (m machine) hasGPU() bool {
	return m.exists("dev/nvidia[0-9]*") || m.exists("dev/nvhost-gpu") || m.exists("dev/nvgpu") || m.exists("dev/dxg")
}

var cudaFolder = regexp.MustCompile(`^(?:xla_cuda|cu)(\d+)$`)

// cudaMajor returns the major version of CUDA that the plugin at path is for, or 0 if it is
// unknown. It is detected from the folder of a jax plugin or else from that of the libraries beside
// the plugin.
func cudaMajor(path string) int {
	for _, name := range []string{filepath.Base(filepath.Dir(path)), filepath.Base(cudaData(path))} {
		if match := cudaFolder.FindStringSubmatch(name); match != nil {
			var version int
			fmt.Sscan(match[1], &version)
			return version
		}
	}
	return 0
}

// cudaData returns the folder beside the plugin at path that has nvvm/libdevice and bin/ptxas, which
// XLA compiles with, or "" if there is none. NVIDIA's Python wheels for CUDA 13 have it in
// nvidia/cu13, those for CUDA 12 in nvidia/cuda_nvcc. go-xla's installer puts the plugin into
// nvidia itself; jax's wheels put it two folders below site-packages.
func cudaData(path string) string {
	folder := filepath.Dir(path)
	beside, above := filepath.Dir(folder), filepath.Dir(filepath.Dir(folder))
	for _, data := range []string{
		filepath.Join(beside, "nvidia/cu13"), filepath.Join(above, "nvidia/cu13"),
		filepath.Join(beside, "nvidia/cuda_nvcc"), filepath.Join(above, "nvidia/cuda_nvcc"),
		filepath.Join(folder, "cuda"), filepath.Join(above, "jaxlib/cuda"),
	} {
		if found, err := filepath.Glob(filepath.Join(quoteGlob(data), "nvvm/libdevice/libdevice*.bc")); err == nil && len(found) > 0 {
			return data
		}
	}
	return ""
}
