package backend

import (
	"errors"
	"fmt"
	"strings"
)

// Causes that callers can test for with [errors.Is], to add advice of their own.
var (
	// ErrOutOfMemory means that the device has too little memory for the graph.
	ErrOutOfMemory = errors.New("the device has too little memory")
	// ErrNoCUDNN means that the CUDA plugin cannot use cuDNN.
	ErrNoCUDNN = errors.New("cuDNN is missing or cannot be used")
	// ErrNoPtxas means that XLA cannot find ptxas or libdevice, which it needs to compile for CUDA.
	ErrNoPtxas = errors.New("ptxas or libdevice is missing")
)

// NotInstalledError is the error of [New] for an XLA plugin that is not installed.
type NotInstalledError struct {
	Kinds []string // the kinds that would do, "cuda" or "cpu"
}

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("no XLA plugin for %s is installed", strings.Join(e.Kinds, " or "))
}

// Explain words the common errors of XLA and CUDA in one line that says what is wrong and what to
// do: too little memory on the GPU, a missing or outdated driver, a GPU that the plugin has no code
// for, a missing library. The result wraps err. Explain returns any other error unchanged, and
// nil and errors that it has explained already.
func Explain(err error) error {
	var before *explained
	if err == nil || errors.As(err, &before) {
		return err
	}
	text := err.Error()
	for _, known := range failures {
		for _, sign := range known.signs {
			if strings.Contains(text, sign) {
				return &explained{
					text:   fmt.Sprintf("%v; %s (%s)", known.cause, known.advice, excerpt(text, sign)),
					causes: []error{known.cause, err},
				}
			}
		}
	}
	return err
}

// explained is an error of XLA in our own words.
type explained struct {
	text   string
	causes []error
}

func (e *explained) Error() string   { return e.text }
func (e *explained) Unwrap() []error { return e.causes }

// excerpt returns the line of text that contains sign, or, if that is too long, what follows sign.
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

// failures lists how XLA and CUDA word their errors, and what helps. The first match counts, so
// specific ones come before general ones.
var failures = []struct {
	cause  error
	advice string
	signs  []string
}{
	{errors.New("the NVIDIA driver is too old for this plugin"), "update it, or install a plugin for an older CUDA", []string{
		"CUDA_ERROR_INSUFFICIENT_DRIVER", "CUDA driver version is insufficient", "cudaErrorInsufficientDriver",
		"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
	}},
	{errors.New("the NVIDIA driver was updated while the old one was running"), "restart the machine", []string{
		"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "driver/library version mismatch",
	}},
	{errors.New("CUDA finds no GPU"), "check nvidia-smi and CUDA_VISIBLE_DEVICES, or use the backend cpu", []string{
		"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device", "CUDA_ERROR_INVALID_DEVICE", "No visible GPU devices",
	}},
	{errors.New("this plugin has no code for this GPU"), "install another version of it, or use the backend cpu", []string{
		"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available",
	}},
	{ErrNoCUDNN, "install it beside the plugin", []string{
		"CUDNN_STATUS_NOT_INITIALIZED", "DNN library is not found", "DNN library initialization failed", "libcudnn",
	}},
	{ErrNoPtxas, "install both beside the plugin, or name their folder in XLA_FLAGS=--xla_gpu_cuda_data_dir=", []string{
		"libdevice not found", "Couldn't find a suitable version of ptxas", "can't find ptxas", "ptxas not found",
	}},
	{ErrOutOfMemory, "use smaller batches, end other programs on the device, or use another device", []string{
		"RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY", "Out of memory while trying to allocate",
		"PJRT error (code=8)", // go-xla prints the number of RESOURCE_EXHAUSTED, not the name
	}},
	{errors.New("another program has reserved the GPU for itself"), "end that program, or use another GPU, as in xla:cuda,visible_devices=1", []string{
		"CUDA_ERROR_DEVICE_UNAVAILABLE", "devices are busy or unavailable",
	}},
	{errors.New("the GPU failed during a computation, and this process can no longer use it"), "start again, and check nvidia-smi", []string{
		"CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_ECC_UNCORRECTABLE", "CUDA_ERROR_UNKNOWN",
	}},
}
