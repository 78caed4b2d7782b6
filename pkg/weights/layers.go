package weights

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/statedict"
)

// A layer is a convolution, a batch norm or a linear layer: the tensors whose names differ
// in the last part only.
type layer struct {
	path string
	// shape is that of the weight.
	shape []int
	// norm is set if there are running statistics.
	norm bool
}

func (l layer) isConv() bool   { return len(l.shape) == 4 }
func (l layer) isLinear() bool { return len(l.shape) == 2 }

// in and out are the channels of a convolution, apart from groups.
func (l layer) in() int  { return l.shape[1] }
func (l layer) out() int { return l.shape[0] }

// is reports whether the layer is a convolution with a square kernel of the given side.
func (l layer) is(side int) bool { return l.shape[2] == side && l.shape[3] == side }

// isStem reports whether it is a convolution of RGB images. One of three groups or channels
// that is 1×1 is not.
func (l layer) isStem() bool { return l.isConv() && l.in() == 3 && !l.is(1) }

// inHead reports whether the layer is a batch norm of the head: one beside a linear layer, as
// in fc.0 and fc.1, where no convolutions are.
func (l layer) inHead(layers []layer) bool {
	dot := strings.LastIndex(l.path, ".")
	if !l.norm || dot < 0 {
		return false
	}
	parent, linear := l.path[:dot+1], false
	for _, other := range layers {
		inside := strings.HasPrefix(other.path, parent)
		if inside && other.isConv() {
			return false
		}
		linear = linear || inside && other.isLinear()
	}
	return linear
}

// layersOf groups tensors into layers, in the order of the names. Tensors that belong to
// none of the three kinds are left out.
func layersOf(tensors map[string]statedict.Tensor, names []string) (layers []layer) {
	for _, name := range names {
		path, ok := strings.CutSuffix(name, ".weight")
		if !ok {
			continue
		}
		l := layer{path: path, shape: tensors[name].Shape}
		_, l.norm = tensors[path+".running_mean"]
		if l.isConv() && slices.Min(l.shape) > 0 || l.isLinear() || l.norm && len(l.shape) == 1 {
			layers = append(layers, l)
		}
	}
	return layers
}

// naturally compares names by the text and the numbers in them: layer2 comes before layer10.
func naturally(a, b string) int {
	partsA, partsB := numbers.FindAllString(a, -1), numbers.FindAllString(b, -1)
	for i := range min(len(partsA), len(partsB)) {
		x, y := strings.TrimLeft(partsA[i], "0"), strings.TrimLeft(partsB[i], "0")
		if isDigit(partsA[i]) && isDigit(partsB[i]) {
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
				return c
			}
		} else if c := strings.Compare(partsA[i], partsB[i]); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(partsA), len(partsB)), strings.Compare(a, b))
}

var numbers = regexp.MustCompile(`[0-9]+|[^0-9.]+|\.`)

func isDigit(text string) bool { return text[0] >= '0' && text[0] <= '9' }

// A block is a residual block, or one of a plain network.
type block struct {
	// main are the convolutions of the main path in order, and shortcut that of the shortcut,
	// if it has one.
	main     []layer
	shortcut *layer
	// prefix is what the names of all its layers begin with.
	prefix string
}

func (b block) in() int  { return b.main[0].in() }
func (b block) out() int { return b.main[len(b.main)-1].out() }

// convolutions returns all convolutions of the block.
func (b block) convolutions() []layer {
	if b.shortcut == nil {
		return b.main
	}
	return append(slices.Clone(b.main), *b.shortcut)
}

// aside matches the names of shortcuts.
var aside = regexp.MustCompile(`(?i)short|down|skip|proj|ident|match|side|bypass`)

// A structureError says why layers are not those of a residual network for certain: the
// names of its layers say nothing about their places, or other than the shapes.
type structureError struct {
	reason string
	// known is set if it is a kind of network that is not supported, whatever its names.
	known bool
}

