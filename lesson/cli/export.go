package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/onnx"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

// The formats that export writes. They are also the file extensions.
const (
	safetensorsFormat = "safetensors"
	onnxFormat        = "onnx"
)

// exported describes the file that export wrote.
type exported struct {
	File         string   `json:"file"`
	Format       string   `json:"format"`
	Folded       bool     `json:"folded"`
	Bytes        int64    `json:"bytes"`
	Architecture string   `json:"architecture"`
	Classes      int      `json:"classes"`
	Accuracy     *float64 `json:"accuracy,omitempty"`
	// AccuracySplit is the part of the data that the accuracy was measured on; empty means the test images.
	AccuracySplit dataset.Split `json:"accuracy_split,omitempty"`
}

func exportCommand() *cobra.Command {
	var f flags
	var out, format string
	var fold, force bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Export a trained network for PyTorch, ONNX Runtime and others",
		Long: `Export a trained network for other programs. The extension of the file selects the format:

  .safetensors   only the weights, with torchvision's names and PyTorch's layouts, without
                 optimiser state
  .onnx          network and weights, for ONNX Runtime and everything else that reads ONNX

Both also describe the network: its classes, normalisation, image size and recipe and, for
a run, its accuracy and the images it was measured on.`,
		Example: `  go run ./lesson export --run runs/resnet20-fast-1 --out resnet20.safetensors
  go run ./lesson export --run runs/resnet20-fast-1 --out resnet20.onnx --fold`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := exportFormat(out, format)
			if err != nil {
				return err
			}
			if fold && format != onnxFormat {
				return errors.New("--fold is only for ONNX; in PyTorch the batch norms keep their own weights")
			}
			if err := checkFree(out, force); err != nil {
				return err
			}
			m, err := f.loadWeights(cmd)
			if err != nil {
				return err
			}
			if dir := cmp.Or(f.run, f.weights); m.Accuracy == nil && run.Exists(dir) && !recorded.Is(dir) {
				if m.Accuracy, m.AccuracySplit, err = accuracy(dir); err != nil {
					return err
				}
			}
			if format == onnxFormat {
				err = atomicfile.Write(out, func(w io.Writer) error { return onnx.Write(w, m, onnx.Options{Fold: fold}) })
			} else {
				err = m.Save(out)
			}
			if err != nil {
				return err
			}
			info, err := os.Stat(out)
			if err != nil {
				return fmt.Errorf("check the written file: %w", err)
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), exported{out, format, fold, info.Size(), m.Config.Name, m.Config.Classes, m.Accuracy, m.AccuracySplit})
			}
			w, l := cmd.OutOrStdout(), language(cmd)
			fmt.Fprintf(w, "%s\n\n", l.Sprintf("%s for %d classes%s, %.2f MB", m.Config.Name, m.Config.Classes, provenance(l, m), float64(info.Size())/1e6))
			next := "go run ./lesson export " + f.from() + " --out " + quoted(strings.TrimSuffix(out, filepath.Ext(out))+"."+onnxFormat)
			if format == onnxFormat {
				fmt.Fprint(w, useONNX(l, m, out))
				next = "go run ./lesson eval " + f.from()
			} else {
				fmt.Fprint(w, usePyTorch(l, m, out))
			}
			ending(l, w, []string{out}, next)
			return nil
		},
	}
	f.add(cmd, "weights", "model", "normalize", "run", "json")
	cmd.Flags().StringVar(&out, "out", "", "file to write: .safetensors or .onnx")
	cmd.Flags().StringVar(&format, "format", "", "safetensors or onnx (default: from the extension of --out)")
	cmd.Flags().BoolVar(&fold, "fold", false, "fold batch norms into the convolutions before them (ONNX only)")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite an existing file")
	return cmd
}

// exportFormat returns the format to write: the given one or, if that is empty, the one that
// belongs to the extension of out.
func exportFormat(out, format string) (string, error) {
	if out == "" {
		return "", errors.New("no file given; use --out FILE.safetensors or --out FILE.onnx")
	}
	known := []string{safetensorsFormat, onnxFormat}
	if format == "" {
		extension := strings.ToLower(strings.TrimPrefix(filepath.Ext(out), "."))
		if !slices.Contains(known, extension) {
			return "", fmt.Errorf("%s ends neither in .safetensors nor in .onnx; choose with --format", out)
		}
		return extension, nil
	}
	if !slices.Contains(known, format) {
		return "", fmt.Errorf("unknown format %q; the formats are %s", format, strings.Join(known, ", "))
	}
	return format, nil
}

