package weights

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/torchfile"
)

// longestName bounds a tensor's name, in bytes: names appear in reports and error messages.
const longestName = 1 << 10

// Canonical returns the tensors under torchvision's names, with notes for the user on what
// was changed:
//
//   - Prefixes that programs put before every name are removed: module. (DataParallel),
//     _orig_mod. (torch.compile), backbone., model. and the like, also one after the other,
//     and any other prefix that all names of the body have.
//   - linear, the name in pytorch_resnet_cifar10 and pytorch-cifar, becomes fc. So does any
//     other linear layer that is the only one, such as classifier.1. A block's shortcut.0 and
//     shortcut.1, the names in pytorch-cifar, become downsample.0 and .1.
//   - Names that are not torchvision's at all are replaced by the order and shapes of the
//     layers, if there is only one way to see them as those of a residual network.
//   - Biases of convolutions are folded into the batch norms behind them.
//   - num_batches_tracked is dropped: no network here uses it.
//
// The names of torchvision and timm stay as they are. It is an error if two tensors get the
// same name, or if a name is not printable or is longer than 1024 bytes; and a
// [*torchfile.AmbiguousError] if the tensors are those of several networks. The tensors' data
// is not copied, unless it changes.
func Canonical(tensors map[string]statedict.Tensor) (canonical map[string]statedict.Tensor, notes []string, err error) {
	n, err := rename(&File{Tensors: tensors})
	if err != nil {
		return nil, nil, err
	}
	return n.tensors, n.notes, nil
}

// names are a file's tensors under torchvision's names.
type names struct {
	tensors map[string]statedict.Tensor
	// from are the names in the file, by torchvision's, and prefix is what precedes most of
	// them.
	from   map[string]string
	prefix string
	// unreadable are the tensors that cannot be read, by torchvision's names, and why not.
	unreadable map[string]string
	// order are the names of the tensors as the file has them; nil if that says nothing.
	order  []string
	head   head
	others []string
	notes  []string
	// normalization is what the network itself does to its images, if the file says so.
	normalization *dataset.Normalization
	// unclear says why names that are not torchvision's were not replaced, if so.
	unclear error
}

// rename gives the file's tensors torchvision's names.
func rename(f *File) (*names, error) {
	n := &names{tensors: map[string]statedict.Tensor{}, from: map[string]string{}, unreadable: map[string]string{}}
	tensors, order, err := n.onlyOneNetwork(f)
	if err != nil {
		return nil, err
	}
	if err := n.simplify(tensors, order, f.Unreadable); err != nil {
		return nil, err
	}
	if !n.isCanonical() {
		n.unclear = n.byStructure()
	}
	n.dropExtras()
	if err := n.findHead(); err != nil {
		return nil, err
	}
	n.foldBiases()
	return n, nil
}

// onlyOneNetwork returns the file's tensors, and their names in order. Of several networks,
// which have different prefixes, it returns the averaged one, without its prefix; if there is
// none, it is an error.
func (n *names) onlyOneNetwork(f *File) (map[string]statedict.Tensor, []string, error) {
	prefixes := map[string]bool{}
	for name, tensor := range f.Tensors {
		l := layer{shape: tensor.Shape}
		if !l.isStem() || !strings.HasSuffix(name, ".weight") {
			continue
		}
		// The stem is conv1, or conv1.0 and the like; what else precedes it is the prefix.
		prefix, _, _ := strings.Cut("."+name, ".conv")
		prefixes[strings.TrimPrefix(prefix, ".")] = true
	}
	if len(prefixes) < 2 {
		return f.Tensors, f.Names, nil
	}
	keys := slices.Sorted(maps.Keys(prefixes))
	for i, key := range keys { // not prefixes of one another
		if key == "" || i > 0 && strings.HasPrefix(key+".", keys[i-1]+".") {
			return f.Tensors, f.Names, nil
		}
	}
	var averages []string
	for _, key := range keys {
		if torchfile.IsAverage(key) {
			averages = append(averages, key)
		}
	}
	if len(averages) != 1 {
		e := &torchfile.AmbiguousError{}
		for _, key := range keys {
			e.Keys = append(e.Keys, f.fullKey(key))
		}
		return nil, nil, e
	}
	part := *f
	if err := part.keep(averages[0]); err != nil {
		return nil, nil, err
	}
	for _, key := range keys {
		if key != averages[0] {
			n.others = append(n.others, f.fullKey(key))
		}
	}
	n.notes = append(n.notes, fmt.Sprintf("of the weights under %s, those under %s were read: averaged weights (EMA) come first, as in timm",
		strings.Join(keys, ", "), averages[0]))
	return part.Tensors, part.Names, nil
}

