package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/download"
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
		if got := Message(words.English, test.err); got != test.want {
			t.Errorf("Message(%q) = %q, want %q", test.err, got, test.want)
		}
	}
}

// Where a server cannot be reached, the error says how to use another.
func TestMirrors(t *testing.T) {
	timeout := func(variable string) error {
		return fmt.Errorf("download: %w", &download.NetworkError{Variable: variable, Err: errors.New("dial tcp: i/o timeout")})
	}
	t.Setenv("RESIDUAL_CIFAR10_URL", "")
	t.Setenv("HF_ENDPOINT", "")
	t.Setenv("RESIDUAL_CIFAR100_URL", "http://10.0.0.1/cifar.tar.gz")
	begins := map[words.Language]string{words.English: "download: dial tcp: i/o timeout", words.Chinese: "download：连接 tcp：超时"}
	for _, test := range []struct {
		variable         string
		english, chinese string
	}{
		{"", "", ""},
		{"RESIDUAL_CIFAR10_URL", "; RESIDUAL_CIFAR10_URL sets another address; in mainland China, try a mirror: " + cifar10Mirror,
			"；可以用 RESIDUAL_CIFAR10_URL 指定别的地址；在中国大陆，试试镜像：" + cifar10Mirror},
		{"HF_ENDPOINT", "; HF_ENDPOINT sets another address; in mainland China, try a mirror: " + timmMirror,
			"；可以用 HF_ENDPOINT 指定别的地址；在中国大陆，试试镜像：" + timmMirror},
		{"RESIDUAL_TORCHVISION_URL", "; RESIDUAL_TORCHVISION_URL sets another address, such as that of a mirror", "；可以用 RESIDUAL_TORCHVISION_URL 指定别的地址，比如镜像的地址"},
		{"RESIDUAL_CIFAR100_URL", "; RESIDUAL_CIFAR100_URL sets the address; see whether it is right", "；这个地址由 RESIDUAL_CIFAR100_URL 指定；检查一下它对不对"},
	} {
		for l, want := range map[words.Language]string{words.English: test.english, words.Chinese: test.chinese} {
			if got := Message(l, timeout(test.variable)); got != begins[l]+want {
				t.Errorf("%q in %s: got %q, want %q", test.variable, l, got, begins[l]+want)
			}
		}
	}
}

func TestModuleAdvice(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{
		"lesson/cli/called.go:9:2: github.com/spf13/cobra@v1.10.1: Get \"http://127.0.0.1:1/github.com/spf13/cobra/@v/v1.10.1.zip\": dial tcp 127.0.0.1:1: connect: connection refused\n",
		"go: downloading github.com/gomlx/gomlx v0.28.1\ngo: github.com/gomlx/gomlx@v0.28.1: Get \"https://proxy.golang.org/github.com/gomlx/gomlx/@v/v0.28.1.mod\": dial tcp 142.250.71.81:443: i/o timeout\n",
		"go: github.com/gomlx/gomlx@v0.28.1: Get \"https://proxy.golang.org/x\": dial tcp: lookup proxy.golang.org: no such host\n",
		"go: download go1.26.5: golang.org/toolchain@v0.0.1-go1.26.5.linux-amd64: Get \"https://proxy.golang.org/x\": net/http: TLS handshake timeout\n",
	} {
		if got := moduleAdvice(words.Chinese, output); !strings.Contains(got, "go env -w GOPROXY=https://goproxy.cn,direct") || !strings.HasPrefix(got, "Go 模块下载不了。") {
			t.Errorf("for %q: got %q", output, got)
		}
		if got := moduleAdvice(words.English, output); !strings.HasSuffix(got, "In mainland China, use a mirror: go env -w GOPROXY=https://goproxy.cn,direct") {
			t.Errorf("for %q: got %q", output, got)
		}
	}
	for _, l := range []words.Language{words.English, words.Chinese} {
		if advice := moduleAdvice(l, `: Get "https://proxy.golang.org/x": EOF`); !strings.Contains(string(makefile), `"`+advice+`"`) {
			t.Errorf("the Makefile does not say %q", advice)
		}
	}
	if got := moduleAdvice(words.Chinese, "./outputsize.go:9:9: undefined: half\n"); got != "" {
		t.Errorf("for a mistake in the code: got %q", got)
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
