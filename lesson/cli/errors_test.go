package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

func TestMessageAddsAdvice(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("disk full"), "disk full"},
		{errors.New("PJRT error (code=8): no room"), "the device has too little memory; use smaller batches, end other programs on the device, or use another device (PJRT error (code=8): no room); try --batch, --precision bfloat16 or --backend 'xla:cuda,visible_devices=1'"},
		{fmt.Errorf("start: %w", &backend.NotInstalledError{Kinds: []string{"cuda", "cpu"}}), "start: no XLA plugin for cuda or cpu is installed; install one with go run .. doctor --install xla:cpu (go run .. doctor lists the folders searched)"},
		{&run.OtherBackendError{Dir: "a", Before: run.Backend{Name: "xla:cuda", Devices: 8}, Now: run.Backend{Name: "cpu", Devices: 2}},
			"the run in a was trained on the backend xla:cuda with 8 devices, not on cpu with 2 devices; add --backend xla:cuda to keep using it, or --backend cpu:devices=2 to switch"},
		{&run.OtherBackendError{Dir: "a", Before: run.Backend{Name: "cpu", Devices: 2}, Now: run.Backend{Name: "cpu", Devices: 1}, TooFew: true},
			"the run in a was trained on the backend cpu with 2 devices, not on cpu with 1 device; resume it with --backend cpu:devices=2"},
		{&recipe.UnknownKeyError{Key: "epoch", Known: []string{"name", "epochs"}}, "unknown key epoch; did you mean epochs?"},
		{&recipe.UnknownKeyError{Key: "optimizer", Known: []string{"name", "epochs"}}, "unknown key optimizer; remove it, or use the version of this program that wrote it"},
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
