package xla

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
)

// entry is the function that every plugin has.
const entry = "GetPjrtApi"

// Examine returns an error if the file at path cannot be a plugin for this machine: if it is not an
// ELF library, is for a different processor, or has no GetPjrtApi. It only reads the file.
func Examine(path string) error {
	// Opening a pipe would wait for someone to write to it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	file, err := elf.Open(path)
	if err != nil {
		var format *elf.FormatError
		if errors.As(err, &format) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("not an ELF shared library")
		}
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("no such file")
		}
		return fmt.Errorf("cannot read it: %w", err)
	}
	defer file.Close()
	if want, known := machines[runtime.GOARCH]; known && file.Machine != want {
		return fmt.Errorf("built for a different processor, %v; this machine has %v", file.Machine, want)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return fmt.Errorf("cannot read its symbols: %w", err)
	}
	if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == entry && s.Section != elf.SHN_UNDEF }) {
		return fmt.Errorf("not an XLA plugin: it has no function %s", entry)
	}
	return nil
}

// machines maps GOARCH to the processors that XLA has plugins for.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
