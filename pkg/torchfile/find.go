package torchfile

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/torchfile/internal/pickle"
)

// A stateDict is a dict of tensors in a pickle.
type stateDict struct {
	// path are the keys that lead to it from the root.
	path []string
	// names are those of the tensors, in the order of the dict.
	names      []string
	tensors    map[string]*tensor
	unreadable map[string]string
	// convolutional is set if there are tensors of four axes, which convolutions have, and
	// statistics if there are a batch norm's.
	convolutional, statistics bool
}

// key returns the path with dots: what [Read] takes as its key.
func (d *stateDict) key() string { return strings.Join(d.path, ".") }

// AmbiguousError reports a file that has several state dicts, none of which is the obvious
// one.
type AmbiguousError struct {
	// Keys are where they are, as [Read] takes them.
	Keys []string
}

func (e *AmbiguousError) Error() string {
	var shown []string
	for _, key := range e.Keys {
		if len(shown) == 10 {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, place(key))
	}
	return "it has several sets of weights, and none is the obvious one: " + strings.Join(shown, ", ")
}

// place returns a key for people.
func place(key string) string {
	if key == "" {
		return "its root"
	}
	return printable.Quote(key)
}

// find returns the state dict of a pickle's value, the one at key unless that is "", and the
// others that the value has. If key continues with the beginning of names, such as
// encoder_q in state_dict.encoder_q, the state dict has only the tensors whose names begin
// like that, without it.
func find(root any, key string) (found *stateDict, others []*stateDict, err error) {
	all, network := stateDicts(root)
	if key != "" {
		return at(all, key)
	}
	usable := slices.Clone(all)
	for _, is := range []func(*stateDict) bool{ // what sets weights apart, as long as any have it
		func(d *stateDict) bool { return d.convolutional },
		func(d *stateDict) bool { return d.statistics },
		func(d *stateDict) bool { return !slices.ContainsFunc(d.path, isNoWeights) },
	} {
		if slices.ContainsFunc(usable, is) {
			usable = slices.DeleteFunc(usable, func(d *stateDict) bool { return !is(d) })
		}
	}
	usable = withoutCopies(usable)
	if len(usable) == 0 {
		return nil, nil, noStateDict(root, network)
	}
	found = choose(usable, 0)
	if found == nil {
		return nil, nil, ambiguous(usable)
	}
	others = slices.DeleteFunc(usable, func(d *stateDict) bool { return d == found })
	return found, others, nil
}

func ambiguous(dicts []*stateDict) error {
	e := &AmbiguousError{}
	for _, d := range dicts {
		e.Keys = append(e.Keys, d.key())
	}
	return e
}

// noWeights are words in the keys of dicts that have tensors of the weights' shapes but are
// none: an optimiser's momentum, the masks of pruning, gradients.
var noWeights = regexp.MustCompile(`(?i)optim|sched|mask|grad|scaler|moment|exp_avg`)

func isNoWeights(key string) bool { return noWeights.MatchString(key) }

