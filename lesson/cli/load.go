package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/shapes10"
	"github.com/residual-go/residual/pkg/weights"
)

// openImages opens the images that spec names and prints what they are. Photos in a folder
// are resized as t says, to 32×32 pixels if it is zero; other images keep their size.
func (f *flags) openImages(cmd *cobra.Command, spec, subset string, t picture.Transform) (*datasource.Set, error) {
	return f.openWith(cmd, datasource.Open, spec, subset, t)
}

// openTestImages does the same with only the images to evaluate on, and holds none out.
func (f *flags) openTestImages(cmd *cobra.Command, spec, subset string, t picture.Transform) (*datasource.Set, error) {
	return f.openWith(cmd, datasource.OpenTest, spec, subset, t)
}

func (f *flags) openWith(cmd *cobra.Command, open func(context.Context, string, datasource.Options) (*datasource.Set, error),
	spec, subset string, t picture.Transform) (*datasource.Set, error) {
	if err := figure.CheckFont(); err != nil {
		return nil, err
	}
	w, l := f.messages(cmd), language(cmd)
	set, err := open(cmd.Context(), spec, datasource.Options{
		Subset: subset, Validation: f.validation, Transform: t, Progress: downloading(l, w), Decoded: decoded(l, w),
	})
	clearLine(w)
	if err != nil {
		return nil, memoryAdvice(cmd, err, "a folder with fewer images")
	}
	notice := translated(l, set.Notice)
	if set.Unavailable != nil {
		notice = l.Sprintf("CIFAR-10 is not available: %s.\nUsing %s instead: drawn shapes, not photographs. Results on it are not results on CIFAR-10.",
			l.Error(printable.Line(set.Unavailable.Error())), dataName(l, shapes10.Name))
		if more := advice(l, set.Unavailable); more != "" {
			notice += "\n" + asCalled(more)
		}
	}
	if notice != "" {
		rule := strings.Repeat("*", 78)
		fmt.Fprintf(w, "%s\n%s\n%s\n", rule, notice, rule)
	}
	fmt.Fprintln(w, l.Sprintf("Data: %s; %s", dataName(l, set.Name()), counted(l, set)))
	for _, note := range numberNotes(l, set.Test.Classes) {
		fmt.Fprintln(w, l.Sprintf("Note: %s", note))
	}
	return set, nil
}

// translated returns a notice about images in the language, which knows each of its lines.
func translated(l words.Language, english string) string {
	lines := strings.Split(english, "\n")
	for i, line := range lines {
		text := strings.TrimLeft(line, " ")
		lines[i] = line[:len(line)-len(text)] + l.Error(text)
	}
	return strings.Join(lines, "\n")
}

// numberNotes says why figures have numbers in place of names of classes: once for scripts that they
// cannot write, and once for characters that no font has.
func numberNotes(l words.Language, classes []string) []string {
	var scripts []string
	var example, missing string
	for i, name := range classes {
		e, ok := errors.AsType[*figure.GlyphError](figure.CheckText(name))
		switch {
		case !ok:
		case e.Unsupported:
			scripts = append(scripts, l.Error(strings.ReplaceAll(e.Script, "_", " ")))
			example = cmp.Or(example, l.Sprintf("%d for %s", i, name))
		case missing == "":
			missing = l.Sprintf("no font on this machine has the %c of %s; figures have numbers instead, such as %d. %sset %s to a font file that has it",
				e.Char, name, i, fontToInstall(l, e.Script), figure.FontVariable)
		}
	}
	var notes []string
	if len(scripts) > 0 {
		slices.Sort(scripts)
		notes = append(notes, l.Sprintf("figures cannot write %s; figures have numbers instead, such as %s",
			strings.Join(slices.Compact(scripts), l.Text(", ")), example))
	}
	if missing != "" {
		notes = append(notes, missing)
	}
	return notes
}

// fontToInstall says which font to install for a script, as the beginning of a sentence that offers
// something else.
func fontToInstall(l words.Language, script string) string {
	switch script {
	case "":
		return l.Text("To see the name, ")
	case "Han", "Hiragana", "Katakana", "Bopomofo", "Hangul":
		return l.Text("Install Noto Sans CJK (on Debian and Ubuntu, apt-get install fonts-noto-cjk), or ")
	}
	return l.Text("Install the Noto fonts (on Debian and Ubuntu, apt-get install fonts-noto-core), or ")
}

// dataName returns the name of images in the language. Names stay as they are; what is translated is what the
// program adds to them, as in "Shapes-10 (built-in), first 50 per class".
func dataName(l words.Language, english string) string {
	if m := partOfImages.FindStringSubmatch(english); m != nil {
		name := dataName(l, m[1])
		switch {
		case m[4] != "":
			return l.Sprintf("%s, without %s for validation", name, m[4])
		case m[3] != "":
			return l.Sprintf("%s, first %s per class", name, m[2])
		}
		return l.Sprintf("%s, first %s", name, m[2])
	}
	if name, ok := strings.CutSuffix(english, " (built-in)"); ok {
		return l.Sprintf("%s (built-in)", name)
	}
	if folder, ok := strings.CutPrefix(english, "pictures in "); ok {
		return l.Sprintf("pictures in %s", folder)
	}
	return english
}

// partOfImages matches the name of a part of images.
var partOfImages = regexp.MustCompile(`^(.+), (?:first (\d+)( per class)?|without (\d+) for validation)$`)

