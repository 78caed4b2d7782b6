package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The events of a record.
const (
	factEvent    = "fact"    // something about the machine: Name and Value
	rateEvent    = "rate"    // the matrix product: TFLOPS
	readyEvent   = "ready"   // a process took its first steps
	windowEvent  = "window"  // a process took Steps in Seconds
	epochEvent   = "epoch"   // an epoch of training ended
	trainedEvent = "trained" // a training run ended
	hloEvent     = "hlo"     // the instructions of a compiled step
	failedEvent  = "failed"  // a measurement failed: Error
)

// record is a line of results.jsonl: one measurement.
type record struct {
	Part  string `json:"part"`
	Event string `json:"event"`
	// Time is when the record was written, in UTC.
	Time string `json:"time,omitempty"`
	spec
	Seed uint64 `json:"seed,omitempty"`

	// Name and Value describe a fact.
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	// TFLOPS is a rate, in 10¹² operations per second.
	TFLOPS float64 `json:"tflops,omitempty"`

	// FirstStep is the time from having the data to the end of the first step, in seconds: mostly that
	// for building and compiling it.
	FirstStep  float64 `json:"first_step_s,omitempty"`
	Parameters int64   `json:"parameters,omitempty"`

	Steps   int     `json:"steps,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	// AllocatedMiB is the process's peak memory on the device by its own account, and DeviceMiB the
	// largest growth of the memory in use on the card.
	AllocatedMiB float64 `json:"allocated_mib,omitempty"`
	DeviceMiB    float64 `json:"device_mib,omitempty"`

	// Epoch counts from 1. TrainSeconds is the training time up to its end, without evaluation. Loss is
	// the mean over the epoch, and Accuracy, from 0 to 1, that on the test images.
	Epoch        int     `json:"epoch,omitempty"`
	Loss         float64 `json:"loss,omitempty"`
	Accuracy     float64 `json:"accuracy,omitempty"`
	TrainSeconds float64 `json:"train_s,omitempty"`

	// The parts of Seconds in a window of the profile: calls of the device, waiting for results to be
	// copied to the host, and copying to the device.
	Execute float64 `json:"execute_s,omitempty"`
	Fetch   float64 `json:"fetch_s,omitempty"`
	Send    float64 `json:"send_s,omitempty"`
	// Device is the time in which kernels ran, in seconds, if there is a profiler.
	Device float64 `json:"device_s,omitempty"`
	// HLO counts the instructions of a compiled step by name.
	HLO map[string]int `json:"hlo,omitempty"`
	// Products is the number of convolutions and matrix products, including those within fusions. 0 means
	// that the counts are from an earlier version, which took those of the largest program.
	Products int `json:"products,omitempty"`

	Error string `json:"error,omitempty"`
}

const resultsName = "results.jsonl"

// results holds the records of a folder.
type results struct {
	file *os.File
	all  []record
}

// openResults opens the records in dir to add to them. It creates dir if necessary.
func openResults(dir string) (*results, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the folder for results: %w", err)
	}
	all, whole, err := readRecords(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, resultsName), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the results: %w", err)
	}
	// Drop an incomplete last line.
	if err := file.Truncate(whole); err != nil {
		return nil, errors.Join(fmt.Errorf("open the results: %w", err), file.Close())
	}
	if _, err := file.Seek(whole, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("open the results: %w", err), file.Close())
	}
	return &results{file, all}, nil
}

// readRecords returns the records in dir and their length in bytes. It ignores an incomplete last
// line; any other malformed line is an error.
func readRecords(dir string) (all []record, whole int64, err error) {
	path := filepath.Join(dir, resultsName)
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read the results: %w", err)
	}
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, 0, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		all = append(all, r)
	}
	return all, int64(len(content)), lines.Err()
}

// add appends a record to the file and syncs it.
func (r *results) add(one record) error {
	one.Time = time.Now().UTC().Format(time.RFC3339)
	line, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("write a result: %w", err)
	}
	if _, err := r.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write a result: %w", err)
	}
	r.all = append(r.all, one)
	return r.file.Sync()
}

// count returns the number of records for which want returns true.
func (r *results) count(want func(record) bool) int {
	n := 0
	for _, one := range r.all {
		if want(one) {
			n++
		}
	}
	return n
}
