package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/grade"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cpu"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/download"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/torchfile"
	"github.com/residual-go/residual/pkg/weights"
)

// ExitCode returns the exit code for an error: 130 after Ctrl-C or SIGTERM, as shells have it,
// and 1 otherwise.
func ExitCode(err error) int {
	if errors.Is(err, run.ErrInterrupted) || errors.Is(err, context.Canceled) {
		return 130
	}
	return 1
}

// PrintError prints an error for people on w, the terminal or file of standard error. The advice in
// it is in the language l.
func PrintError(w io.Writer, l words.Language, err error) {
	clearLine(w)
	fmt.Fprintln(w, "lesson: "+Message(l, err))
}

// Message returns the text of an error for people, on one line.
func Message(l words.Language, err error) string {
	if err == context.Canceled { // it does not say what was cancelled
		err = run.ErrInterrupted
	}
	if _, complete := errors.AsType[childMessage](err); complete {
		return printable.Line(err.Error())
	}
	err = backend.Explain(err)
	text := printable.Line(err.Error())
	if more := advice(l, err); more != "" {
		text += "; " + more
	}
	return asCalled(l.Error(text))
}

// advice returns the command or the flags that help with an error of a library, "" if there are
// none.
func advice(l words.Language, err error) string {
	if several, ok := errors.AsType[*torchfile.AmbiguousError](err); ok {
		return l.Sprintf("choose one with --key, as in --key %s", quoted(several.Keys[0]))
	}
	if _, ok := errors.AsType[*weights.HeadError](err); ok {
		return l.Text("go run ./lesson finetune does that, and go run ./lesson weights describes the rest")
	}
	if other, ok := errors.AsType[*run.OtherBackendError](err); ok {
		return backendChoices(l, other)
	}
	if _, ok := errors.AsType[*run.RecipeChangedError](err); ok {
		return l.Text("put the old values back, or start a new run in another folder with --run")
	}
	if unknown, ok := errors.AsType[*recipe.UnknownKeyError](err); ok {
		if near := nearest(unknown.Key, unknown.Known); near != "" {
			return l.Sprintf("did you mean %s?", near)
		}
		return l.Text("remove it, or use the version of this program that wrote it")
	}
	if _, ok := errors.AsType[*grade.UnprotectedError](err); ok {
		return l.Text("grade in a virtual machine or on a recent Linux, or accept it with --without-sandbox")
	}
	if failed, ok := errors.AsType[*download.NetworkError](err); ok {
		return mirror(l, failed.Variable)
	}
	notInstalled, isNotInstalled := errors.AsType[*backend.NotInstalledError](err)
	switch {
	case isNotInstalled:
		kind := notInstalled.Kinds[len(notInstalled.Kinds)-1]
		return l.Sprintf("install one with go run ./lesson doctor --install xla:%s (go run ./lesson doctor lists the folders searched)", kind)
	case errors.Is(err, backend.ErrNoCUDNN), errors.Is(err, backend.ErrNoPtxas):
		return l.Text("go run ./lesson doctor --install xla:cuda installs it")
	case errors.Is(err, backend.ErrOutOfMemory):
		return l.Text("try --batch, --precision bfloat16 or --backend 'xla:cuda,visible_devices=1'")
	case errors.Is(err, checkout.ErrOutside):
		return l.Sprintf("the exercises are part of it: git clone https://%s, and run the command in that folder", checkout.Module)
	case errors.Is(err, grade.ErrOtherClass):
		return l.Text("choose another folder with --out, or move grades.json away")
	case errors.Is(err, run.ErrOtherRecipe):
		return l.Text("remove that folder, or choose another with --run")
	}
	return limitAdvice(err)
}

// backendChoices returns the flags with which to resume a run that was trained on another backend.
func backendChoices(l words.Language, e *run.OtherBackendError) string {
	flag := func(b run.Backend) string {
		if b.Devices > 1 && b.Name == cpu.Name {
			return fmt.Sprintf("--backend %s:devices=%d", b.Name, b.Devices)
		}
		return "--backend " + quoted(b.Name)
	}
	if e.TooFew {
		return l.Sprintf("resume it with %s", flag(e.Before))
	}
	return l.Sprintf("add %s to keep using it, or %s to switch", flag(e.Before), flag(e.Now))
}

// The lines with mirrors that are used in mainland China, where the usual servers are slow or cannot
// be reached. goproxy.cn is what https://goproxy.cn/setup says, the archive of CIFAR-10 is that of
// MindSpore's tutorials, and hf-mirror.com serves what Hugging Face does. Checksums say whether a file is
// the right one, wherever it comes from.
const (
	goMirror      = "go env -w GOPROXY=https://goproxy.cn,direct"
	cifar10Mirror = "export RESIDUAL_CIFAR10_URL=https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz"
	timmMirror    = "export HF_ENDPOINT=https://hf-mirror.com"
)

// mirror says how to download from elsewhere. variable is the environment variable that sets the
// address, or "".
func mirror(l words.Language, variable string) string {
	line := ""
	switch variable {
	case "":
		return ""
	case "RESIDUAL_CIFAR10_URL":
		line = cifar10Mirror
	case "HF_ENDPOINT":
		line = timmMirror
	}
	switch {
	case os.Getenv(variable) != "":
		return l.Sprintf("%s sets the address; see whether it is right", variable)
	case line == "":
		return l.Sprintf("%s sets another address, such as that of a mirror", variable)
	}
	return l.Sprintf("%s sets another address; in mainland China, try a mirror: %s", variable, line)
}

// noModules matches what the go command prints if it cannot download a module or a toolchain.
var noModules = regexp.MustCompile(`: Get "https?://[^"\n]*": `)

// moduleAdvice says how to download Go modules from elsewhere if that is what output, the go command's,
// is about. Otherwise it is empty.
func moduleAdvice(l words.Language, output string) string {
	if !noModules.MatchString(output) {
		return ""
	}
	return l.Sprintf("The Go modules could not be downloaded. In mainland China, use a mirror: %s", goMirror)
}

// resumable adds to the error of an interrupted run how to resume it. It returns other errors
// unchanged.
func resumable(err error, how string) error {
	if errors.Is(err, run.ErrInterrupted) {
		return fmt.Errorf("%w; %s", err, how)
	}
	return err
}

// backendAdvice adds to the error of a default backend that needs XLA the flag that chooses
// another backend. It returns other errors unchanged.
func backendAdvice(err error, name string) error {
	if name != backend.Auto || !strings.HasPrefix(backend.Resolve(name), "xla") {
		return err
	}
	return fmt.Errorf("%w (--backend cpu)", err)
}

// memoryAdvice adds to an error about images that need too much memory what to choose
// instead: a smaller --size, if the command has that flag, or the alternative. It returns
// other errors unchanged.
func memoryAdvice(cmd *cobra.Command, err error, alternative string) error {
	if _, ok := errors.AsType[*dataset.MemoryError](err); !ok {
		return err
	}
	if cmd.Flags().Lookup("size") != nil {
		alternative = "a smaller --size or " + alternative
	}
	return fmt.Errorf("%w; choose %s", err, alternative)
}
