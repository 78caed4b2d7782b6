package cli

import (
	"errors"

	"github.com/residual-go/residual/pkg/backend"
)

// advice returns what to add to the error of a library: the command or the flags that help. It is
// "" for an error that needs no more words.
func advice(err error) string {
	notInstalled, isNotInstalled := errors.AsType[*backend.NotInstalledError](err)
	switch {
	case isNotInstalled:
		kind := notInstalled.Kinds[len(notInstalled.Kinds)-1]
		return "to install one: go run ./lesson doctor --install xla:" + kind + " (go run ./lesson doctor lists the folders searched)"
	case errors.Is(err, backend.ErrNoCUDNN), errors.Is(err, backend.ErrNoPtxas):
		return "to install it: go run ./lesson doctor --install xla:cuda"
	case errors.Is(err, backend.ErrOutOfMemory):
		return "the flags for that: --batch, --precision bfloat16, --backend 'xla:cuda,visible_devices=1'"
	}
	return ""
}
