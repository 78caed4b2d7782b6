package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
)

// metricsFile is the name of the file with a run's metrics.
const metricsFile = "metrics.jsonl"

// The kinds of lines in metrics.jsonl.
const (
	StepLine  = "step"
	EpochLine = "epoch"
)

// Metrics is a line of metrics.jsonl. A step line covers the steps since the last step line, an
// epoch line the whole epoch. Loss and accuracy are those of the training batches, each with the
// weights at its time.
type Metrics struct {
	Kind          string `json:"kind"`
	Epoch         int    `json:"epoch"` // from 1
	Epochs        int    `json:"epochs"`
	Step          int    `json:"step"` // from 1, over the whole run
	StepInEpoch   int    `json:"step_in_epoch"`
	StepsPerEpoch int    `json:"steps_per_epoch"`
	// Loss and Accuracy are means over the images.
	Loss     float64 `json:"loss"`
	Accuracy float64 `json:"accuracy"`
	// LearningRate is the learning rate of the last step.
	LearningRate float64 `json:"learning_rate"`
	// ImagesPerSecond is the speed of training, without evaluation.
	ImagesPerSecond float64 `json:"images_per_s"`
	// Seconds is the time that the steps of the epoch took, without evaluation; in epoch lines
	// only. Those of older versions have none.
	Seconds float64 `json:"seconds,omitempty"`
	// GradientNorm is the mean Euclidean norm of the gradient.
	GradientNorm float64 `json:"gradient_norm"`
	// TestLoss, TestTop1 and TestTop5 are in epoch lines only, if there are test images.
	TestLoss *float64 `json:"test_loss,omitempty"`
	TestTop1 *float64 `json:"test_top1,omitempty"`
	TestTop5 *float64 `json:"test_top5,omitempty"`
	// TestImages is the number of images that they are about, and TestSplit says which part of
	// the data these are.
	TestImages int           `json:"test_images,omitempty"`
	TestSplit  dataset.Split `json:"test_split,omitempty"`
}

// step has the metrics of one step.
type step struct {
	loss, accuracy, gradientNorm float64
	images                       int
}

// window is the totals of some steps, with the time they took.
type window struct {
	checkpoint.Totals
	since time.Time
	timed int // the number of images since then, but for those that were trained on while compiling
	// before is the time that earlier steps took, before the run was interrupted.
	before float64
}

// resumed returns a window that continues with the given totals.
func resumed(totals checkpoint.Totals, since time.Time) window {
	return window{Totals: totals, since: since, before: totals.Seconds}
}

func (w *window) add(s step) {
	w.Steps++
	w.Images += s.images
	w.timed += s.images
	w.Loss += s.loss * float64(s.images)
	w.Accuracy += s.accuracy * float64(s.images)
	w.GradientNorm += s.gradientNorm
	w.Seconds = w.before + time.Since(w.since).Seconds()
}

// fill returns m with the means of the window.
func (w *window) fill(m Metrics) Metrics {
	images := float64(max(1, w.Images))
	m.Loss, m.Accuracy = w.Loss/images, w.Accuracy/images
	m.GradientNorm = w.GradientNorm / float64(max(1, w.Steps))
	if m.Kind == EpochLine {
		m.Seconds = w.Seconds
	}
	if seconds := time.Since(w.since).Seconds(); seconds > 0 {
		m.ImagesPerSecond = float64(max(0, w.timed)) / seconds
	}
	return m
}

// metricsWriter appends to metrics.jsonl.
type metricsWriter struct{ file *os.File }

// openMetrics opens the metrics of a run that resumes after the given step. It drops lines of
// later steps, and a last line that is incomplete because the process was killed. If
// epochPending, the line of the epoch that ends with step is about to be written again, so that
// is dropped too.
func openMetrics(dir string, step int, epochPending bool) (*metricsWriter, error) {
	path := filepath.Join(dir, metricsFile)
	lines, err := ReadMetrics(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		for _, line := range lines {
			if line.Step > step || epochPending && line.Step == step && line.Kind == EpochLine {
				break
			}
			if err := encoder.Encode(line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	return &metricsWriter{file}, nil
}

func (m *metricsWriter) write(line Metrics) error {
	content, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	if _, err := m.file.Write(append(content, '\n')); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func (m *metricsWriter) sync() error {
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

// Close closes the file.
func (m *metricsWriter) Close() error { return m.file.Close() }

// ReadMetrics returns the metrics of the run in dir. It ignores an incomplete last line. Any
// other line that is not JSON of metrics is an error that names the file and the line.
func ReadMetrics(dir string) ([]Metrics, error) {
	path := filepath.Join(dir, metricsFile)
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	if end := bytes.LastIndexByte(content, '\n'); end >= 0 {
		content = content[:end+1]
	} else {
		content = nil
	}
	var lines []Metrics
	scanner := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; scanner.Scan(); n++ {
		var line Metrics
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		lines = append(lines, line)
	}
	return lines, scanner.Err()
}