// simplify removes prefixes and translates the names that are torchvision's but for a word.
func (n *names) simplify(tensors map[string]statedict.Tensor, order []string, unreadable map[string]string) error {
	bare := map[string]string{} // the file's names without prefixes
	prefixes := map[string][]string{}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(tensors)), slices.Sorted(maps.Keys(unreadable))) {
		if !printable.Is(name) {
			return fmt.Errorf("a tensor's name, %s, is not printable text", printable.Quote(name))
		}
		if len(name) > longestName {
			return fmt.Errorf("a tensor's name, %s, has %d bytes, want at most %d", printable.Quote(name), len(name), longestName)
		}
		if strings.HasSuffix(name, ".num_batches_tracked") || name == "num_batches_tracked" {
			continue
		}
		rest, prefix := withoutPrefixes(name)
		bare[name] = rest
		prefixes[prefix] = append(prefixes[prefix], name)
	}
	// Whatever precedes conv1.weight precedes the other layers too.
	for name, rest := range bare {
		l := layer{shape: tensors[name].Shape}
		if more, ok := strings.CutSuffix(rest, ".conv1.weight"); ok && l.isStem() && !strings.Contains("."+more, ".layer") {
			n.cutPrefix(more+".", bare, prefixes)
			break
		}
	}
	changes := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(bare)) {
		renamed, change := translate(bare[name])
		if other, ok := n.from[renamed]; ok {
			return fmt.Errorf("%s and %s are both %s, so the file has the weights of two networks; keep one of them", other, name, renamed)
		}
		n.from[renamed] = name
		if reason, ok := unreadable[name]; ok {
			n.unreadable[renamed] = reason
		} else {
			n.tensors[renamed] = tensors[name]
		}
		if change != "" {
			changes[change]++
		}
	}
	n.notePrefixes(prefixes, len(bare))
	for _, change := range slices.Sorted(maps.Keys(changes)) {
		n.notes = append(n.notes, fmt.Sprintf("%s, %d names", change, changes[change]))
	}
	if order != nil {
		to := map[string]string{}
		for renamed, name := range n.from {
			to[name] = renamed
		}
		for _, name := range order {
			if renamed, ok := to[name]; ok {
				n.order = append(n.order, renamed)
			}
		}
	}
	return nil
}

// cutPrefix removes one more prefix from the names that have it.
func (n *names) cutPrefix(prefix string, bare map[string]string, prefixes map[string][]string) {
	clear(prefixes)
	for _, name := range slices.Sorted(maps.Keys(bare)) {
		if rest, ok := strings.CutPrefix(bare[name], prefix); ok {
			bare[name] = rest
		}
		before := strings.TrimSuffix(name, bare[name])
		prefixes[before] = append(prefixes[before], name)
	}
}

// notePrefixes notes which prefixes were removed and, if some names have another or none,
// which.
func (n *names) notePrefixes(prefixes map[string][]string, all int) {
	for _, prefix := range slices.Sorted(maps.Keys(prefixes)) {
		count := len(prefixes[prefix])
		if count > len(prefixes[n.prefix]) || n.prefix == "" && 2*count > all {
			n.prefix = prefix
		}
		if prefix != "" {
			n.notes = append(n.notes, fmt.Sprintf("prefix %s removed, %d names", prefix, count))
		}
	}
	if without := prefixes[""]; len(prefixes) > 1 && len(without) > 0 {
		n.notes = append(n.notes, fmt.Sprintf("names without a prefix, %d: %s", len(without), fewer(without)))
	}
}

// fewer joins the first three of the items.
func fewer(items []string) string {
	if len(items) > 3 {
		return strings.Join(items[:3], ", ") + ", …"
	}
	return strings.Join(items, ", ")
}

// knownPrefixes are the attributes in which programs keep a network.
var knownPrefixes = []string{"module.", "_orig_mod.", "backbone.", "model.", "net.", "network.", "resnet.", "encoder.", "base_model."}

// withoutPrefixes splits a name into torchvision's and what precedes it.
func withoutPrefixes(name string) (bare, prefix string) {
	bare = name
	for again := true; again; {
		again = false
		for _, p := range knownPrefixes {
			if rest, ok := strings.CutPrefix(bare, p); ok {
				bare, prefix, again = rest, prefix+p, true
			}
		}
	}
	return bare, prefix
}

