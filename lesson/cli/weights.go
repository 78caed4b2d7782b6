package cli

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// inspected is what weights reports about a file.
type inspected struct {
	File         string        `json:"file"`
	Source       string        `json:"source"`
	Format       string        `json:"format"`
	Architecture resnet.Config `json:"architecture"`
	Parameters   int64         `json:"parameters"`
	weights.Description
	// Head describes the head if it is not a single linear layer.
	Head    string                `json:"head,omitempty"`
	SHA256  string                `json:"sha256"`
	Licence string                `json:"licence,omitempty"`
	Report  *statedict.Comparison `json:"report"`
	Notes   []string              `json:"notes"`
	Trials  []trial               `json:"trials,omitempty"`

	model *weights.Model
}

func weightsCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "weights [FILE|URL|NAME]",
		Short: "Describe a file of weights, or list the weights that can be downloaded",
		Long: `Describe weights: the format of the file, the network they belong to, its classes, and how
to prepare images for it. Without an argument, list the names of weights that can be
downloaded, and which of them are in the cache.

Weights can be a file from PyTorch, timm or this program, the folder of a run, a URL with
the SHA-256 of the file (https://…/w.pth#sha256=…), or the name of weights that torchvision
or timm publishes. Downloads are kept in the cache.

A file may have the weights anywhere in it, under names of its own: the notes say where they
were found and what was renamed. If it has several sets, the averaged one (EMA) is read, as
timm does, and --key chooses another.

Weights do not always tell the network: a plain network has the same as a residual one
with shortcuts of option A, for example. With --data, a folder of labelled images or
another value of --data, they are evaluated as those of every network that they fit, with
the usual normalisations, and the table says which is right.`,
		Example: `  go run ./lesson weights
  go run ./lesson weights resnet18
  go run ./lesson weights plainnet56.pt --data cifar10
  go run ./lesson weights resnet20-12fca82f.th --json`,
		ValidArgsFunction: complete(weightNames, cobra.ShellCompDirectiveDefault),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument %q: weights takes one file, URL or name; see %s", args[1], helpOf(cmd))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return f.listWeights(cmd)
			}
			if f.batchSize < 1 {
				return fmt.Errorf("--batch %d, want at least 1", f.batchSize)
			}
			spec, err := latestCheckpoint(cmd, args[0])
			if err != nil {
				return err
			}
			path, origin, err := hub.Fetch(cmd.Context(), spec, downloading(language(cmd), f.messages(cmd)))
			if err != nil {
				return err
			}
			i, err := f.inspect(args[0], path, origin)
			if err != nil {
				return err
			}
			if !f.json {
				if err := i.write(language(cmd), cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			if f.data != "" {
				if i.Head != "" {
					return fmt.Errorf("%s has no head that can be evaluated: %s", args[0], i.Head)
				}
				if !f.json {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if i.Trials, err = f.tryVariants(cmd, i.model); err != nil {
					return err
				}
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), i)
			}
			if f.data != "" {
				return writeTrials(language(cmd), cmd.OutOrStdout(), args[0], i.Trials)
			}
			next := "go run ./lesson predict --weights " + quoted(args[0]) + " IMAGE"
			if i.Head != "" {
				next = "go run ./lesson finetune --weights " + quoted(args[0]) + " --data FOLDER"
			}
			ending(language(cmd), cmd.OutOrStdout(), nil, next, "go run ./lesson weights")
			return nil
		},
	}
	f.add(cmd, "key", "model", "normalize", "data", "subset", "backend", "json")
	set := cmd.Flags()
	set.IntVar(&f.batchSize, "batch", 256, "images that go through the network at once")
	f.data, set.Lookup("data").DefValue = "", ""
	set.Lookup("data").Usage = "labelled images to try the weights on: cifar10, cifar100, builtin, or a folder"
	set.Lookup("subset").Usage = fmt.Sprintf("part of the images, such as 1000 or 50/class (default: up to %d, evenly spaced)", trialImages)
	return cmd
}

