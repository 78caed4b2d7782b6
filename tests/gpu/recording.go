package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// The sets of recorded runs: folders of the results, to be copied to lesson/recorded.
const (
	paperSet   = "cifar10-jpeg-paper"
	articleSet = "cifar10-jpeg-article"
)

// A recording is a full training run that the course shows.
type recording struct {
	set, name string
	about     string // for the table of the set
	recipe    recipe.Recipe
	// weights says whether the final weights are kept.
	weights bool
	// imageNet says whether the run starts from ImageNet weights.
	imageNet bool
}

// recordings returns all runs, the most useful first: the paper's networks of two depths with one seed,
// which show the degradation problem; the article's program and its improvements, which are short runs;
// the deepest networks; and then the other seeds.
func (p plan) recordings() ([]recording, error) {
	last := len(p.depths) - 1
	all, err := p.paper(p.recordSeeds[0], p.depths[:last])
	if err != nil {
		return nil, err
	}
	article, err := p.article()
	if err != nil {
		return nil, err
	}
	all = append(all, article...)
	deepest, err := p.paper(p.recordSeeds[0], p.depths[last:])
	if err != nil {
		return nil, err
	}
	all = append(all, deepest...)
	for _, seed := range p.recordSeeds[1:] {
		more, err := p.paper(seed, p.depths)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// paper returns plain and residual networks trained with the paper's recipe. The weights of the first
// seed are kept, except those of the deepest networks, so that everything stays below 10 MB.
func (p plan) paper(seed uint64, depths []int) ([]recording, error) {
	var all []recording
	for _, depth := range depths {
		for _, plain := range []bool{false, true} {
			r, err := recipe.ByName("paper")
			if err != nil {
				return nil, err
			}
			if r.Model, err = resnet.CIFAR(depth, 16); err != nil {
				return nil, err
			}
			if plain {
				r.Model = r.Model.PlainTwin()
			}
			r.Seed, r.Precision = seed, recipe.BFloat16
			if p.paperEpochs > 0 {
				r.Epochs = p.paperEpochs
			}
			deepest := depth == p.depths[len(p.depths)-1]
			all = append(all, recording{set: paperSet, name: fmt.Sprintf("%s-seed-%d", r.Model.Name, seed),
				about: r.Model.Name, recipe: r, weights: seed == p.recordSeeds[0] && !deepest})
		}
	}
	return all, nil
}

// article returns the article's program, and then the program with one improvement after another, each on
// top of those before it. No weights are kept: the licence of the initial weights does not allow it.
func (p plan) article() ([]recording, error) {
	r, err := recipe.ByName("article")
	if err != nil {
		return nil, err
	}
	r.Model.Classes = 10
	r.Seed, r.Precision = p.recordSeeds[0], recipe.BFloat16
	r.Start = "ImageNet (pqf-resnet50, calibrated)"
	if p.imageNet != "" {
		r.Start = "ImageNet (" + p.imageNet + ")"
	}
	if p.articleEpochs > 0 {
		r.Epochs = p.articleEpochs
	}
	if p.articleBatch > 0 {
		r.BatchSize = p.articleBatch
	}
	scaled := func(side int) func() {
		return func() {
			r.Transform = &picture.Transform{Resize: side, Height: side, Width: side, Filter: picture.Bilinear}
		}
	}
	var all []recording
	for i, step := range []struct {
		name, about string
		improve     func()
	}{
		{"article", "unchanged", func() {}},
		{"normalization", "ImageNet's normalisation", func() { r.Normalization = dataset.ImageNetNormalization() }},
		{"64-pixels", "and images scaled to 64 pixels", scaled(64)},
		{"128-pixels", "and to 128 pixels", scaled(128)},
		{"schedule", "and a cosine schedule", func() { r.Schedule = optim.Schedule{Kind: optim.Cosine} }},
		{"augmentation", "and crop and flip", func() { r.Augment = dataset.Augment{Crop: 16, Flip: true} }}, // 4 pixels of 32
	} {
		step.improve()
		all = append(all, recording{set: articleSet, name: fmt.Sprintf("%d-%s", i+1, step.name), about: step.about, recipe: r, imageNet: true})
	}
	return all, nil
}

// runDir and keptDir return the folders of a recording within the results: that of the run while it
// trains, and that of the files to keep.
func (d *driver) runDir(r recording) string { return filepath.Join(d.out, "runs", r.set, r.name) }
func (d *driver) keptDir(r recording) string {
	return filepath.Join(d.out, "recorded", r.set, r.name)
}

// recorded reports whether r is finished, or has failed.
func (d *driver) recorded(r recording) bool {
	if lines, err := run.ReadMetrics(d.keptDir(r)); err == nil && len(lines) == r.recipe.Epochs {
		return true
	}
	return !d.retrying && d.results.count(func(one record) bool {
		return one.Part == recordPart && one.Name == r.title() && one.Event == failedEvent
	}) > 0
}

func (r recording) title() string { return r.set + "/" + r.name }

// record trains the recordings that are not finished, several at a time. If time runs out, it records the
// unfinished runs as they are; they resume the next time.
func (d *driver) record(ctx context.Context) error {
	all, err := d.recordings()
	if err != nil {
		return err
	}
	var left []recording
	for _, r := range all {
		if !d.recorded(r) {
			left = append(left, r)
		}
	}
	if len(left) == 0 {
		return nil // and the READMEs keep their date
	}
	return errors.Join(d.recordAll(ctx, left), d.describeSets(all))
}

// recordAll trains the recordings in order, d.together at a time. Those that run out of memory beside
// others are trained again alone.
func (d *driver) recordAll(ctx context.Context, left []recording) error {
	if err := d.images(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return d.failRecordings(left, err)
	}
	if why := d.lacking(ours); why != "" {
		return d.failRecordings(left, errors.New(why))
	}
	// Preparing these takes the host a minute or more; meanwhile other runs train.
	imageNet := sync.OnceValues(func() (string, error) { return d.imageNetWeights(ctx) })
	if slices.ContainsFunc(left, func(r recording) bool { return r.imageNet }) {
		preparing := make(chan struct{})
		go func() {
			defer close(preparing)
			_, _ = imageNet() // recordings that need them get the error
		}()
		defer func() { <-preparing }()
	}
	var mu sync.Mutex // protects the results, the log and the variables below
	var alone []recording
	var failure error
	next := make(chan recording)
	var workers sync.WaitGroup
	for range max(1, d.together) {
		workers.Go(func() {
			for r := range next {
				err := d.recordOne(ctx, r, imageNet, &mu)
				mu.Lock()
				switch {
				case err == nil:
				case ctx.Err() == nil && outOfMemory(err.Error()) && d.together > 1:
					fmt.Fprintf(d.log, "%s: %s: %s; will be trained alone\n", recordPart, r.title(), printable.Line(err.Error()))
					alone = append(alone, r)
				case ctx.Err() == nil:
					failure = errors.Join(failure, d.failRecordings([]recording{r}, err))
				}
				mu.Unlock()
			}
		})
	}
	for _, r := range left {
		select {
		case next <- r:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, r := range alone {
		if err := d.recordOne(ctx, r, imageNet, &mu); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			failure = errors.Join(failure, d.failRecordings([]recording{r}, err))
		}
	}
	return failure
}

// recordOne trains or resumes r, and records it. imageNet returns the path of the ImageNet weights.
// recordOne locks mu to write results and log.
func (d *driver) recordOne(ctx context.Context, r recording, imageNet func() (string, error), mu *sync.Mutex) error {
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(d.log, recordPart+": "+r.title()+": "+format+"\n", args...)
	}
	start := ""
	if r.imageNet {
		path, err := imageNet()
		if err != nil {
			return err
		}
		start = path
	}
	args, err := d.recorder(r, start)
	if err != nil {
		return err
	}
	say("training")
	began := time.Now()
	p, err := startPeer(ctx, r.title(), args, d.environment())
	if err != nil {
		return err
	}
	err = func() error {
		defer p.close()
		for {
			one, err := p.next(startLimit)
			if err == errEnded {
				return nil
			}
			if err != nil {
				return err
			}
			if one.Event == epochEvent {
				say("epoch %d of %d: loss %.4f, test accuracy %.2f%%", one.Epoch, r.recipe.Epochs, one.Loss, 100*one.Accuracy)
			}
		}
	}()
	// An interrupted run is recorded too, unless it has not finished an epoch: then it has no curve to show.
	var kept error
	if lines, _ := run.ReadMetrics(d.runDir(r)); slices.ContainsFunc(lines, func(m run.Metrics) bool { return m.Kind == run.EpochLine }) {
		kept = recorded.Write(context.WithoutCancel(ctx), d.runDir(r), d.keptDir(r), recorded.Options{WithoutWeights: !r.weights})
	}
	if err != nil {
		return err
	}
	if kept != nil {
		return kept
	}
	lines, err := run.ReadMetrics(d.keptDir(r))
	if err != nil {
		return err
	}
	if len(lines) < r.recipe.Epochs {
		return fmt.Errorf("it ended after %d of %d epochs", len(lines), r.recipe.Epochs)
	}
	last := lines[len(lines)-1]
	one := record{Part: recordPart, Event: trainedEvent, Name: r.title(), Seed: r.recipe.Seed, Epoch: last.Epoch, Loss: last.Loss, Seconds: time.Since(began).Seconds(),
		spec: spec{Peer: ours, Network: r.recipe.Model.Name, Size: side(r.recipe), Batch: r.recipe.BatchSize, Precision: r.recipe.Precision}}
	if last.TestTop1 != nil {
		one.Accuracy = *last.TestTop1
	}
	mu.Lock()
	defer mu.Unlock()
	if err := d.results.add(one); err != nil {
		return err
	}
	// The checkpoints, with their momentum, are no longer needed.
	if err := os.RemoveAll(d.runDir(r)); err != nil {
		return fmt.Errorf("remove the checkpoints of a recorded run: %w", err)
	}
	return nil
}

// side returns the height and width of the images in pixels.
func side(r recipe.Recipe) int {
	if r.Transform != nil {
		return r.Transform.Height
	}
	return 32
}

// recorder returns the command line that trains r from the weights in the file start, if any.
func (d *driver) recorder(r recording, start string) ([]string, error) {
	config, err := json.Marshal(r.recipe)
	if err != nil {
		return nil, fmt.Errorf("encode the recipe: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	name := ""
	if images, _ := d.fact("images"); images == packedImages {
		name = images
	}
	few := 0
	if r.imageNet {
		few = d.articleImages
	}
	return []string{self, "full", "-backend", d.backend, "-data", d.data, "-images", name, "-few", fmt.Sprint(few), "-dir", d.runDir(r), "-start", start, string(config)}, nil
}

// The names of the packed programs and weights that the article's program starts from.
const (
	imageNetName    = "imagenet"
	imageNetWeights = "pqf-resnet50.pth"
)

// imageNetWeights returns the path of the ImageNet weights: those given with -imagenet, or the packed
// ones, which it decodes and calibrates once, with the programs packed with them.
func (d *driver) imageNetWeights(ctx context.Context) (string, error) {
	if d.weights != "" {
		return d.weights, nil
	}
	packed := filepath.Join(d.home, imageNetName)
	ready := filepath.Join(packed, "resnet50.safetensors")
	if _, err := os.Stat(ready); err == nil {
		return ready, nil
	}
	if _, err := os.Stat(filepath.Join(packed, imageNetWeights)); err != nil {
		return "", errors.New("there are no ImageNet weights; set RESIDUAL_TEST_DATA when packing, or name a file with -imagenet")
	}
	photos, err := filepath.Glob(filepath.Join(packed, "photos", "*.JPEG"))
	if err != nil {
		return "", fmt.Errorf("find the photographs: %w", err)
	}
	folded, fresh := filepath.Join(packed, "folded.safetensors"), filepath.Join(packed, "calibrated.tmp")
	for _, args := range [][]string{
		{filepath.Join(packed, "decode.py"), filepath.Join(packed, imageNetWeights), folded},
		append([]string{filepath.Join(packed, "calibrate.py"), folded, fresh}, photos...),
	} {
		if output, err := exec.CommandContext(ctx, d.python, args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s (it needs PyTorch, torchvision and Pillow; -imagenet names weights made elsewhere): %w: %s",
				filepath.Base(args[0]), err, printable.Line(lastLine(string(output))))
		}
	}
	if err := os.Rename(fresh, ready); err != nil {
		return "", fmt.Errorf("keep the ImageNet weights: %w", err)
	}
	return ready, nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// failRecordings records that rs cannot be trained.
func (d *driver) failRecordings(rs []recording, reason error) error {
	for _, r := range rs {
		fmt.Fprintf(d.log, "%s: %s: skipped: %s\n", recordPart, r.title(), printable.Line(reason.Error()))
		if err := d.results.add(record{Part: recordPart, Event: failedEvent, Name: r.title(), Seed: r.recipe.Seed, Error: printable.Line(reason.Error()),
			spec: spec{Peer: ours, Network: r.recipe.Model.Name, Size: side(r.recipe), Batch: r.recipe.BatchSize, Precision: r.recipe.Precision}}); err != nil {
			return err
		}
	}
	return nil
}

// describeSets writes the README of each set, with its runs, their accuracies and their origin.
func (d *driver) describeSets(all []recording) error {
	origin := `It starts from the weights of Martinez et al. 2021, [Permute, Quantize, and
Fine-tune](https://github.com/uber-research/permute-quantize-finetune), whose
[licence](https://github.com/uber-research/permute-quantize-finetune/blob/main/LICENSE) allows teaching and research, but
no commercial use.`
	if d.weights != "" {
		origin = "It starts from the weights in `" + d.imageNet + "` (flag `-imagenet`). Before publishing this, add who made them and under\nwhich licence."
	}
	for set, about := range map[string]string{
		paperSet: `# Plain and residual networks, by the paper's recipe

Plain and residual networks by the recipe ` + "`paper`" + ` (He et al. 2015, section 4.2), in bfloat16. The weights of seed 1
are here, in float16, but for the deepest networks; the folder has to stay small.
`,
		articleSet: `# The article's program, and one improvement after another

ResNet-50 with ImageNet weights, fine-tuned by the recipe ` + "`article`" + `, in bfloat16. Each run has the improvements of
those before it.

` + origin + ` The fine-tuned weights are not kept.
`,
	} {
		rows := [][]string{{"run", "what", "epochs", "training accuracy", "test accuracy"}}
		for _, r := range all {
			lines, err := run.ReadMetrics(d.keptDir(r))
			if r.set != set || errors.Is(err, fs.ErrNotExist) || err == nil && len(lines) == 0 {
				continue
			}
			if err != nil {
				return err
			}
			last := lines[len(lines)-1]
			accuracy := "–"
			if last.TestTop1 != nil {
				accuracy = fmt.Sprintf("%.2f%%", 100**last.TestTop1)
			}
			rows = append(rows, []string{"`" + r.name + "`", r.about, fmt.Sprintf("%d of %d", last.Epoch, r.recipe.Epochs),
				fmt.Sprintf("%.2f%%", 100*last.Accuracy), accuracy})
		}
		if len(rows) < 2 {
			continue
		}
		if err := atomicfile.WriteBytes(filepath.Join(d.out, "recorded", set, "README.md"), []byte(about+"\n"+strings.TrimPrefix(table("", rows), "### \n\n")+d.provenance())); err != nil {
			return err
		}
	}
	return nil
}

// provenance says when, on what and with which command the runs were trained.
func (d *driver) provenance() string {
	fact := func(name string) string {
		value, _ := d.fact(name)
		return value
	}
	card := fact("card")
	if card == "" {
		card = fact("processor") + ", no GPU"
	}
	text := "Images: " + fact("images") + ". Accuracies are those of the last epoch. Training accuracy is measured on the augmented batches\nduring the epoch, while the weights change.\n\n" +
		"- Trained until " + time.Now().UTC().Format("2006-01-02") + "\n- Card: " + card + "\n- Backend: " + fact("backend") + "\n"
	for _, name := range []string{"nvidia-smi", "package jax-cuda13-pjrt"} {
		if value := fact(name); value != "" {
			text += "- " + name + ": " + value + "\n"
		}
	}
	if value := fact("quick"); value != "" {
		text += "- A rehearsal: " + value + "\n"
	}
	return text + "- Command: `make bench-gpu`, then `run.sh " + recordPart + "` on the machine with the card\n"
}