// translate returns torchvision's name for a layer and describes the change, if there is one.
func translate(name string) (renamed, change string) {
	if rest, ok := strings.CutPrefix(name, "linear."); ok && !strings.Contains(rest, ".") {
		return "fc." + rest, "linear renamed to fc"
	}
	if block, rest, ok := strings.Cut(name, ".shortcut."); ok && strings.HasPrefix(block, "layer") {
		return block + ".downsample." + rest, "shortcut renamed to downsample"
	}
	return name, ""
}

// isCanonical reports whether the convolutions and batch norms have torchvision's names, or
// are too many for a residual network.
func (n *names) isCanonical() bool {
	const most = 1 << 13 // ResNet-1202 has 2402
	layers := layersOf(n.tensors, slices.Sorted(maps.Keys(n.tensors)))
	return len(layers) > most || !slices.ContainsFunc(layers, func(l layer) bool {
		return (l.isConv() || l.norm) && !canonicalLayer.MatchString(l.path) && !isHead(l.path) && !l.inHead(layers)
	})
}

// canonicalLayer matches torchvision's names of convolutions and batch norms.
var canonicalLayer = regexp.MustCompile(`^(conv1|bn1|norm|layer\d+\.\d+\.(conv\d|bn\d|downsample\.\d))$`)

// byStructure renames convolutions and batch norms by their order and shapes. It returns an
// error, and changes nothing, if that is not possible, or not in one way only.
func (n *names) byStructure() error {
	place, err := places(n.tensors, n.order)
	if err != nil {
		return err
	}
	changed, examples := 0, []string{}
	tensors, from, unreadable := map[string]statedict.Tensor{}, map[string]string{}, map[string]string{}
	renamed := map[string]string{}
	for _, name := range slices.SortedFunc(maps.Keys(n.from), naturally) {
		to := name
		if dot := strings.LastIndex(name, "."); dot >= 0 {
			if path, ok := place[name[:dot]]; ok {
				to = path + name[dot:]
				if path != name[:dot] {
					changed++
					if strings.HasSuffix(name, ".weight") && (len(examples) == 0 || strings.HasSuffix(path, "layer2.0.conv1")) {
						examples = append(examples, fmt.Sprintf("%s is %s", n.from[name], to))
					}
				}
			}
		}
		if _, ok := from[to]; ok {
			return unclear("%s and %s are both %s", from[to], n.from[name], to)
		}
		from[to], renamed[name] = n.from[name], to
		if tensor, ok := n.tensors[name]; ok {
			tensors[to] = tensor
		} else {
			unreadable[to] = n.unreadable[name]
		}
	}
	n.tensors, n.from, n.unreadable, n.prefix = tensors, from, unreadable, ""
	for i, name := range n.order {
		n.order[i] = renamed[name]
	}
	n.notes = append(n.notes, fmt.Sprintf("the layers have names of their own; their order and shapes fit torchvision's in one way, %d names: %s",
		changed, strings.Join(examples, ", ")))
	return nil
}

// extra matches the names of tensors that are no part of a network: operations that the
// package thop counted, and what belongs to losses and metrics.
var extra = regexp.MustCompile(`(^|\.)total_(ops|params)$|^(\w*criterion|\w*loss(es)?(_fn|_func|_function)?|\w*metrics?|(train|val|test)_(acc|accuracy|f1))\.`)

// imageStatistic matches the names of the mean and the standard deviation of images.
var imageStatistic = regexp.MustCompile(`(^|[._])(mean|std)$`)

