package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

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
	Head   string                `json:"head,omitempty"`
	Report *statedict.Comparison `json:"report"`
	Notes  []string              `json:"notes"`
}

func weightsCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "weights [FILE|URL|NAME]",
		Short: "Describe a file of weights, or list the weights that can be downloaded",
		Long: `Describe weights: the format of the file, the network they belong to, its classes, and how
images are prepared for it. Without an argument, list the names of weights that can be
downloaded, and which of them are in the cache.

Weights can be a file from PyTorch, timm or this program, the folder of a run, a URL with
the SHA-256 of the file (https://…/w.pth#sha256=…), or the name of weights that torchvision
or timm publishes. Downloads are kept in the cache.`,
		Example: `  go run ./lesson weights
  go run ./lesson weights resnet18
  go run ./lesson weights resnet20-12fca82f.th --json`,
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
			spec, err := latestCheckpoint(cmd, args[0])
			if err != nil {
				return err
			}
			path, origin, err := hub.Fetch(cmd.Context(), spec, download(f.messages(cmd)))
			if err != nil {
				return err
			}
			i, err := f.inspect(args[0], path, origin)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), i)
			}
			if err := i.write(cmd.OutOrStdout()); err != nil {
				return err
			}
			next := "go run ./lesson predict --weights " + quoted(args[0]) + " IMAGE"
			if i.Head != "" {
				next = "go run ./lesson finetune --weights " + quoted(args[0]) + " --data FOLDER"
			}
			ending(cmd.OutOrStdout(), nil, next, "go run ./lesson weights")
			return nil
		},
	}
	f.add(cmd, "key", "model", "normalize", "json")
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
	report := statedict.Compare(want, found)
	return &inspected{path, m.Source, file.Format, m.Config, summary.Parameters, m.Description, m.Head, report, notesAbout(m, spec)}, nil
}

// write prints the report as a table.
func (i *inspected) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what, format string, values ...any) {
		fmt.Fprintf(table, "%s\t%s\n", what, fmt.Sprintf(format, values...))
	}
	row("File", "%s", i.File)
	row("Format", "%s", i.Format)
	if i.Source != i.File {
		row("Source", "%s", i.Source)
	}
	row("Network", "%s, %d parameters", i.Architecture.Name, i.Parameters)
	if i.Head != "" {
		row("Head", "%s", i.Head)
	}
	shown := i.Classes[:min(5, len(i.Classes))]
	more := ""
	if len(shown) < len(i.Classes) {
		more = ", …"
	}
	row("Classes", "%d: %s%s", len(i.Classes), strings.Join(shown, ", "), more)
	filter := i.Transform.Filter
	if filter == "" {
		filter = picture.Bilinear
	}
	row("Images", "shorter side to %d pixels (%s), central crop of %d×%d", i.Transform.Resize, filter, i.Transform.Height, i.Transform.Width)
	row("", "mean %v, std %v", i.Normalization.Mean, i.Normalization.Std)
	if i.Data != "" {
		row("Trained on", "%s", i.Data)
	}
	if i.Recipe != "" {
		row("Recipe", "%s", i.Recipe)
	}
	if i.Accuracy != nil {
		row("Accuracy", "%.2f%%", 100**i.Accuracy)
	}
	for n, line := range strings.Split(i.Report.String(), "\n") {
		row([]string{"Loading", ""}[min(n, 1)], "%s", line)
	}
	for n, note := range i.Notes {
		row([]string{"Notes", ""}[min(n, 1)], "%s", note)
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
	w := cmd.OutOrStdout()
	if f.json {
		return printJSON(w, list)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "name\tin the cache")
	for _, named := range list {
		where := "no"
		if named.Cached {
			where = named.Path
		}
		fmt.Fprintf(table, "%s\t%s\n", named.Name, where)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the names: %w", err)
	}
	fmt.Fprintln(w, "\nA name without a dot, such as resnet18, means torchvision's first weights: resnet18.tv_in1k.")
	fmt.Fprintln(w, "More weights from timm: https://huggingface.co/timm")
	ending(w, nil, "go run ./lesson weights resnet18", "go run ./lesson predict --weights resnet18 IMAGE")
	return nil
}
