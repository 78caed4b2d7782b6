package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/recipe"
)

// peerProgram trains with PyTorch by our fast recipe. It is not part of the project and is packed only
// if it is available. Its command line is
//
//	torch_cifar.py NETWORK --data DIR --epochs N --device cuda
//
// and for every epoch it prints a line of JSON with epoch, loss, test_acc and train_s.
var peerProgram = filepath.Join("peer", "torch_cifar.py")

// train runs one training, unless it is done, and keeps the results of every epoch.
func (d *driver) train(ctx context.Context, t training, part string) error {
	s := spec{Peer: t.Peer, Network: t.Network, Size: 32, Batch: 128, Precision: t.Precision}
	if d.results.count(func(r record) bool {
		return r.Part == part && r.spec == s && r.Seed == t.Seed &&
			(r.Event == trainedEvent || r.Event == failedEvent && !d.retrying)
	}) > 0 {
		return nil
	}
	err := d.images(ctx)
	if err == nil {
		if why := d.lacking(t.Peer); why != "" {
			err = errors.New(why)
		}
	}
	if err == nil {
		err = d.follow(ctx, t, s, part)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(d.log, "%s: %s, %s, seed %d: skipped: %s\n", part, t.Network, t.Peer, t.Seed, printable.Line(err.Error()))
	return d.results.add(record{Part: part, Event: failedEvent, spec: s, Seed: t.Seed, Error: printable.Line(err.Error())})
}

// follow runs the training and records its epochs and its end.
func (d *driver) follow(ctx context.Context, t training, s spec, part string) error {
	args, err := d.trainer(t)
	if err != nil {
		return err
	}
	began := time.Now()
	from := d.memory.begin()
	p, err := startPeer(ctx, t.Peer, args, d.environment())
	if err != nil {
		return err
	}
	defer p.close()
	var last record
	for {
		line, err := p.line(startLimit)
		if err == errEnded {
			break
		}
		if err != nil {
			return err
		}
		var r struct {
			record
			TestAccuracy float64 `json:"test_acc"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("%s printed %.80q, want a record: %w", p.name, line, err)
		}
		if r.Event == trainedEvent {
			continue
		}
		last = record{Part: part, Event: epochEvent, spec: s, Seed: t.Seed, Epoch: r.Epoch, Loss: r.Loss,
			Accuracy: max(r.Accuracy, r.TestAccuracy), TrainSeconds: r.TrainSeconds}
		if err := d.results.add(last); err != nil {
			return err
		}
		fmt.Fprintf(d.log, "%s: %s, %s, %s, seed %d, epoch %d: test accuracy %.2f%% after %.1f s of training\n",
			part, t.Network, t.Peer, t.Precision, t.Seed, last.Epoch, 100*last.Accuracy, last.TrainSeconds)
	}
	if last.Epoch == 0 {
		return fmt.Errorf("%s ended without an epoch: %s", p.name, p.log.reason())
	}
	last.Event, last.Seconds, last.DeviceMiB = trainedEvent, time.Since(began).Seconds(), d.memory.grown(from)
	return d.results.add(last)
}

// trainer returns the command line of the training.
func (d *driver) trainer(t training) ([]string, error) {
	if t.Peer == torchRecipe {
		epochs := t.Epochs
		if epochs == 0 {
			r, err := recipe.ByName("fast")
			if err != nil {
				return nil, err
			}
			epochs = r.Epochs
		}
		return []string{d.python, filepath.Join(d.home, "seeded.py"), fmt.Sprint(t.Seed), filepath.Join(d.home, peerProgram),
			t.Network, "--data", d.data, "--epochs", fmt.Sprint(epochs), "--device", d.device}, nil
	}
	config, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode the training: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return []string{self, "train", "-backend", d.backend, "-data", d.data, string(config)}, nil
}

// packedImages is the name of the images that pack packs.
const packedImages = "CIFAR-10 (JPEG)"

// recordFiles matches CIFAR-10's record files.
const recordFiles = "*_batch*.bin"

// images sets d.data to a folder with record files: the one of the flag -data or that of the packed
// images, which it unpacks.
func (d *driver) images(ctx context.Context) error {
	if d.data == "" {
		packed := filepath.Join(d.home, "data")
		if _, err := os.Stat(packed); err != nil {
			archive := filepath.Join(d.home, archiveName)
			if _, err := os.Stat(archive); err != nil {
				return errors.New("there are no images; set RESIDUAL_TEST_DATA when packing, or name a folder with -data")
			}
			fmt.Fprintln(d.log, "unpacking the images")
			fresh := packed + ".tmp"
			output, err := exec.CommandContext(ctx, filepath.Join(d.home, unpackName), "-in", archive, "-out", fresh).CombinedOutput()
			if err != nil {
				return fmt.Errorf("unpack %s: %w: %s", archive, err, printable.Line(string(output)))
			}
			if err := os.Rename(fresh, packed); err != nil {
				return fmt.Errorf("unpack %s: %w", archive, err)
			}
		}
		d.data = packed
		if err := d.noteOnce("images", packedImages); err != nil {
			return err
		}
	} else if err := d.noteOnce("images", "those in "+filepath.Base(d.data)); err != nil {
		return err
	}
	if inner := filepath.Join(d.data, "cifar-10-batches-bin"); isFolder(inner) {
		d.data = inner
	}
	if d.plan.images > 0 {
		return d.cut()
	}
	return nil
}

func (d *driver) noteOnce(name, value string) error {
	if _, known := d.fact(name); known {
		return nil
	}
	return d.note(name, value)
}

// cut copies the first images of every file to another folder and uses that.
func (d *driver) cut() error {
	into := filepath.Join(d.out, "few")
	if d.data == into {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(d.data, recordFiles))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s has no record files", d.data)
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return fmt.Errorf("create a folder for a few images: %w", err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read images: %w", err)
		}
		content = content[:min(len(content), d.plan.images*(1+3*32*32))]
		if err := os.WriteFile(filepath.Join(into, filepath.Base(path)), content, 0o644); err != nil {
			return fmt.Errorf("write a few images: %w", err)
		}
	}
	d.data = into
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