// stateDicts returns the dicts that have tensors, those nearest the root first, and an object
// that is a whole network with the key where it is, if there is one.
func stateDicts(root any) (all []*stateDict, network *found) {
	const (
		deepest = 5
		most    = 1 << 18 // values to look at: tuples may contain each other in 2⁶⁴ ways
		enough  = 100     // state dicts
	)
	type visit struct {
		value any
		path  []string
	}
	queue := []visit{{root, nil}}
	seen := map[any]bool{}
	looked := 0
	for len(queue) > 0 && looked < most && len(all) < enough {
		v := queue[0]
		queue = queue[1:]
		enter := func(key string, value any) {
			looked++
			if o, ok := value.(*object); ok && network == nil && o.isNetwork() {
				network = &found{o, strings.Join(append(slices.Clone(v.path), key), ".")}
			}
			switch value.(type) {
			case *pickle.Dict, *pickle.List, pickle.Tuple, *object:
				if len(v.path) < deepest && looked < most {
					queue = append(queue, visit{value, append(slices.Clone(v.path), key)})
				}
			}
		}
		switch value := v.value.(type) {
		case *pickle.Dict:
			if seen[value] {
				continue
			}
			seen[value] = true
			if d := newStateDict(value, v.path); d != nil {
				all = append(all, d)
			}
			for key, value := range value.All() {
				enter(key, value)
			}
		case *object:
			if seen[value] {
				continue
			}
			seen[value] = true
			if v.path == nil && value.isNetwork() {
				network = &found{value, ""}
			}
			if d := newStateDict(&value.entries, v.path); d != nil {
				all = append(all, d)
			}
			for key, value := range value.entries.All() {
				enter(key, value)
			}
		case *pickle.List:
			if seen[value] {
				continue
			}
			seen[value] = true
			for i, item := range value.Items {
				enter(strconv.Itoa(i), item)
			}
		case pickle.Tuple:
			for i, item := range value {
				enter(strconv.Itoa(i), item)
			}
		}
	}
	return all, network
}

// A found object is one and the key where it is.
type found struct {
	object *object
	key    string
}

// isNetwork reports whether the object is a torch.nn.Module, by its attributes or its class.
func (o *object) isNetwork() bool {
	for _, module := range []string{"torch.nn.parallel.", "torch.nn.modules.", "torchvision.models.", "timm.models.", "torch.fx.", "torch._dynamo."} {
		if strings.HasPrefix(o.class.name, module) {
			return true
		}
	}
	return o.network
}

// newStateDict returns the tensors in a dict; nil if there are none.
func newStateDict(dict *pickle.Dict, path []string) *stateDict {
	d := &stateDict{path: path, tensors: map[string]*tensor{}, unreadable: map[string]string{}}
	for name, value := range dict.All() {
		switch value := value.(type) {
		case *tensor:
			d.tensors[name] = value
			d.names = append(d.names, name)
			d.convolutional = d.convolutional || len(value.Shape) == 4
			d.statistics = d.statistics || strings.HasSuffix(name, "running_mean")
		case *unreadable:
			d.unreadable[name] = value.reason
		case *object:
			if weight.MatchString(name) {
				d.unreadable[name] = fmt.Sprintf("is no tensor but an object of %s; in Python, save tensors", printable.Quote(value.class.name))
			}
		case pickle.Tuple: // quantized layers pack their weight and bias
			for _, item := range value[:min(2, len(value))] {
				if u, ok := item.(*unreadable); ok {
					d.unreadable[name] = u.reason
				}
			}
		}
	}
	if len(d.tensors)+len(d.unreadable) == 0 {
		return nil
	}
	return d
}

// weight matches the names of a network's weights and running statistics.
var weight = regexp.MustCompile(`\.(weight|bias|running_mean|running_var)$`)

// at returns the state dict at a key. See find.
func at(all []*stateDict, key string) (found *stateDict, others []*stateDict, err error) {
	var below []*stateDict
	for _, d := range all {
		if d.key() == key {
			return d, nil, nil
		}
		if strings.HasPrefix(d.key(), key+".") {
			below = append(below, d)
		}
	}
	if below = withoutCopies(below); len(below) > 0 {
		if found := choose(below, len(strings.Split(key, "."))); found != nil {
			return found, nil, nil
		}
		return nil, nil, ambiguous(below)
	}
	for _, d := range all {
		prefix, ok := key+".", true
		if len(d.path) > 0 {
			prefix, ok = strings.CutPrefix(prefix, d.key()+".")
		}
		if part := d.withPrefix(prefix); ok && part != nil {
			return part, nil, nil
		}
	}
	var keys []string
	for _, d := range all {
		keys = append(keys, place(d.key()))
	}
	return nil, nil, fmt.Errorf("it has no weights under %s; it has some under %s", printable.Quote(key), cmp.Or(strings.Join(keys, ", "), "no key at all"))
}

