package predict

import (
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/picture"
)

// Stdin is the name that stands for standard input.
const Stdin = "-"

// Input is a picture to be read.
type Input struct {
	// Name is the file's path, or Stdin.
	Name string
	err  error // known before reading
}

// Inputs returns the pictures that paths stand for: a file for itself, a folder for the
// files in it that are called as pictures are, sorted, but not for those in its folders.
// What there is no picture for is an Input too, which cannot be read.
func Inputs(paths []string) []Input {
	var inputs []Input
	stdin := false
	for _, path := range paths {
		if path == Stdin && stdin {
			inputs = append(inputs, Input{path, errors.New("standard input is one picture; give - once")})
			continue
		}
		stdin = stdin || path == Stdin
		if info, err := os.Stat(path); path == Stdin || err != nil || !info.IsDir() {
			inputs = append(inputs, Input{Name: path})
			continue
		}
		found, err := picturesIn(path)
		if err != nil {
			inputs = append(inputs, Input{path, err})
		}
		inputs = append(inputs, found...)
	}
	return inputs
}

func picturesIn(folder string) ([]Input, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read a folder of pictures: %w", err)
	}
	var found []Input
	folders := false
	for _, entry := range entries {
		switch name := entry.Name(); {
		case entry.IsDir():
			folders = true
		case !strings.HasPrefix(name, ".") && picture.IsImageName(name):
			input := Input{Name: filepath.Join(folder, name)}
			// A pipe would be waited for, and nobody has named it.
			if info, err := os.Stat(input.Name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
				input.err = fmt.Errorf("%s is a pipe or a device, want a picture", input.Name)
			}
			found = append(found, input)
		}
	}
	switch {
	case len(found) == 0 && folders:
		return nil, fmt.Errorf("there is no picture in %s, and folders in it are not looked into; name them: %s", folder, filepath.Join(folder, "*"))
	case len(found) == 0:
		return nil, fmt.Errorf("there is no picture in %s", folder)
	}
	return found, nil
}

func (i Input) read(stdin io.Reader) (image.Image, error) {
	switch {
	case i.err != nil:
		return nil, i.err
	case i.Name != Stdin:
		return picture.Read(i.Name, picture.Limits{})
	}
	photo, err := picture.Decode(stdin, picture.Limits{})
	if err != nil {
		return nil, fmt.Errorf("standard input %w", err)
	}
	return photo, nil
}
