package backend

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An option is an option of go-xla.
type option struct {
	name  string
	takes string // its values, in words
	valid func(value string) bool
}

const truth = "true or false"

var options = []option{
	{"allocator", "default, bfc, cuda_async, platform or vmm", isAllocator},
	{"memory_fraction", "a number greater than 0 and at most 1", isFraction},
	{"preallocate", truth, isTruth},
	{"shared_buffers", truth, isTruth},
	{"tf32", truth, isTruth},
	{"use_tfrt_gpu_client", truth, isTruth},
	{"visible_devices", "a list of numbers separated by semicolons, such as 0;1", areDevices},
}

func isAllocator(value string) bool {
	return slices.Contains([]string{"default", "bfc", "cuda_async", "platform", "vmm"}, value)
}

func isFraction(value string) bool {
	f, err := strconv.ParseFloat(value, 32)
	return err == nil && f > 0 && f <= 1
}

func isTruth(value string) bool {
	_, err := strconv.ParseBool(value)
	return err == nil
}

func areDevices(value string) bool {
	for device := range strings.SplitSeq(value, ";") {
		if _, err := strconv.ParseUint(device, 10, 31); err != nil {
			return false
		}
	}
	return true
}

// optionNames returns the names of the options, sorted.
func optionNames() []string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return names
}

// parseOption splits an option into name and value. For an option that is true or false, the name
// alone, as in "preallocate", stands for name=true, and "nopreallocate" for name=false.
func parseOption(text string) (name, value string, err error) {
	name, value, hasValue := strings.Cut(text, "=")
	for _, o := range options {
		switch {
		case o.takes == truth && !hasValue && name == o.name:
			return name, "true", nil
		case o.takes == truth && !hasValue && name == "no"+o.name:
			return o.name, "false", nil
		case name != o.name:
		case !o.valid(value):
			return "", "", fmt.Errorf("option %s: %q is not valid, want %s", name, value, o.takes)
		default:
			return name, value, nil
		}
	}
	return "", "", fmt.Errorf("unknown option %q; XLA's options are %s", name, strings.Join(optionNames(), ", "))
}

// complete checks the options, writes them as name=value, and adds the defaults for the kind of
// plugin.
func complete(kind string, given []string) ([]string, error) {
	values := map[string]string{}
	if kind == cuda {
		values["preallocate"] = "false" // so that several users can share a GPU
	}
	for _, text := range given {
		if text == "" {
			continue
		}
		name, value, err := parseOption(text)
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	var all []string
	for _, o := range options {
		if value, set := values[o.name]; set {
			all = append(all, o.name+"="+value)
		}
	}
	return all, nil
}
