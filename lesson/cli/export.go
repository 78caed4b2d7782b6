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
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/onnx"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

// The formats that export writes, which are also the endings of their files.
const (
	safetensorsFormat = "safetensors"
	onnxFormat        = "onnx"
)

// exported is what export wrote.
type exported struct {
	File         string   `json:"file"`
	Format       string   `json:"format"`
	Folded       bool     `json:"folded"`
	Bytes        int64    `json:"bytes"`
	Architecture string   `json:"architecture"`
	Classes      int      `json:"classes"`
	Accuracy     *float64 `json:"accuracy,omitempty"`
}

func exportCommand() *cobra.Command {
	var f flags
	var out, format string
	var fold, force bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a trained network for PyTorch, ONNX Runtime and others",
		Long: `Write a trained network for other programs, by the ending of the file:

  .safetensors   the weights alone, with torchvision's names and PyTorch's layouts, and
                 without the optimiser's state
  .onnx          network and weights, for ONNX Runtime and all that reads ONNX

Both also hold what is known about the network: classes, normalisation, size of the
images, recipe and, of a run, test accuracy.`,
		Example: `  go run ./lesson export --run runs/resnet20-fast-1 --out resnet20.safetensors
  go run ./lesson export --run runs/resnet20-fast-1 --out resnet20.onnx --fold`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := exportFormat(out, format)
			if err != nil {
				return err
			}
			if fold && format != onnxFormat {
				return errors.New("--fold is for ONNX; PyTorch has a place for each batch normalisation's weights")
			}
			if err := free(out, force); err != nil {
				return err
			}
			m, err := f.loaded(cmd)
			if err != nil {
				return err
			}
			if dir := cmp.Or(f.run, f.weights); m.Accuracy == nil && run.Exists(dir) {
				if m.Accuracy, err = testAccuracy(dir); err != nil {
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
				return fmt.Errorf("look at what was written: %w", err)
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), exported{out, format, fold, info.Size(), m.Config.Name, m.Config.Classes, m.Accuracy})
			}
			w := f.talk(cmd)
			fmt.Fprintf(w, "%s for %d classes%s, %.2f MB\n\n", m.Config.Name, m.Config.Classes, known(m), float64(info.Size())/1e6)
			next := "go run ./lesson export " + f.from() + " --out " + quoted(strings.TrimSuffix(out, filepath.Ext(out))+"."+onnxFormat)
			if format == onnxFormat {
				fmt.Fprint(w, useONNX(m, out))
				next = "go run ./lesson eval " + f.from()
			} else {
				fmt.Fprint(w, usePyTorch(m, out))
			}
			ending(w, []string{out}, next)
			return nil
		},
	}
	f.add(cmd, "weights", "run", "json")
	cmd.Flags().StringVar(&out, "out", "", "file to write, .safetensors or .onnx")
	cmd.Flags().StringVar(&format, "format", "", "safetensors or onnx (default: by the file's ending)")
	cmd.Flags().BoolVar(&fold, "fold", false, "multiply batch normalisations into the convolutions before them (ONNX)")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	return cmd
}

// exportFormat is the format to write out in: the one asked for, or else that of its ending.
func exportFormat(out, format string) (string, error) {
	switch asked := format; {
	case out == "":
		return "", errors.New("write to which file? Give --out FILE.safetensors or --out FILE.onnx")
	case asked == "":
		format = strings.ToLower(strings.TrimPrefix(filepath.Ext(out), "."))
		if format != safetensorsFormat && format != onnxFormat {
			return "", fmt.Errorf("%s ends neither in .safetensors nor in .onnx; say which with --format", out)
		}
	case asked != safetensorsFormat && asked != onnxFormat:
		return "", fmt.Errorf("unknown format %q; the formats are %s, %s", asked, safetensorsFormat, onnxFormat)
	}
	return format, nil
}

