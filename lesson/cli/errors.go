package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/chapter/degradation"
	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/grade"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cpu"
	"github.com/residual-go/residual/pkg/dataset"
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

// PrintError prints an error for people on w, the terminal or file of standard error.
func PrintError(w io.Writer, err error) {
	clearLine(w)
	fmt.Fprintln(w, "lesson: "+Message(err))
}

// Message returns the text of an error for people, on one line.
func Message(err error) string {
	if err == context.Canceled { // it does not say what was cancelled
		err = run.ErrInterrupted
	}
	if _, complete := errors.AsType[childMessage](err); complete {
		return printable.Line(err.Error())
	}
	err = backend.Explain(err)
	text := printable.Line(err.Error())
	if more := advice(err); more != "" {
		text += "; " + more
	}
	return asCalled(text)
}

// advice returns the command or the flags that help with an error of a library, "" if there are
// none.
func advice(err error) string {
	if several, ok := errors.AsType[*torchfile.AmbiguousError](err); ok {
		return "choose one with --key, as in --key " + quoted(several.Keys[0])
	}
	if _, ok := errors.AsType[*weights.HeadError](err); ok {
		return "go run ./lesson finetune does that, and go run ./lesson weights describes the rest"
	}
	if other, ok := errors.AsType[*run.OtherBackendError](err); ok {
		return backendChoices(other)
	}
	if _, ok := errors.AsType[*run.RecipeChangedError](err); ok {
		return "put the old values back, or start a new run in another folder with --run"
	}
	if unknown, ok := errors.AsType[*recipe.UnknownKeyError](err); ok {
		if near := nearest(unknown.Key, unknown.Known); near != "" {
			return "did you mean " + near + "?"
		}
		return "remove it, or use the version of this program that wrote it"
	}
	if _, ok := errors.AsType[*grade.UnprotectedError](err); ok {
		return "grade in a virtual machine or on a recent Linux, or accept it with --without-sandbox"
	}
	notInstalled, isNotInstalled := errors.AsType[*backend.NotInstalledError](err)
	switch {
	case isNotInstalled:
		kind := notInstalled.Kinds[len(notInstalled.Kinds)-1]
		return "install one with go run ./lesson doctor --install xla:" + kind + " (go run ./lesson doctor lists the folders searched)"
	case errors.Is(err, backend.ErrNoCUDNN), errors.Is(err, backend.ErrNoPtxas):
		return "go run ./lesson doctor --install xla:cuda installs it"
	case errors.Is(err, backend.ErrOutOfMemory):
		return "try --batch, --precision bfloat16 or --backend 'xla:cuda,visible_devices=1'"
	case errors.Is(err, checkout.ErrOutside):
		return "the exercises are part of it: git clone https://" + checkout.Module + ", and run the command in that folder"
	case errors.Is(err, grade.ErrOtherClass):
		return "choose another folder with --out, or move grades.json away"
	case errors.Is(err, degradation.ErrOtherRecipe):
		return "remove that folder, or choose another with --run"
	}
	return limitAdvice(err)
}

// backendChoices returns the flags with which to resume a run that was trained on another backend.
func backendChoices(e *run.OtherBackendError) string {
	flag := func(b run.Backend) string {
		if b.Devices > 1 && b.Name == cpu.Name {
			return fmt.Sprintf("--backend %s:devices=%d", b.Name, b.Devices)
		}
		return "--backend " + quoted(b.Name)
	}
	if e.TooFew {
		return "resume it with " + flag(e.Before)
	}
	return "add " + flag(e.Before) + " to keep using it, or " + flag(e.Now) + " to switch"
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
