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

// entry is the function that makes a library a plugin.
const entry = "GetPjrtApi"

// Examine returns an error if the file at path cannot be a plugin for this machine: it is no
// ELF library, is for another kind of processor, or has no GetPjrtApi. It only reads the file.
func Examine(path string) error {
	// Opening a pipe would wait for someone to write to it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is no ordinary file")
	}
	file, err := elf.Open(path)
	if err != nil {
		var format *elf.FormatError
		if errors.As(err, &format) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("it is no ELF shared library")
		}
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("there is no such file")
		}
		return fmt.Errorf("it cannot be read: %w", err)
	}
	defer file.Close()
	if want, known := machines[runtime.GOARCH]; known && file.Machine != want {
		return fmt.Errorf("it is for another processor, %v, and this machine has %v", file.Machine, want)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return fmt.Errorf("its symbols cannot be read: %w", err)
	}
	if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == entry && s.Section != elf.SHN_UNDEF }) {
		return fmt.Errorf("it is no XLA plugin: it has no function %s", entry)
	}
	return nil
}

// machines are the processors that XLA has plugins for, by GOARCH.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
