package grade

import "strings"

// ChildCommand is the hidden command of this program that calls [Child].
const ChildCommand = "grade-child"

// A child that cannot become its program exits with childFailed and prints a message that
// begins with childPrefix.
const (
	childFailed = 125
	childPrefix = ChildCommand + ": "
)

// Sandbox is what this system can keep submissions from.
type Sandbox struct {
	// Network, Files and Processes are whether submissions are kept from the network, from
	// files and from other processes.
	Network   bool `json:"network_denied"`
	Files     bool `json:"files_denied"`
	Processes bool `json:"processes_denied"`
	// Memory is whether the system enforces the memory limit. If not, package check does.
	Memory bool `json:"memory_limited"`

	system systemSandbox
}

// whole reports whether submissions are kept from everything that they should be.
func (s *Sandbox) whole() bool { return s.Network && s.Files && s.Processes }

// String describes the sandbox in a line.
func (s *Sandbox) String() string {
	var denied, open []string
	for _, part := range []struct {
		name string
		on   bool
	}{{"the network", s.Network}, {"files", s.Files}, {"other processes", s.Processes}} {
		if part.on {
			denied = append(denied, part.name)
		} else {
			open = append(open, part.name)
		}
	}
	switch kept, left := and(denied), and(open); {
	case len(open) == 0:
		return "submissions are kept from " + kept
	case len(denied) == 0:
		return "this system cannot keep submissions from " + left + "; only the list of allowed imports does"
	default:
		return "submissions are kept from " + kept + "; this system cannot keep them from " + left + ", only the list of allowed imports does"
	}
}

// Risk says what a submission could do that the sandbox would prevent, or "" if there is nothing.
func (s *Sandbox) Risk() string {
	var acts []string
	if !s.Files {
		acts = append(acts, "read, change and delete your files")
	}
	if !s.Network {
		acts = append(acts, "send and receive over the network")
	}
	if !s.Processes {
		acts = append(acts, "start and end programs")
	}
	if len(acts) == 0 {
		return ""
	}
	return "a submission that finds a way around the list of allowed imports could " + and(acts) + ", under your account"
}

// and joins words into a phrase like "a, b and c".
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