func (e *structureError) Error() string { return e.reason }

func unclear(format string, values ...any) error {
	return &structureError{fmt.Sprintf(format, values...), false}
}

// places returns the names in torchvision of the layers that are a residual network's, by
// their paths: of all convolutions and batch norms. names are those of the tensors in the
// order in which the layers were made, or nil. It is an error if there is no way, or more
// than one, to see the layers as a network of blocks.
func places(tensors map[string]statedict.Tensor, names []string) (map[string]string, error) {
	inOrder := slices.SortedFunc(maps.Keys(tensors), naturally)
	byName, errName := placesIn(layersOf(tensors, inOrder), true)
	if names == nil || slices.IsSorted(names) { // the order says nothing
		return byName, errName
	}
	byOrder, errOrder := placesIn(layersOf(tensors, names), false)
	known := func(err error) bool {
		structure, ok := errors.AsType[*structureError](err)
		return ok && structure.known
	}
	switch {
	case errOrder != nil && (errName == nil || known(errName)):
		return byName, errName
	case errOrder != nil || errName != nil:
		return byOrder, errOrder
	}
	for path, place := range byOrder {
		if byName[path] != place {
			return nil, unclear("%s is %s by the order of the file but %s by the order of the names", path, place, byName[path])
		}
	}
	return byOrder, nil
}

// placesIn is places for layers in one order. If that comes from the names, layers that could
// change places may differ in numbers only.
func placesIn(layers []layer, fromNames bool) (map[string]string, error) {
	var stems, convs, norms []layer
	for _, l := range layers {
		switch {
		case l.inHead(layers):
		case l.isStem():
			stems = append(stems, l)
		case l.isConv():
			convs = append(convs, l)
		case l.norm:
			norms = append(norms, l)
		}
	}
	if len(stems) != 1 {
		return nil, unclear("%d convolutions take images of 3 channels, want 1", len(stems))
	}
	blocks, err := blocksOf(convs, "")
	if err != nil {
		return nil, err
	}
	if len(blocks) == 0 {
		return nil, unclear("it has no blocks")
	}
	if fromNames {
		if err := numbered(blocks); err != nil {
			return nil, err
		}
	}
	post, errPost := assign(stems[0], blocks, norms, layers, false)
	pre, errPre := assign(stems[0], blocks, norms, layers, true)
	switch {
	case errPost == nil && errPre == nil:
		return nil, unclear("its batch norms may come before or after the convolutions")
	case errPost != nil && errPre == nil:
		return pre, nil
	}
	return post, errPost
}

// numbered returns an error if blocks, or convolutions in a block, of the same shapes are
// told apart by more than numbers: the order of words means nothing.
func numbered(blocks []block) error {
	word := regexp.MustCompile(`[0-9]+`)
	same := func(a, b string) error {
		if word.ReplaceAllString(a, "#") != word.ReplaceAllString(b, "#") {
			return unclear("the names do not say which of %s and %s comes first", a, b)
		}
		return nil
	}
	for i, b := range blocks {
		first, second := b.main[0], b.main[1]
		if len(b.main) == 2 && slices.Equal(first.shape, second.shape) {
			if err := same(first.path, second.path); err != nil {
				return err
			}
		}
		if i > 0 && b.in() == b.out() && blocks[i-1].in() == b.in() && blocks[i-1].out() == b.out() && b.shortcut == nil {
			if err := same(blocks[i-1].prefix, b.prefix); err != nil {
				return err
			}
		}
	}
	return nil
}

