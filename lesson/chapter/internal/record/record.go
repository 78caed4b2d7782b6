// Package record is shared by the programs that train the course's recorded experiments, and by the tables
// of them: a main function, files with a JSON line for each training, and how differences are written.
package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
)

// Main runs the command of the named program with a context that SIGINT and SIGTERM cancel. It prints an
// error in one line, with advice if a folder has a run of another recipe, and then ends the program with exit
// code 1.
func Main(name string, command func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, name+": "+message(err))
		os.Exit(1)
	}
}

func message(err error) string {
	line := printable.Line(err.Error())
	if errors.Is(err, run.ErrOtherRecipe) {
		line += "; remove that folder, or choose another"
	}
	return line
}

// Read returns the records in the file at path, one for each line that is not empty. The error wraps
// [io/fs.ErrNotExist] if there is no file. A line that is no record is named with the file.
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

// Points writes a difference of accuracies from 0 to 1 in percentage points, as in "−1.3 points".
func Points(difference float64) string {
	return strings.Replace(fmt.Sprintf("%+.1f points", 100*difference), "-", "−", 1)
}
