package datasource

import (
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/weights"
)

func TestMatchClasses(t *testing.T) {
	imageNet := weights.ImageNetClasses()
	for _, test := range []struct {
		images, network []string
		want            []int32 // the label that each class of the images gets
		err             string
	}{
		{cifar.CIFAR10.Classes(), cifar.CIFAR10.Classes(), []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, ""},
		{[]string{"car", "plane", "ship"}, cifar.CIFAR10.Classes(), []int32{1, 0, 8}, ""},
		{[]string{"Aquarium Fish", "pine-tree"}, cifar.CIFAR100.Classes(), []int32{1, 59}, ""},
		{[]string{"cafe\u0301"}, []string{"bar", "café"}, []int32{1}, ""},
		{[]string{"crane", "Crane"}, []string{"crane", "Crane"}, []int32{0, 1}, ""},
		{[]string{"n15075141", "n01440764", "n02123045", "n03000684"}, imageNet, []int32{999, 0, 281, 491}, ""}, // toilet paper, tench, tabby, chain saw
		{[]string{"n01440764"}, cifar.CIFAR10.Classes(), nil, "n01440764 is none of"},
		{[]string{"n99999999"}, imageNet, nil, "n99999999 is none of the network's 1000 classes (tench, "},
		{[]string{"CRANE"}, []string{"crane", "Crane"}, nil, "CRANE stands for 2 of the network's classes"},
		{[]string{"cat", "owl"}, []string{"cat", "dog"}, nil, "owl is none of the network's 2 classes (cat, dog)"},
		{[]string{"owl"}, cifar.CIFAR100.Classes(), nil, "of the network's 100 classes (apple, aquarium_fish, "},
	} {
		images := &dataset.Images{Classes: test.images}
		for i := range test.images {
			images.Labels = append(images.Labels, int32(i))
		}
		got, err := MatchClasses(images, test.network)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%q: got error %v, want %q", test.images, err, test.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got.Labels, test.want) || !slices.Equal(got.Classes, test.network) {
			t.Errorf("%q in %q: labels %v and error %v, want %v", test.images, test.network, got, err, test.want)
		}
	}
}
