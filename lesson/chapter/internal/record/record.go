// Package record is shared by the programs that train the course's recorded experiments: their main
// function, and files with a JSON line for each training.
package record

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/printable"
)

// Main runs the command of the named program with a context that SIGINT and SIGTERM cancel. It prints an
// error in one line, and then ends the program with exit code 1.
func Main(name string, command func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, name+": "+printable.Line(err.Error()))
		os.Exit(1)
	}
}

// Read returns the records in the file at path, one for each line that is not empty. The error wraps
// [io/fs.ErrNotExist] if there is no file, and otherwise names the line.
func Read[T any](path string) ([]T, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the recorded experiment: %w", err)
	}
	var records []T
	for i, line := range bytes.Split(bytes.TrimSpace(content), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r T
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, i+1, err)
		}
		records = append(records, r)
	}
	return records, nil
}

// Write replaces the file at path by one with the records, which [Read] returns.
func Write[T any](path string, records []T) error {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	for _, r := range records {
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("record the experiment: %w", err)
		}
	}
	return atomicfile.WriteBytes(path, content.Bytes())
}
