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

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Input is an image to read.
type Input struct {
	// Name is the path of the file, or Stdin.
	Name string
	err  error // a problem that is known before reading
}

// Inputs expands paths into the images to read. A folder stands for the image files directly
// in it, sorted by name; it is not searched recursively. There, a file is an image if
// [picture.IsImageName] says so and its name does not begin with a dot; all else is passed over. A
// path that leads to no image gives an Input that fails when it is read, so that every problem ends
// up in a [Prediction].
func Inputs(paths []string) []Input {
	var inputs []Input
	stdin := false
	for _, path := range paths {
		if path == Stdin && stdin {
			inputs = append(inputs, Input{path, errors.New("standard input holds one image; give - only once")})
			continue
		}
		stdin = stdin || path == Stdin
		if info, err := os.Stat(path); path == Stdin || err != nil || !info.IsDir() {
			inputs = append(inputs, Input{Name: path})
			continue
		}
		found, err := imagesIn(path)
		if err != nil {
			inputs = append(inputs, Input{path, err})
		}
		inputs = append(inputs, found...)
	}
	return inputs
}

// imagesIn lists the image files directly in a folder.
func imagesIn(folder string) ([]Input, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read a folder of images: %w", err)
	}
	var found []Input
	folders := false
	for _, entry := range entries {
		switch name := entry.Name(); {
		case entry.IsDir():
			folders = true
		case !strings.HasPrefix(name, ".") && picture.IsImageName(name):
			input := Input{Name: filepath.Join(folder, name)}
			// Opening a pipe blocks, and nobody asked for this one by name.
			if info, err := os.Stat(input.Name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
				input.err = fmt.Errorf("%s is a pipe or a device, want an image file", input.Name)
			}
			found = append(found, input)
		}
	}
	switch {
	case len(found) == 0 && folders:
		return nil, fmt.Errorf("there are no images in %s, and the folders in it are not searched; name them: %s", folder, filepath.Join(folder, "*"))
	case len(found) == 0:
		return nil, fmt.Errorf("there are no images in %s", folder)
	}
	return found, nil
}

// read decodes the image, the first frame if there are more.
func (i Input) read(stdin io.Reader) (photo image.Image, more bool, err error) {
	switch {
	case i.err != nil:
		return nil, false, i.err
	case i.Name != Stdin:
		return picture.ReadFrame(i.Name, picture.Limits{})
	case stdin == nil:
		return nil, false, errors.New("there is no standard input to read an image from")
	}
	if photo, more, err = picture.DecodeFrame(stdin, picture.Limits{}); err != nil {
		return nil, false, fmt.Errorf("standard input %w", err)
	}
	return photo, more, nil
}
