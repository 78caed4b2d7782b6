package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

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
			w := f.messages(cmd)
			if f.model == "" {
				if f.json {
					return printJSON(cmd.OutOrStdout(), resnet.Names())
				}
				fmt.Fprintln(w, "The models are "+strings.Join(resnet.Names(), ", ")+".")
				ending(language(cmd), w, nil, "go run ./lesson summary --model resnet18")
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
			if err := summary.WriteTable(w); err != nil {
				return err
			}
			ending(language(cmd), w, nil, "go run ./lesson summary --model "+twin(config.Name), "go run ./lesson train --model resnet20 --data builtin")
			return nil
		},
	}
	f.add(cmd, "model", "json")
	cmd.Flags().IntVar(&size, "size", 224, "height and width of the images in pixels (default 224, or 32 for CIFAR networks)")
	cmd.Flag("size").DefValue = "0" // keeps cobra from adding the default again
	cmd.Flags().IntVar(&classes, "classes", 0, "number of classes (default: the model's own)")
	return cmd
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
