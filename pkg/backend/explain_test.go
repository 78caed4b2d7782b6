package backend

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestExplain has messages as XLA and CUDA write them, wrapped and over several lines.
func TestExplain(t *testing.T) {
	for message, want := range map[string]string{
		"RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8.00GiB.\nBufferAssignment OOM Debugging.\n a b":        "too little memory on the device; take a smaller --batch",
		"PJRT error (code=8): Failed to allocate request for 2.00GiB on device ordinal 0":                                   "too little memory on the device; take a smaller --batch",
		"INTERNAL: failed call to cuInit: CUDA_ERROR_OUT_OF_MEMORY: out of memory":                                          "too little memory",
		"INTERNAL: failed to create cuda context: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution": "this plugin has no code for this GPU",
		"failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no device is detected":   "CUDA finds no GPU",
		"CUDA driver version is insufficient for CUDA runtime version":                                                      "the NVIDIA driver is too old",
		"FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above for more details.":                "cuDNN cannot be used",
		"INTERNAL: libdevice not found at ./libdevice.10.bc":                                                                "ptxas or libdevice cannot be found",
		"CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered\n":                                            "the GPU failed in the middle",
	} {
		original := errors.New(message)
		err := Explain(fmt.Errorf("train: step 3\n at: %w", original))
		if got := err.Error(); !strings.HasPrefix(got, want) || strings.ContainsRune(got, '\n') || len(got) > 500 {
			t.Errorf("Explain(%q) is %q, want one line that begins with %q", message, got, want)
		}
		if !errors.Is(err, original) {
			t.Errorf("Explain(%q) has lost the error", message)
		}
		wrapped := fmt.Errorf("run: %w", err)
		if again := Explain(wrapped); again != wrapped {
			t.Errorf("explained again: %q", again)
		}
	}
	for _, err := range []error{nil, errors.New("no such file or directory"), errors.New("PJRT error (code=3): bad\nprogram")} {
		if got := Explain(err); got != err {
			t.Errorf("Explain(%v) is %v, want it as it is", err, got)
		}
	}
}

// TestExplainShortens what XLA writes in one endless line.
func TestExplainShortens(t *testing.T) {
	err := Explain(errors.New(strings.Repeat("ü", 3000) + "RESOURCE_EXHAUSTED: " + strings.Repeat("ü", 3000)))
	if got := err.Error(); len([]rune(got)) > 450 || !strings.HasSuffix(got, "…)") {
		t.Errorf("%d characters: %s", len([]rune(got)), got)
	}
}
