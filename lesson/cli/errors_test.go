package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
)

func TestMessageAddsAdvice(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("disk full"), "disk full"},
		{errors.New("PJRT error (code=8): no room"), "the device has too little memory; use smaller batches, end other programs on the device, or use another device (PJRT error (code=8): no room); try --batch, --precision bfloat16 or --backend 'xla:cuda,visible_devices=1'"},
		{fmt.Errorf("start: %w", &backend.NotInstalledError{Kinds: []string{"cuda", "cpu"}}), "start: no XLA plugin for cuda or cpu is installed; install one with go run .. doctor --install xla:cpu (go run .. doctor lists the folders searched)"},
		{fmt.Errorf("doctor: %w", childMessage("the device has too little memory (RESOURCE_EXHAUSTED)")), "doctor: the device has too little memory (RESOURCE_EXHAUSTED)"},
	} {
		if got := Message(test.err); got != test.want {
			t.Errorf("Message(%q) = %q, want %q", test.err, got, test.want)
		}
	}
}

func TestDefaultBackendFails(t *testing.T) {
	t.Setenv("GOMLX_BACKEND", "xla:nothing")
	for name, want := range map[string]bool{backend.Auto: true, "xla:nothing": false} {
		_, err := newBackend(name)
		if err == nil || strings.Contains(err.Error(), "--backend cpu") != want {
			t.Errorf("backend %s: error %v, want --backend cpu in it: %v", name, err, want)
		}
	}
}
