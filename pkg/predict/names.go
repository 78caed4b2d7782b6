package predict

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mapNames gives maps their files' names: that of the picture with -cam behind it.
type mapNames struct {
	folder string
	used   map[string]bool
	inputs map[string][]string // the inputs' paths, by their last elements in lower case
}

func newMapNames(folder string, inputs []Input) *mapNames {
	n := &mapNames{folder, map[string]bool{}, map[string][]string{}}
	for _, input := range inputs {
		base := strings.ToLower(filepath.Base(input.Name))
		n.inputs[base] = append(n.inputs[base], input.Name)
	}
	return n
}

// next returns the path of an input's map. Of pictures that are called the same, only their
// folders differ, the second one's has a 2, and so on; no map takes the place of an input.
func (n *mapNames) next(input Input) string {
	base := filepath.Base(input.Name)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	if input.Name == Stdin {
		base = "stdin"
	}
	for i := 1; ; i++ {
		name := base + "-cam.png"
		if i > 1 {
			name = fmt.Sprintf("%s-cam-%d.png", base, i)
		}
		path := filepath.Join(n.folder, name)
		key := strings.ToLower(name) // for some systems that is the same name
		if !n.used[key] && !n.isInput(path, key) {
			n.used[key] = true
			return path
		}
	}
}

func (n *mapNames) isInput(path, key string) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	for _, name := range n.inputs[key] {
		if input, err := os.Lstat(name); err == nil && os.SameFile(there, input) {
			return true
		}
	}
	return false
}
