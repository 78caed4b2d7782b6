package backend

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestExplain uses messages as XLA and CUDA write them, wrapped and with several lines.
func TestExplain(t *testing.T) {
	for message, want := range map[string]string{
		"RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8.00GiB.\nBufferAssignment OOM Debugging.\n a b":        "the device has too little memory; use smaller batches",
		"PJRT error (code=8): Failed to allocate request for 2.00GiB on device ordinal 0":                                   "the device has too little memory; use smaller batches",
		"INTERNAL: failed call to cuInit: CUDA_ERROR_OUT_OF_MEMORY: out of memory":                                          "the device has too little memory",
		"INTERNAL: failed to create cuda context: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution": "this plugin has no code for this GPU",
		"failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no device is detected":   "CUDA finds no GPU",
		"CUDA driver version is insufficient for CUDA runtime version":                                                      "the NVIDIA driver is too old",
		"FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above for more details.":                "cuDNN is missing or cannot be used",
		"INTERNAL: libdevice not found at ./libdevice.10.bc":                                                                "ptxas or libdevice is missing",
		"CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered\n":                                            "the GPU failed during a computation",
	} {
		original := errors.New(message)
		err := Explain(fmt.Errorf("train: step 3\n at: %w", original))
		if got := err.Error(); !strings.HasPrefix(got, want) || strings.ContainsRune(got, '\n') || len(got) > 500 {
			t.Errorf("Explain(%q) is %q, want one line that begins with %q", message, got, want)
		}
		if !errors.Is(err, original) {
			t.Errorf("Explain(%q) does not wrap the error", message)
		}
		wrapped := fmt.Errorf("run: %w", err)
		if again := Explain(wrapped); again != wrapped {
			t.Errorf("explaining it again gives %q, want no change", again)
		}
	}
	for _, err := range []error{nil, errors.New("no such file or directory"), errors.New("PJRT error (code=3): bad\nprogram")} {
		if got := Explain(err); got != err {
			t.Errorf("Explain(%v) is %v, want it unchanged", err, got)
		}
	}
}

// TestExplainShortens checks that a very long line of XLA is cut off.
func TestExplainShortens(t *testing.T) {
	err := Explain(errors.New(strings.Repeat("ü", 3000) + "RESOURCE_EXHAUSTED: " + strings.Repeat("ü", 3000)))
	if got := err.Error(); len([]rune(got)) > 450 || !strings.HasSuffix(got, "…)") {
		t.Errorf("%d characters, want at most 450 and an ellipsis: %s", len([]rune(got)), got)
	}
}