// free wants nothing to be at path, or with force nothing but a file, and its folder to be
// there: it is better to hear of it before the weights are read.
func free(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder; give the name of a file", path)
	case err == nil && !force:
		return fmt.Errorf("%s is there already; --force writes over it", path)
	case err == nil && info.Mode()&^fs.ModePerm&^fs.ModeSymlink != 0: // /dev/null is to stay what it is
		return fmt.Errorf("%s is a device or a pipe; give the name of a file", path)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s to write %s into; make it first", dir, filepath.Base(path))
	}
	return nil
}

// testAccuracy is what the run in dir measured with its newest weights, if it did.
func testAccuracy(dir string) (*float64, error) {
	checkpoint, _, err := run.Latest(dir, func(string) {}) // the note was given when it was loaded
	if err != nil {
		return nil, err
	}
	lines, err := run.ReadMetrics(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		if line.Kind == run.EpochLine && line.Step == checkpoint.Step {
			return line.TestTop1, nil
		}
	}
	return nil, nil
}

// known is what there is to say of where the weights come from.
func known(m *weights.Model) string {
	var text string
	if m.Data != "" {
		text = ", trained on " + m.Data
	}
	if m.Accuracy != nil {
		text += fmt.Sprintf(", test accuracy %.2f%%", 100**m.Accuracy)
	}
	return text
}

// usePyTorch is how the weights in the file are loaded in PyTorch.
func usePyTorch(m *weights.Model, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "In PyTorch:\n\n  import safetensors.torch\n")
	if torchvisionHas(m.Config) {
		fmt.Fprintf(&b, "  import torchvision\n  model = torchvision.models.%s(num_classes=%d)\n", m.Config.Name, m.Config.Classes)
	} else {
		fmt.Fprintf(&b, "  # model: this network, which torchvision has not, with torchvision's names for its layers\n")
	}
	fmt.Fprintf(&b, "  model.load_state_dict(safetensors.torch.load_file(%q), strict=True)\n  model.eval()\n", file)
	fmt.Fprintf(&b, "\n%s", input(m))
	return b.String()
}

// torchvisionHas reports whether torchvision has the network, under the same name.
func torchvisionHas(config resnet.Config) bool {
	known, err := resnet.ByName(config.Name)
	known.Classes, known.ZeroInitResidual = config.Classes, config.ZeroInitResidual
	return err == nil && known.Stem == resnet.ImageNetStem && !known.Plain && reflect.DeepEqual(known, config)
}

// useONNX is how the model in the file is run in ONNX Runtime.
func useONNX(m *weights.Model, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "In ONNX Runtime, from Python:\n\n  import numpy, onnxruntime\n")
	fmt.Fprintf(&b, "  # pixels: numpy.uint8 [batch, %d, %d, 3], RGB\n", m.Transform.Height, m.Transform.Width)
	fmt.Fprintf(&b, "  images = (pixels/255 - %s) / %s\n", list(m.Normalization.Mean), list(m.Normalization.Std))
	fmt.Fprintf(&b, "  images = images.transpose(0, 3, 1, 2).astype(numpy.float32)\n")
	fmt.Fprintf(&b, "  session = onnxruntime.InferenceSession(%q, providers=[\"CPUExecutionProvider\"])\n", file)
	fmt.Fprintf(&b, "  logits, = session.run(None, {\"images\": images})\n")
	fmt.Fprintf(&b, "\n%s", input(m))
	return b.String()
}

// input says how a picture becomes what the network takes.
func input(m *weights.Model) string {
	t := m.Transform
	return fmt.Sprintf("A picture is scaled (%s) until its shorter side has %d pixels, and the middle %d×%d cut out;\nRGB, each channel scaled to 0 … 1, less its mean %s,\ndivided by its standard deviation %s.\n",
		cmp.Or(t.Filter, picture.Bilinear), t.Resize, t.Width, t.Height, list(m.Normalization.Mean), list(m.Normalization.Std))
}

// list is a list in Python, and in JSON.
func list(x [3]float32) string { return fmt.Sprintf("[%g, %g, %g]", x[0], x[1], x[2]) }