// withPrefix returns the tensors whose names begin with prefix, without it; nil if there are
// none.
func (d *stateDict) withPrefix(prefix string) *stateDict {
	part := pickle.Dict{}
	for _, name := range d.names {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			part.Set(rest, d.tensors[name])
		}
	}
	p := newStateDict(&part, append(slices.Clone(d.path), strings.TrimSuffix(prefix, ".")))
	for name, reason := range d.unreadable {
		if rest, ok := strings.CutPrefix(name, prefix); ok && p != nil {
			p.unreadable[rest] = reason
		}
	}
	return p
}

// withoutCopies drops the state dicts whose tensors are all those of an earlier one.
func withoutCopies(dicts []*stateDict) (distinct []*stateDict) {
	for _, d := range dicts {
		if !slices.ContainsFunc(distinct, d.sameAs) {
			distinct = append(distinct, d)
		}
	}
	return distinct
}

func (d *stateDict) sameAs(other *stateDict) bool {
	if len(d.tensors) != len(other.tensors) || len(d.unreadable)+len(other.unreadable) > 0 {
		return false
	}
	for name, t := range d.tensors {
		o := other.tensors[name]
		if o == nil || t.storage != o.storage || t.Offset != o.Offset || !slices.Equal(t.Shape, o.Shape) || !slices.Equal(t.Strides, o.Strides) {
			return false
		}
	}
	return true
}

// preferred are the keys that timm's load_state_dict looks for, in its order: averages of the
// weights before the weights themselves (timm/models/_helpers.py).
var preferred = []string{"state_dict_ema", "model_ema", "state_dict", "model"}

// average matches other keys of exponential moving averages.
var average = regexp.MustCompile(`(?i)(^|[^a-z])ema([^a-z]|$)`)

// IsAverage reports whether a key or a prefix of names is that of averaged weights (EMA).
func IsAverage(key string) bool { return average.MatchString(key) }

// choose returns the state dict to use, going by the keys from the given depth of the paths
// on; nil if none is the obvious one.
func choose(dicts []*stateDict, depth int) *stateDict {
	if len(dicts) == 1 {
		return dicts[0]
	}
	under := func(is func(key string) bool) (part []*stateDict) {
		for _, d := range dicts {
			if len(d.path) > depth && is(d.path[depth]) {
				part = append(part, d)
			}
		}
		return part
	}
	for _, key := range preferred {
		if part := under(func(k string) bool { return k == key }); len(part) > 0 {
			return choose(part, depth+1)
		}
	}
	if part := under(IsAverage); len(part) > 0 {
		return choose(part, depth+1)
	}
	if part := under(func(k string) bool { return k == "model_state_dict" }); len(part) > 0 {
		return choose(part, depth+1)
	}
	for _, d := range dicts {
		if len(d.path) == depth {
			return d
		}
	}
	if part := under(func(k string) bool { return k == dicts[0].path[depth] }); len(part) == len(dicts) {
		return choose(part, depth+1)
	}
	return nil
}

// noStateDict says what a value without a state dict is.
func noStateDict(root any, network *found) error {
	switch {
	case network != nil && network.key == "":
		return fmt.Errorf("it holds an object of the class %s: %s", printable.Quote(network.object.class.name), wholeNetwork)
	case network != nil:
		return fmt.Errorf("%s in it is an object of the class %s: %s", printable.Quote(network.key), printable.Quote(network.object.class.name), wholeNetwork)
	}
	dict, ok := root.(*pickle.Dict)
	if !ok {
		return fmt.Errorf("it holds a value of type %s instead of a state dict; in Python, save model.state_dict()", typeName(root))
	}
	var has strings.Builder
	for key, value := range dict.All() {
		const enough = 200
		if has.Len() > enough {
			has.WriteString(", …")
			break
		}
		fmt.Fprintf(&has, ", %s (%s)", printable.Quote(key), typeName(value))
	}
	return errors.New("it has no state dict, neither at its root nor under a key; it has " +
		cmp.Or(strings.TrimPrefix(has.String(), ", "), "nothing"))
}
