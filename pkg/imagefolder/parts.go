package imagefolder

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// part is what the images in a folder are for.
type part int

const (
	training part = iota
	validation
	test
	all // of a folder that has no parts of its own
)

func (p part) String() string {
	switch p {
	case training:
		return "training"
	case validation:
		return "validation"
	case test:
		return "test"
	}
	return "all"
}

// partFolders are the folders with the parts of a data set, "" for a part without one. If there
// are none, the class folders are in root.
type partFolders struct {
	root, train, val, test string
}

// split reports whether there are folders to evaluate on.
func (p partFolders) split() bool { return p.val != "" || p.test != "" }

// evaluated returns the folder to evaluate on.
func (p partFolders) evaluated() string { return cmp.Or(p.test, p.val) }

// parts finds the parts of the data set in dir. Folders named train, val or test, or like
// training_set or seg_test, are parts if there is one to train on and one to evaluate on, or
// if nothing else is beside them; otherwise they are classes. Folders that only wrap another
// folder, as archives have them, are opened.
func (l *listing) parts(dir string) (partFolders, error) {
	root, err := inner(dir)
	if err != nil {
		return partFolders{}, err
	}
	folders, images, err := (&listing{}).lookInto(root)
	if err != nil {
		return partFolders{}, err
	}
	found := map[part]string{}
	var others []string
	for _, folder := range folders {
		p, ok := partNamed(folder)
		if _, taken := found[p]; !ok || taken {
			others = append(others, folder)
			continue
		}
		found[p] = folder
	}
	path := func(p part) (string, error) {
		if found[p] == "" {
			return "", nil
		}
		dir := filepath.Join(root, found[p])
		inside, images, err := (&listing{}).lookInto(dir)
		if err != nil {
			return "", err
		}
		// seg_test/seg_test wraps the class folders, even if there is only one.
		if len(inside) == 1 && len(images) == 0 {
			if again, ok := partNamed(inside[0]); ok && again == p {
				dir = filepath.Join(dir, inside[0])
			}
		}
		return inner(dir)
	}
	p := partFolders{root: root}
	if _, train := found[training]; len(found) < 2 || !train && len(others) > 0 {
		return p, nil
	}
	if p.train, err = path(training); err != nil {
		return p, err
	}
	if p.val, err = path(validation); err != nil {
		return p, err
	}
	if p.test, err = path(test); err != nil {
		return p, err
	}
	var used []string
	for _, which := range []part{training, validation, test} {
		if found[which] != "" {
			used = append(used, found[which])
		}
	}
	for _, folder := range others {
		l.pass(filepath.Join(root, folder), fmt.Sprintf("is not used: the images come from %s", listed(used)))
	}
	for _, path := range images {
		l.pass(path, loose)
	}
	return p, nil
}

// listed joins words as in "a, b and c".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// partNamed returns the part that a folder's name stands for: train, Training, training_set,
// seg_train, test-images, trainset, TestData, valid.
func partNamed(folder string) (part, bool) {
	found, count := training, 0
	for _, word := range words(folder) {
		for _, affix := range []string{"set", "data", "dataset", "images", "imgs"} {
			if stem, ok := strings.CutSuffix(word, affix); ok && stem != "" && stem != "data" {
				word = stem
			}
		}
		switch word {
		case "train", "training":
			found = training
		case "val", "valid", "validation", "dev":
			found = validation
		case "test", "testing":
			found = test
		case "set", "data", "dataset", "images", "imgs", "image", "img", "seg", "split", "folder":
			continue
		default:
			return 0, false
		}
		count++
	}
	return found, count == 1
}

// words splits a name at spaces, punctuation and capitals, into lower case.
func words(name string) []string {
	var words []string
	var word []rune
	var before rune
	end := func() {
		if len(word) > 0 {
			words, word = append(words, strings.ToLower(string(word))), nil
		}
	}
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case unicode.IsUpper(r) && unicode.IsLower(before):
			end()
			fallthrough
		default:
			word = append(word, r)
		}
		before = r
	}
	end()
	return words
}

// inner returns dir or, if all that dir has is one folder around other folders, that folder,
// and so on: archives often wrap the class folders twice. A folder with images in it, or with
// a single class, is not a wrapper.
func inner(dir string) (string, error) {
	for at := dir; ; {
		folders, images, err := (&listing{}).lookInto(at)
		if err != nil {
			return "", err
		}
		switch {
		case len(images) > 0 || len(folders) == 0:
			return dir, nil
		case len(folders) > 1:
			return at, nil
		}
		at = filepath.Join(at, folders[0])
	}
}