// dropExtras drops the tensors beside the network and notes their names. The mean and the
// standard deviation that a network with a layer of normalisation has become normalization.
func (n *names) dropExtras() {
	var dropped []string
	statistics := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(n.tensors)) {
		part := imageStatistic.FindStringSubmatch(name)
		switch {
		case extra.MatchString(name):
			dropped = append(dropped, n.nameInFile(name))
		case part != nil && len(n.tensors[name].Data) == 3 && !inBlock.MatchString(name):
			statistics[part[2]] = name
		}
	}
	mean, std := n.tensors[statistics["mean"]], n.tensors[statistics["std"]]
	if mean.Data != nil && std.Data != nil {
		normalization := dataset.Normalization{Mean: [3]float32(mean.Data), Std: [3]float32(std.Data)}
		if normalization.Validate() == nil && slices.Max(std.Data) <= 1 { // of pixels from 0 to 1
			n.normalization = &normalization
			for _, part := range []string{"mean", "std"} {
				name := statistics[part]
				n.notes = append(n.notes, fmt.Sprintf("%s is how the network normalises images: %v", n.nameInFile(name), n.tensors[name].Data))
				n.drop(name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.tensors)) {
		if extra.MatchString(name) {
			n.drop(name)
		}
	}
	if len(dropped) > 0 {
		n.notes = append(n.notes, "tensors that are no part of the network were passed over: "+few(dropped))
	}
}

// drop removes a tensor.
func (n *names) drop(name string) {
	delete(n.tensors, name)
	delete(n.from, name)
}

// foldBiases subtracts the biases of convolutions from the running means of the batch norms
// behind them, which gives the same function.
func (n *names) foldBiases() {
	folded := 0
	for _, name := range slices.Sorted(maps.Keys(n.tensors)) {
		path, ok := strings.CutSuffix(name, ".bias")
		if !ok || len(n.tensors[path+".weight"].Shape) != 4 {
			continue
		}
		bias, mean := n.tensors[name], n.normBehind(path)+".running_mean"
		of := n.tensors[mean]
		if len(of.Data) == 0 || len(of.Data) != len(bias.Data) {
			continue // Detect says that biases are not supported
		}
		shifted := statedict.Tensor{Shape: of.Shape, Data: slices.Clone(of.Data)}
		for i, x := range bias.Data {
			shifted.Data[i] -= x
		}
		n.tensors[mean] = shifted
		n.drop(name)
		folded++
	}
	if folded > 0 {
		n.notes = append(n.notes, fmt.Sprintf("the biases of %d convolutions were folded into the batch norms behind them", folded))
	}
}

// normBehind returns the batch norm behind a convolution, by their canonical names. With
// pre-activation it is that of the next convolution.
func (n *names) normBehind(conv string) string {
	_, preActivation := n.tensors["norm.running_mean"]
	block, part := "", conv
	if dot := strings.LastIndex(conv, "."); dot >= 0 {
		block, part = conv[:dot+1], conv[dot+1:]
	}
	switch {
	case preActivation && block == "":
		return "" // the stem is followed by a batch norm, but by a shortcut too
	case preActivation && part == "conv1":
		return block + "bn2"
	case preActivation && part == "conv2":
		return block + "bn3"
	case !preActivation && part == "0":
		return block + "1"
	case !preActivation:
		return block + strings.Replace(part, "conv", "bn", 1)
	}
	return ""
}

// explain adds to an error about the network why names that are not torchvision's were not
// replaced, and gives the tensors the file's names.
func (n *names) explain(err error) error {
	structure, ok := errors.AsType[*structureError](n.unclear)
	shapes := map[string][]int{}
	for name, tensor := range n.tensors {
		shapes[name] = tensor.Shape
	}
	switch {
	case !ok || variant(shapes) != "":
		return n.inFile(err)
	case structure.known:
		return n.inFile(fmt.Errorf("this architecture is not supported: %w", structure))
	}
	return n.inFile(fmt.Errorf("its layers do not have the names of a network that is known here (%w), nor do their order and shapes fit a residual network in one way: %w", err, structure))
}

// inFile returns err with the file's names in place of torchvision's.
func (n *names) inFile(err error) error {
	if err == nil {
		return nil
	}
	if mismatch, ok := errors.AsType[*statedict.MismatchError](err); ok {
		c := *mismatch.Comparison
		c.Missing, c.Unexpected, c.Mismatched = slices.Clone(c.Missing), slices.Clone(c.Unexpected), slices.Clone(c.Mismatched)
		for i, name := range c.Missing {
			c.Missing[i] = n.prefix + name
		}
		for i, name := range c.Unexpected {
			c.Unexpected[i] = n.nameInFile(name)
		}
		for i := range c.Mismatched {
			c.Mismatched[i].Name = n.nameInFile(c.Mismatched[i].Name)
		}
		return &statedict.MismatchError{Network: mismatch.Network, Comparison: &c}
	}
	text := word.ReplaceAllStringFunc(err.Error(), func(name string) string {
		if in := n.nameInFile(name); in != name {
			return in
		}
		if in, ok := strings.CutSuffix(n.nameInFile(name+".weight"), ".weight"); ok {
			return in
		}
		return name
	})
	if text == err.Error() {
		return err
	}
	return &renamedError{text, err}
}

// word matches what may be the name of a tensor or a layer.
var word = regexp.MustCompile(`[\w]+(\.[\w]+)*`)

// nameInFile returns the file's name for a tensor, or name if it has none.
func (n *names) nameInFile(name string) string {
	if in, ok := n.from[name]; ok {
		return in
	}
	return name
}

// A renamedError is an error with other names in its text.
type renamedError struct {
	text  string
	cause error
}

func (e *renamedError) Error() string { return e.text }
func (e *renamedError) Unwrap() error { return e.cause }
