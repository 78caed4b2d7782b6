package predict

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mapNames chooses file names for class activation maps: photo.jpg gets photo-cam.png.
type mapNames struct {
	folder string
	used   map[string]bool
	inputs map[string][]string // paths of the inputs, by base name in lower case
}

func newMapNames(folder string, inputs []Input) *mapNames {
	n := &mapNames{folder, map[string]bool{}, map[string][]string{}}
	for _, input := range inputs {
		base := strings.ToLower(filepath.Base(input.Name))
		n.inputs[base] = append(n.inputs[base], input.Name)
	}
	return n
}

// next returns the path for an input's map. Inputs of the same name from different folders
// get photo-cam.png, photo-cam-2.png and so on. A map never overwrites an input.
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
		key := strings.ToLower(name) // some file systems ignore case
		if !n.used[key] && !n.isInput(path, key) {
			n.used[key] = true
			return path
		}
	}
}

// isInput reports whether path, whose base name in lower case is key, is one of the inputs.
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
