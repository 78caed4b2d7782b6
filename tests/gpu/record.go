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
	readyEvent   = "ready"   // a process has taken its first steps
	windowEvent  = "window"  // Steps were taken in Seconds
	epochEvent   = "epoch"   // an epoch of training was done
	trainedEvent = "trained" // so was the run
	hloEvent     = "hlo"     // what a compiled step consists of
	failedEvent  = "failed"  // what was to be measured cannot be: Error says why
)

// record is a line of results.jsonl: what was measured, once.
type record struct {
	Part  string `json:"part"`
	Event string `json:"event"`
	// Time is when it was written, in UTC.
	Time string `json:"time,omitempty"`
	spec
	Seed uint64 `json:"seed,omitempty"`

	// Name and Value are of facts.
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	// TFLOPS is a rate, in 10¹² operations a second.
	TFLOPS float64 `json:"tflops,omitempty"`

	// FirstStep is the seconds from having the data to the end of the first step: what it
	// takes to build and compile it.
	FirstStep  float64 `json:"first_step_s,omitempty"`
	Parameters int64   `json:"parameters,omitempty"`

	Steps   int     `json:"steps,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	// AllocatedMiB is the most memory that the process says it had in use on the device, and
	// DeviceMiB by how much the memory in use on the card grew at most.
	AllocatedMiB float64 `json:"allocated_mib,omitempty"`
	DeviceMiB    float64 `json:"device_mib,omitempty"`

	// Epoch is from 1. TrainSeconds is the time spent in training up to its end, without
	// evaluation. Loss is the epoch's mean, Accuracy of the test images, 0 … 1.
	Epoch        int     `json:"epoch,omitempty"`
	Loss         float64 `json:"loss,omitempty"`
	Accuracy     float64 `json:"accuracy,omitempty"`
	TrainSeconds float64 `json:"train_s,omitempty"`

	// Of the Seconds of a window in the profile: how long calls of the device took to return; how long was
	// waited for results to be copied to the host; and how long it took to copy to the device.
	Execute float64 `json:"execute_s,omitempty"`
	Fetch   float64 `json:"fetch_s,omitempty"`
	Send    float64 `json:"send_s,omitempty"`
	// Device is the seconds in which kernels ran, where a profiler said.
	Device float64 `json:"device_s,omitempty"`
	// HLO counts what a compiled step does, by name.
	HLO map[string]int `json:"hlo,omitempty"`

	Error string `json:"error,omitempty"`
}

const resultsName = "results.jsonl"

// results are the records of a folder.
type results struct {
	file *os.File
	all  []record
}

// openResults makes dir if it is not there, and opens its records to add to them.
func openResults(dir string) (*results, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for results: %w", err)
	}
	all, whole, err := readRecords(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, resultsName), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the results: %w", err)
	}
	// What comes next begins a line, also after one that was cut short.
	if err := file.Truncate(whole); err != nil {
		return nil, errors.Join(fmt.Errorf("open the results: %w", err), file.Close())
	}
	if _, err := file.Seek(whole, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("open the results: %w", err), file.Close())
	}
	return &results{file, all}, nil
}

// readRecords returns the records in dir and the bytes they take. A last line that was cut
// short is left out; another that is no record is an error.
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

// add writes a record, which is on its way to the disk when add returns.
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

// count returns how many records there are that want says yes to.
func (r *results) count(want func(record) bool) int {
	n := 0
	for _, one := range r.all {
		if want(one) {
			n++
		}
	}
	return n
}