// blocksOf returns the blocks that convolutions whose names begin with prefix form: as few
// parts of names as possible tell the blocks apart.
func blocksOf(convs []layer, prefix string) ([]block, error) {
	if len(convs) == 0 {
		return nil, nil
	}
	b, err := blockOf(convs, prefix)
	if err != nil {
		return nil, err
	}
	if b != nil {
		return []block{*b}, nil
	}
	var parts []string
	of := map[string][]layer{}
	for _, c := range convs {
		rest := strings.TrimPrefix(c.path, prefix)
		part, _, more := strings.Cut(rest, ".")
		if !more {
			return nil, unclear("%s is in no block", c.path)
		}
		if of[part] == nil {
			parts = append(parts, part)
		}
		of[part] = append(of[part], c)
	}
	var blocks []block
	for _, part := range parts {
		more, err := blocksOf(of[part], prefix+part+".")
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, more...)
	}
	return blocks, nil
}

// blockOf returns the block that all of the convolutions form; nil if they form none.
func blockOf(convs []layer, prefix string) (*block, error) {
	var main, aside1, small []layer
	for _, c := range convs {
		switch {
		case c.is(3) && aside.MatchString(strings.TrimPrefix(c.path, prefix)):
			aside1 = append(aside1, c)
		case c.is(3):
			main = append(main, c)
		case c.is(1):
			small = append(small, c)
		default:
			return nil, nil
		}
	}
	switch {
	case len(main) == 2 && len(aside1)+len(small) <= 1: // a basic block
		if main[1].in() != main[0].out() {
			main[0], main[1] = main[1], main[0]
		}
		if main[1].in() != main[0].out() {
			return nil, nil
		}
		if len(aside1) == 1 {
			return nil, &structureError{fmt.Sprintf("its shortcuts have 3×3 convolutions where ResNet's have 1×1 ones (%s)", aside1[0].path), true}
		}
		b := &block{main: main, prefix: prefix}
		if len(small) == 1 {
			b.shortcut = &small[0]
		}
		return b, b.check()
	case len(main) == 1 && len(aside1) == 0 && (len(small) == 2 || len(small) == 3): // a bottleneck
		return bottleneck(main[0], small, prefix)
	}
	return nil, nil
}