// counted says how many images of which part a set has, as in "48 training and 12 test images".
func counted(l words.Language, set *datasource.Set) string {
	if set.Training == nil && set.Test.Split == dataset.All {
		return l.Sprintf("all %d images", set.Test.Len())
	}
	var parts []string
	for _, images := range []*dataset.Images{set.Training, set.Validation, set.Test} {
		if images == nil {
			continue
		}
		split := images.TestSplit()
		if images == set.Training {
			split = dataset.Training
		}
		parts = append(parts, l.Sprintf("%d %s", images.Len(), l.Text(string(split))))
	}
	list := parts[len(parts)-1]
	if last := len(parts) - 1; last > 0 {
		list = l.Sprintf("%s and %s", strings.Join(parts[:last], l.Text(", ")), list)
	}
	return l.Sprintf("%s images", list)
}

// accuracyLines says how many of which images a network classified correctly, and the accuracy
// on a line of its own.
func accuracyLines(l words.Language, result *infer.Result) string {
	images, name := l.Sprintf("%d %s images", result.Total, l.Text(string(result.Split))), l.Text("Test")
	switch result.Split {
	case dataset.All:
		images = l.Sprintf("%d images (all in the folder)", result.Total)
	case dataset.HeldOut:
		images, name = l.Sprintf("%d held-out images (a fifth of each class)", result.Total), l.Text("Held-out")
	case dataset.Validation:
		name = l.Text("Validation")
	}
	return l.Sprintf("Correct: %d of %s", result.Correct, images) + "\n" + l.Sprintf("%s Accuracy: %.2f%%", name, 100*result.Top1) + "\n"
}

// newBackend starts the backend of the given name.
func newBackend(name string) (compute.Backend, error) {
	engine, err := backend.New(name)
	if err != nil {
		return nil, backendAdvice(err, name)
	}
	return engine, nil
}

// loadNetwork loads the network that --weights or --run names onto the backend.
func (f *flags) loadNetwork(cmd *cobra.Command) (*infer.Network, *weights.Model, error) {
	m, err := f.loadWeights(cmd)
	if err != nil {
		return nil, nil, err
	}
	engine, err := newBackend(f.backend)
	if err != nil {
		return nil, nil, err
	}
	store := model.NewStore()
	if err := m.Restore(store, run.ModelPath); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	network, err := infer.New(engine, store, run.ModelPath, m.Config, m.Normalization)
	return network, m, err
}

// loadWeights reads the weights that --weights or --run names.
func (f *flags) loadWeights(cmd *cobra.Command) (*weights.Model, error) {
	switch {
	case f.weights != "" && f.run != "":
		return nil, errors.New("--weights and --run both name weights; give only one")
	case f.run != "":
		path, err := newestWeights(cmd, f.run)
		if err != nil {
			return nil, err
		}
		return f.openWeights(cmd, path, false)
	case f.weights == "":
		return nil, errors.New("no network given; use --run DIR or --weights FILE (go run ./lesson train makes a run)")
	}
	return f.openWeights(cmd, f.weights, false)
}

// openWeights reads the weights that spec names, as --key, --model and --normalize say, and prints the
// notes about them. Weights without a head are an error unless the network gets a new one.
func (f *flags) openWeights(cmd *cobra.Command, spec string, newHead bool) (*weights.Model, error) {
	path, err := latestCheckpoint(cmd, spec)
	if err != nil {
		return nil, err
	}
	m, err := weights.Open(cmd.Context(), path, weights.Options{Key: f.key, Architecture: f.model, NewHead: newHead, Progress: downloading(language(cmd), f.messages(cmd))})
	if err != nil {
		return nil, err
	}
	if err := f.settleNormalization(m); err != nil {
		return nil, err
	}
	for _, note := range notesAbout(m, spec) {
		fmt.Fprintln(cmd.ErrOrStderr(), language(cmd).Sprintf("Note: %s", language(cmd).Error(note)))
	}
	return m, nil
}

// settleNormalization makes --normalize, if it was given, the model's normalisation.
func (f *flags) settleNormalization(m *weights.Model) error {
	if f.normalize == "" {
		return nil
	}
	normalization, err := dataset.ParseNormalization(f.normalize)
	if err != nil {
		return fmt.Errorf("--normalize: %w", err)
	}
	m.Normalization, m.Assumed.Images = normalization, false
	return nil
}

// notesAbout returns the notes about the model of the given weights, with the flags that choose
// otherwise.
func notesAbout(m *weights.Model, spec string) []string {
	list := append([]string{}, m.Notes...)
	if m.Head != "" {
		list = append(list, "the head is not a single linear layer but "+m.Head+"; finetune replaces it, and no other command can use it")
	}
	if len(m.Others) > 0 {
		list = append(list, "the other weights: --key "+quoted(m.Others[0]))
	}
	if note := m.AssumedImages(); note != "" {
		list = append(list, note+"; --normalize changes that")
	}
	if note := m.AssumedNetwork(); note != "" {
		list = append(list, note+"; --model chooses another, and "+asCalled("go run ./lesson weights ")+quoted(spec)+" --data LABELLED tries them")
	}
	return list
}

// latestCheckpoint returns the newest weights if spec is a run folder, and otherwise
// spec.
func latestCheckpoint(cmd *cobra.Command, spec string) (string, error) {
	if !run.Exists(spec) {
		return spec, nil
	}
	return newestWeights(cmd, spec)
}

// newestWeights returns the newest checkpoint of the run in dir, or the weights of a recorded run.
func newestWeights(cmd *cobra.Command, dir string) (string, error) {
	if recorded.Is(dir) {
		return recorded.Weights(dir)
	}
	_, path, err := run.Latest(dir, notes(cmd))
	return path, err
}

// notes returns a callback that prints notes on standard error, such as that a damaged
// checkpoint was skipped.
func notes(cmd *cobra.Command) func(string) {
	return func(note string) { fmt.Fprintln(cmd.ErrOrStderr(), language(cmd).Error(note)) }
}