// checkFree reports early, before the weights are read, if path cannot be written: because
// something exists there (with force, something other than a file), or its folder does not.
func checkFree(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder; give the name of a file", path)
	case err == nil && !force:
		return fmt.Errorf("%s already exists; --force overwrites it", path)
	case err == nil && info.Mode()&^fs.ModePerm&^fs.ModeSymlink != 0: // such as /dev/null
		return fmt.Errorf("%s is a device or a pipe; give the name of a file", path)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("folder %s does not exist, so %s cannot be written to it; create it first", dir, filepath.Base(path))
	}
	return nil
}

// accuracy returns the accuracy of the newest checkpoint of the run in dir (nil if it was not
// tested) and the part of the data that it was tested on.
func accuracy(dir string) (*float64, dataset.Split, error) {
	checkpoint, _, err := run.Latest(dir, func(string) {}) // the notes were printed when it was loaded
	if err != nil {
		return nil, "", err
	}
	lines, err := run.ReadMetrics(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	for _, line := range lines {
		if line.Kind == run.EpochLine && line.Step == checkpoint.Step {
			return line.TestTop1, line.TestSplit, nil
		}
	}
	return nil, "", nil
}

// provenance says where the weights come from and how good they are, as far as that is known.
func provenance(l words.Language, m *weights.Model) string {
	var text string
	if m.Data != "" {
		text = l.Sprintf(", trained on %s", dataName(l, m.Data))
	}
	if m.Accuracy != nil {
		text += l.Sprintf(", %s accuracy %.2f%%", l.Text(string(cmp.Or(m.AccuracySplit, dataset.Test))), 100**m.Accuracy)
	}
	return text
}

// usePyTorch explains how to load the weights in PyTorch.
func usePyTorch(l words.Language, m *weights.Model, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", l.Text("In PyTorch:"))
	fmt.Fprintf(&b, "  import safetensors.torch\n")
	if torchvisionHas(m.Config) {
		fmt.Fprintf(&b, "  import torchvision\n  model = torchvision.models.%s(num_classes=%d)\n", m.Config.Name, m.Config.Classes)
	} else {
		fmt.Fprintf(&b, "  # %s\n", l.Text("model: this network, which torchvision does not have, with layers named as in torchvision"))
	}
	fmt.Fprintf(&b, "  model.load_state_dict(safetensors.torch.load_file(%q), strict=True)\n  model.eval()\n", file)
	fmt.Fprintf(&b, "\n%s\n", preprocessing(l, m))
	return b.String()
}

// torchvisionHas reports whether torchvision has the network under the same name.
func torchvisionHas(config resnet.Config) bool {
	known, err := resnet.ByName(config.Name)
	known.Classes, known.ZeroInitResidual = config.Classes, config.ZeroInitResidual
	return err == nil && known.Stem == resnet.ImageNetStem && !known.Plain && !known.StrideFirst && reflect.DeepEqual(known, config)
}

// useONNX explains how to run the model in ONNX Runtime.
func useONNX(l words.Language, m *weights.Model, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", l.Text("In ONNX Runtime, from Python:"))
	fmt.Fprintf(&b, "  import numpy, onnxruntime\n")
	fmt.Fprintf(&b, "  # pixels: numpy.uint8 [batch, %d, %d, 3], RGB\n", m.Transform.Height, m.Transform.Width)
	fmt.Fprintf(&b, "  images = (pixels/255 - %s) / %s\n", list(m.Normalization.Mean), list(m.Normalization.Std))
	fmt.Fprintf(&b, "  images = images.transpose(0, 3, 1, 2).astype(numpy.float32)\n")
	fmt.Fprintf(&b, "  session = onnxruntime.InferenceSession(%q, providers=[\"CPUExecutionProvider\"])\n", file)
	fmt.Fprintf(&b, "  logits, = session.run(None, {\"images\": images})\n")
	fmt.Fprintf(&b, "\n%s\n", preprocessing(l, m))
	return b.String()
}

// preprocessing explains how an image becomes input for the network.
func preprocessing(l words.Language, m *weights.Model) string {
	t := m.Transform
	return l.Sprintf("Preprocessing: resize the shorter side to %d pixels (%s), crop the central %d×%d, scale RGB to 0 … 1,\nsubtract the mean %s, divide by the standard deviation %s.",
		t.Resize, cmp.Or(t.Filter, picture.Bilinear), t.Height, t.Width, list(m.Normalization.Mean), list(m.Normalization.Std))
}

// list formats the channels as a list in Python.
func list(x [3]float32) string { return fmt.Sprintf("[%g, %g, %g]", x[0], x[1], x[2]) }