// bottleneck returns the block of a 3×3 convolution and two or three 1×1 convolutions.
func bottleneck(middle layer, small []layer, prefix string) (*block, error) {
	var found []*block
	for i, first := range small {
		for j, last := range small {
			if i == j || first.out() != middle.out() || last.in() != middle.out() {
				continue
			}
			b := &block{main: []layer{first, middle, last}, prefix: prefix}
			for k := range small {
				if k != i && k != j {
					b.shortcut = &small[k]
				}
			}
			if b.check() == nil {
				found = append(found, b)
			}
		}
	}
	if len(found) > 1 { // the shortcut is the one called like that, and the rest is in order
		named := slices.DeleteFunc(slices.Clone(found), func(b *block) bool {
			return b.shortcut == nil || !aside.MatchString(strings.TrimPrefix(b.shortcut.path, prefix))
		})
		switch {
		case len(named) > 0:
			found = named[:1]
		case found[0].shortcut == nil:
			found = found[:1]
		default:
			return nil, unclear("which of the 1×1 convolutions of %s is the shortcut is not clear", strings.TrimSuffix(prefix, "."))
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found[0], nil
}

// check returns an error if the shortcut has other channels than the main path.
func (b *block) check() error {
	if s := b.shortcut; s != nil && (s.in() != b.in() || s.out() != b.out()) {
		return unclear("the shortcut %s has shape %v", s.path, s.shape)
	}
	return nil
}

// assign gives every convolution and batch norm its name in torchvision. The batch norms come
// after the convolutions or, with pre-activation, before those of the main paths.
func assign(stem layer, blocks []block, norms, layers []layer, preActivation bool) (map[string]string, error) {
	to := map[string]string{stem.path: "conv1"}
	outside := slices.Clone(norms)
	stage, index, channels, width := 1, 0, stem.out(), 0
	for i, b := range blocks {
		if b.in() != channels || len(b.main) != len(blocks[0].main) {
			return nil, unclear("%s does not follow what comes before it", strings.TrimSuffix(b.prefix, "."))
		}
		channels = b.out()
		if i > 0 && channels != width {
			stage, index = stage+1, 0
		}
		width = channels
		name := fmt.Sprintf("layer%d.%d.", stage, index)
		index++
		inside := func(l layer) bool { return strings.HasPrefix(l.path, b.prefix) }
		outside = slices.DeleteFunc(outside, inside)
		normed := b.convolutions()
		if preActivation {
			normed = b.main
		}
		pairs, err := pairNorms(normed, slices.DeleteFunc(slices.Clone(layers), func(l layer) bool { return !inside(l) }), b.prefix, preActivation)
		if err != nil {
			return nil, err
		}
		for n, conv := range b.main {
			to[conv.path] = fmt.Sprintf("%sconv%d", name, n+1)
			to[pairs[conv.path]] = fmt.Sprintf("%sbn%d", name, n+1)
		}
		if b.shortcut != nil {
			to[b.shortcut.path] = name + "downsample.0"
			if !preActivation {
				to[pairs[b.shortcut.path]] = name + "downsample.1"
			}
		}
	}
	place, want := "bn1", stem.out()
	if preActivation {
		place, want = "norm", channels
	}
	if len(outside) != 1 || outside[0].shape[0] != want {
		return nil, unclear("%d batch norms are in no block, want one of %d channels", len(outside), want)
	}
	to[outside[0].path] = place
	return to, nil
}

// kind matches the words in names that say what kind of layer it is.
var kind = regexp.MustCompile(`conv(olution)?(2d)?|batch_?norm(2d)?|bn|norm`)

// pairNorms returns the path of the batch norm of each of the convolutions, out of the layers
// of a block. They belong together if their names are the same but for the kind of layer, as
// in conv2 and bn2, or if they are neighbours.
func pairNorms(convs, layers []layer, prefix string, before bool) (map[string]string, error) {
	key := func(l layer) string {
		return kind.ReplaceAllString(strings.ToLower(strings.TrimPrefix(l.path, prefix)), "")
	}
	normed := map[string]bool{}
	for _, c := range convs {
		normed[c.path] = true
	}
	var ours, norms []layer // what is to be paired
	for _, l := range layers {
		if l.norm {
			norms = append(norms, l)
		}
		if l.norm || normed[l.path] {
			ours = append(ours, l)
		}
	}
	if len(norms) != len(convs) {
		return nil, unclear("%s has %d batch norms for %d convolutions", strings.TrimSuffix(prefix, "."), len(norms), len(convs))
	}
	pairs, paired := map[string]string{}, map[string]bool{}
	byKey := map[string][]layer{}
	for _, l := range ours {
		byKey[key(l)] = append(byKey[key(l)], l)
	}
	for _, c := range convs {
		if same := byKey[key(c)]; len(same) == 2 && same[0].norm != same[1].norm {
			norm := same[0]
			if same[1].norm {
				norm = same[1]
			}
			pairs[c.path] = norm.path
			paired[c.path], paired[norm.path] = true, true
		}
	}
	rest := slices.DeleteFunc(ours, func(l layer) bool { return paired[l.path] })
	for pair := range slices.Chunk(rest, 2) {
		first, second := pair[0], pair[len(pair)-1]
		if first.norm == second.norm || first.norm != before {
			return nil, unclear("which batch norm belongs to %s is not clear", first.path)
		}
		if before {
			first, second = second, first
		}
		pairs[first.path] = second.path
	}
	channels := map[string]int{}
	for _, n := range norms {
		channels[n.path] = n.shape[0]
	}
	for _, c := range convs {
		want := c.out()
		if before {
			want = c.in()
		}
		// A grouped convolution's shape does not tell how many channels go in.
		if got := channels[pairs[c.path]]; got != want && !(before && got%want == 0) {
			return nil, unclear("%s has %d channels, want the %d of %s", pairs[c.path], got, want, c.path)
		}
	}
	return pairs, nil
}
