package grade

import "strings"

// ChildCommand is the hidden command of this program that calls [Child].
const ChildCommand = "grade-child"

// A child that cannot become its program ends with this exit code and a message that
// begins with the prefix.
const (
	childFailed = 125
	childPrefix = ChildCommand + ": "
)

// Sandbox is what this system can do to shut submissions in.
type Sandbox struct {
	// Network, Files and Processes are whether a submission is kept from the network, from
	// files and from other processes.
	Network   bool `json:"network_denied"`
	Files     bool `json:"files_denied"`
	Processes bool `json:"processes_denied"`
	// Memory is whether the system holds to the memory limit. If not, package check does.
	Memory bool `json:"memory_limited"`

	system systemSandbox
}

// String says it in a line.
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
	var text strings.Builder
	if len(denied) > 0 {
		text.WriteString("submissions are kept from " + strings.Join(denied, ", "))
	}
	if len(open) > 0 {
		if text.Len() > 0 {
			text.WriteString("; ")
		}
		text.WriteString("this system cannot keep them from " + strings.Join(open, ", ") + ", only the list of imports does")
	}
	return text.String()
}
