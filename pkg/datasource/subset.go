package datasource

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/residual-go/residual/pkg/dataset"
)

// A subset takes part of a data set; its name says so if anything is left out.
type subset func(*dataset.Images) *dataset.Images

// parseSubsets parses [Options.Subset] into what to take of the training images and of the
// test images.
func parseSubsets(text string) (training, test subset, err error) {
	forTraining, forTest, two := strings.Cut(text, ",")
	if !two {
		forTest = forTraining
	}
	if training, err = parseSubset(forTraining); err != nil {
		return nil, nil, err
	}
	if test, err = parseSubset(forTest); err != nil {
		return nil, nil, err
	}
	return training, test, nil
}

func parseSubset(text string) (subset, error) {
	if text == "" {
		return func(m *dataset.Images) *dataset.Images { return m }, nil
	}
	number, perClass := strings.CutSuffix(text, "/class")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("subset %q: want a number of images, such as 500, or of images per class, such as 50/class", text)
	}
	return func(m *dataset.Images) *dataset.Images {
		var taken *dataset.Images
		if perClass {
			taken = m.FirstPerClass(n)
		} else {
			taken = m.First(n)
		}
		if taken.Len() < m.Len() {
			taken.Name = fmt.Sprintf("%s, first %s", m.Name, strings.Replace(text, "/", " per ", 1))
		}
		return taken
	}, nil
}