// inspect reads the file at path, which spec named, or the weights in it at --key, and compares it
// with the network it is for.
func (f *flags) inspect(spec, path string, origin hub.Origin) (*inspected, error) {
	file, err := weights.ReadFileKey(path, f.key)
	if err != nil {
		return nil, err
	}
	m, err := file.Model(origin, f.model)
	if _, ok := errors.AsType[*weights.HeadError](err); ok {
		m, err = file.WithNewHead().Model(origin, f.model)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := f.settleNormalization(m); err != nil {
		return nil, err
	}
	summary, err := m.Config.Summary(m.Transform.Height, m.Transform.Width)
	if err != nil {
		return nil, err
	}
	want, err := statedict.Shapes(m.Config)
	if err != nil {
		return nil, err
	}
	found := maps.Clone(m.Tensors)
	if m.Head != "" {
		maps.DeleteFunc(found, func(name string, _ statedict.Tensor) bool { return strings.HasPrefix(name, resnet.HeadName+".") })
	}
	sum, err := sha256Of(path)
	if err != nil {
		return nil, err
	}
	return &inspected{File: path, Source: m.Source, Format: file.Format, Architecture: m.Config, Parameters: summary.Parameters,
		Description: m.Description, SHA256: sum, Licence: origin.Licence, Head: m.Head, Report: statedict.Compare(want, found),
		Notes: notesAbout(m, spec), model: m}, nil
}

// sha256Of returns the checksum of the file at path, in hexadecimal digits.
func sha256Of(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read weights: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read weights: %w", err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

// write prints the report as a table.
func (i *inspected) write(l words.Language, w io.Writer) error {
	table := aligned.Left(w, 2)
	row := func(what, text string) { fmt.Fprintf(table, "%s\t%s\n", what, text) }
	row(l.Text("File"), i.File)
	row(l.Text("Format"), i.Format)
	if i.Source != i.File {
		row(l.Text("Source"), i.Source)
	}
	row("SHA-256", i.SHA256)
	if i.Licence != "" {
		row(l.Text("Licence"), i.Licence)
	}
	row(l.Text("Network"), l.Sprintf("%s, %d parameters", i.Architecture.Name, i.Parameters))
	if i.Head != "" {
		row(l.Text("Head"), i.Head)
	}
	shown := i.Classes[:min(5, len(i.Classes))]
	more := ""
	if len(shown) < len(i.Classes) {
		more = ", …"
	}
	row(l.Text("Classes"), l.Sprintf("%d: %s", len(i.Classes), strings.Join(shown, ", ")+more))
	filter := i.Transform.Filter
	if filter == "" {
		filter = picture.Bilinear
	}
	row(l.Text("Images"), l.Sprintf("shorter side to %d pixels (%s), central crop of %d×%d", i.Transform.Resize, filter, i.Transform.Height, i.Transform.Width))
	row("", l.Sprintf("mean %v, std %v", i.Normalization.Mean, i.Normalization.Std))
	if i.Data != "" {
		row(l.Text("Trained on"), dataName(l, i.Data))
	}
	if i.Recipe != "" {
		row(l.Text("Recipe"), i.Recipe)
	}
	if i.Accuracy != nil {
		row(l.Text("Accuracy"), l.Sprintf("%.2f%% of the %s images", 100**i.Accuracy, l.Text(string(cmp.Or(i.AccuracySplit, dataset.Test)))))
	}
	for n, line := range strings.Split(i.Report.String(), "\n") {
		row([]string{l.Text("Loading"), ""}[min(n, 1)], l.Error(line))
	}
	for n, note := range i.Notes {
		row([]string{l.Text("Notes"), ""}[min(n, 1)], l.Error(note))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the description: %w", err)
	}
	return nil
}

// listWeights prints the names of the weights that can be downloaded.
func (f *flags) listWeights(cmd *cobra.Command) error {
	list, err := hub.Catalogue()
	if err != nil {
		return err
	}
	w, l := cmd.OutOrStdout(), language(cmd)
	if f.json {
		return printJSON(w, list)
	}
	table := aligned.Left(w, 2)
	fmt.Fprintf(table, "%s\t%s\tSHA-256\t%s\n", l.Text("name"), l.Text("in the cache"), l.Text("licence"))
	for _, named := range list {
		where, sum := l.Text("no"), named.SHA256
		if named.Cached {
			where = named.Path
		}
		if len(sum) > 8 {
			sum = sum[:8] // --json has all digits
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", named.Name, where, sum, named.Licence)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the names: %w", err)
	}
	fmt.Fprintln(w, "\n"+l.Text("A name without a dot, such as resnet18, means torchvision's first weights: resnet18.tv_in1k."))
	fmt.Fprintln(w, l.Sprintf("More weights from timm: %s", "https://huggingface.co/timm"))
	ending(l, w, nil, "go run ./lesson weights resnet18", "go run ./lesson predict --weights resnet18 IMAGE")
	return nil
}
