package backend

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// gpu returns an error if the CUDA plugin at path would find no GPU, or a driver too old for it.
// It asks the driver for its version alone, which takes no memory on a GPU.
func (m machine) gpu(path string) error {
	if devices, set := m.env("CUDA_VISIBLE_DEVICES"); set && (devices == "" || strings.HasPrefix(devices, "-")) {
		return fmt.Errorf("CUDA_VISIBLE_DEVICES=%q hides every GPU; unset it, or name one, as in CUDA_VISIBLE_DEVICES=0", devices)
	}
	device := m.device()
	supports, err := m.driver()
	switch {
	case errors.Is(err, xla.ErrNotLinked):
		return err
	case err != nil && !device:
		return fmt.Errorf("no NVIDIA GPU and no driver here (%w, nor /dev/nvidia0); with a GPU, install NVIDIA's driver, or start the container with --gpus all", err)
	case err != nil:
		return fmt.Errorf("there is an NVIDIA GPU, but no usable driver library: %w; install NVIDIA's driver for this system, or start the container with --gpus all", err)
	case !device:
		return errors.New("there is an NVIDIA driver, but no GPU (no /dev/nvidia0); load the driver with nvidia-smi, or start the container with --gpus all")
	}
	if wants := cudaMajor(path); supports/1000 < wants {
		return fmt.Errorf("the NVIDIA driver is too old: it supports CUDA %d.%d, and the plugin is for CUDA %d; update the driver, or install a plugin for CUDA %d", supports/1000, supports%1000/10, wants, supports/1000)
	}
	return nil
}

// device reports whether a GPU can be seen: NVIDIA's device files, those of its small boards, or
// that of Windows' subsystem for Linux.
func (m machine) device() bool {
	return m.exists("dev/nvidia[0-9]*") || m.exists("dev/nvhost-gpu") || m.exists("dev/nvgpu") || m.exists("dev/dxg")
}

var cudaFolder = regexp.MustCompile(`^(?:xla_cuda|cu)(\d+)$`)

// cudaMajor is the major version of CUDA that the plugin at path is for, or 0 if nothing says it.
// The folder of a plugin of jax says it, and otherwise that of the libraries beside it.
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

// cudaData is the folder with nvvm/libdevice and bin/ptxas, which XLA compiles with, among the
// NVIDIA libraries that lie beside the plugin at path; "" if none is there. The wheels of CUDA 13
// have it in nvidia/cu13, those of CUDA 12 in nvidia/cuda_nvcc; go-xla's installer puts the plugin
// into nvidia itself, and jax's wheels put it two folders below site-packages.
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
