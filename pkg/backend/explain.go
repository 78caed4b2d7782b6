package backend

import (
	"errors"
	"fmt"
	"strings"
)

// Explain returns err as one line that says what to do, if it is an error of XLA or CUDA that
// this package knows: too little memory on the GPU, a driver that is too old or missing, a GPU
// that the plugin has no code for, a library that is missing. Any other error, nil too, is
// returned as it is, and so is what it has explained. The result wraps err.
func Explain(err error) error {
	var before *explained
	if err == nil || errors.As(err, &before) {
		return err
	}
	text := err.Error()
	for _, known := range failures {
		for _, sign := range known.signs {
			if strings.Contains(text, sign) {
				return &explained{err: err, text: fmt.Sprintf("%s (%s)", known.advice, excerpt(text, sign))}
			}
		}
	}
	return err
}

// explained is an error with words of its own.
type explained struct {
	err  error
	text string
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// excerpt is the line of text that has sign, shortened about it.
func excerpt(text, sign string) string {
	const most = 200
	at := strings.Index(text, sign)
	start := strings.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	line = strings.TrimSpace(line)
	if len(line) <= most {
		return line
	}
	line = text[at:]
	line, _, _ = strings.Cut(line, "\n")
	if runes := []rune(line); len(runes) > most {
		line = string(runes[:most]) + "…"
	}
	return line
}

// failures are what XLA and CUDA say, and what helps. The first that fits counts, so that what is
// more particular comes first.
var failures = []struct {
	advice string
	signs  []string
}{
	{"the NVIDIA driver is too old for this plugin; update it, or install a plugin for an older CUDA", []string{
		"CUDA_ERROR_INSUFFICIENT_DRIVER", "CUDA driver version is insufficient", "cudaErrorInsufficientDriver",
		"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
	}},
	{"the NVIDIA driver was updated and the old one is still running; restart the machine", []string{
		"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "driver/library version mismatch",
	}},
	{"CUDA finds no GPU; see what nvidia-smi and CUDA_VISIBLE_DEVICES say, or go on with --backend cpu", []string{
		"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device", "CUDA_ERROR_INVALID_DEVICE", "No visible GPU devices",
	}},
	{"this plugin has no code for this GPU; install another version of it, or go on with --backend cpu", []string{
		"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available",
	}},
	{"cuDNN cannot be used; install it beside the plugin: go run ./lesson doctor --install xla:cuda", []string{
		"CUDNN_STATUS_NOT_INITIALIZED", "DNN library is not found", "DNN library initialization failed", "libcudnn",
	}},
	{"ptxas or libdevice cannot be found; install them beside the plugin, go run ./lesson doctor --install xla:cuda, or name their folder in XLA_FLAGS=--xla_gpu_cuda_data_dir=", []string{
		"libdevice not found", "Couldn't find a suitable version of ptxas", "can't find ptxas", "ptxas not found",
	}},
	{"too little memory on the device; take a smaller --batch or --precision bfloat16, end other programs there, or choose another with --backend 'xla:cuda,visible_devices=1'", []string{
		"RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY", "Out of memory while trying to allocate",
		"PJRT error (code=8)", // go-xla has the number of RESOURCE_EXHAUSTED, and not the name
	}},
	{"the GPU is in use by another program that keeps it for itself; end that, or choose another GPU with --backend 'xla:cuda,visible_devices=1'", []string{
		"CUDA_ERROR_DEVICE_UNAVAILABLE", "devices are busy or unavailable",
	}},
	{"the GPU failed in the middle of a computation, and this program can use it no more; start it again, and see what nvidia-smi says", []string{
		"CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_ECC_UNCORRECTABLE", "CUDA_ERROR_UNKNOWN",
	}},
}
