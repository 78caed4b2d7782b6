package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/resnet"
)

func summaryCommand() *cobra.Command {
	var f flags
	var size, classes int
	cmd := &cobra.Command{
		Use:   "summary",
		Short: "List a network's layers, parameters and multiply-adds",
		Example: `  go run ./lesson summary --model resnet50
  go run ./lesson summary --model resnet20 --size 32 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, l := f.messages(cmd), language(cmd)
			if f.model == "" {
				if f.json {
					return printJSON(cmd.OutOrStdout(), resnet.Names())
				}
				fmt.Fprintln(w, l.Sprintf("The models are %s.", strings.Join(resnet.Names(), ", ")))
				ending(l, w, nil, "go run ./lesson summary --model resnet18")
				return nil
			}
			config, err := resnet.ByName(f.model)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("classes") {
				config.Classes = classes
			}
			if !cmd.Flags().Changed("size") && config.Stem == resnet.CIFARStem {
				size = 32
			}
			if size > maxSummarySize {
				return fmt.Errorf("--size %d, want at most %d", size, maxSummarySize)
			}
			summary, err := config.Summary(size, size)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), summary)
			}
			if err := writeSummary(l, w, summary); err != nil {
				return err
			}
			ending(l, w, nil, "go run ./lesson summary --model "+twin(config.Name), "go run ./lesson train --model resnet20 --data builtin")
			return nil
		},
	}
	f.add(cmd, "model", "json")
	cmd.Flags().IntVar(&size, "size", 224, "height and width of the images in pixels (default 224, or 32 for CIFAR networks)")
	cmd.Flag("size").DefValue = "0" // keeps cobra from adding the default again
	cmd.Flags().IntVar(&classes, "classes", 0, "number of classes (default: the model's own)")
	return cmd
}

// writeSummary writes the table of a summary in the language.
func writeSummary(l words.Language, w io.Writer, summary *resnet.Summary) error {
	if l == words.English {
		return summary.WriteTable(w)
	}
	book, table := l.NewPhrasebook(), aligned.Left(w, 2)
	for _, row := range summary.Rows() {
		for i, width := range []int{0, 0, 0, 14, 16} {
			cell := book.Translate(row[i])
			if i > 0 {
				fmt.Fprint(table, "\t")
			}
			fmt.Fprint(table, strings.Repeat(" ", max(0, width-aligned.Width(cell)))+cell)
		}
		fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	return nil
}

// maxSummarySize keeps the multiply-adds of every model well within 64 bits.
const maxSummarySize = 1 << 16

// twin names a model that is worth comparing with the given one.
func twin(name string) string {
	for _, pair := range [][2]string{{"resnet", "plain"}, {"plain", "resnet"}} {
		if other := strings.Replace(name, pair[0], pair[1], 1); other != name {
			if _, err := resnet.ByName(other); err == nil {
				return other
			}
		}
	}
	return "resnet18"
}
