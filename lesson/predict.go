package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
)

func predictCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "predict IMAGE…",
		Short: "Say what is in pictures, with probabilities",
		Long: `Say what is in pictures: the five likeliest classes with their probabilities.

PNG and JPEG files of any size will do. The middle square of a picture is scaled to
the size the network was trained on.`,
		Example: `  go run ./lesson predict --run runs/resnet20-fast-1 cat.jpg
  go run ./lesson predict --weights w.safetensors *.png --json`,
		Args: arguments("picture"),
		RunE: func(cmd *cobra.Command, paths []string) error {
			network, m, err := f.network(cmd)
			if err != nil {
				return err
			}
			defer network.Finalize()
			type guess struct {
				Class       string  `json:"class"`
				Probability float64 `json:"probability"`
			}
			type prediction struct {
				Image   string  `json:"image"`
				Guesses []guess `json:"guesses"`
			}
			var predictions []prediction
			for _, path := range paths {
				if err := cmd.Context().Err(); err != nil {
					return err
				}
				photo, err := picture.Read(path, picture.Limits{})
				if err != nil {
					return err
				}
				logits, err := network.Logits(m.Transform.Apply(photo), m.Transform.Height, m.Transform.Width)
				if err != nil {
					return err
				}
				p := prediction{Image: path}
				for _, top := range infer.Top(logits, 5) {
					p.Guesses = append(p.Guesses, guess{m.Classes[top.Class], top.Probability})
				}
				predictions = append(predictions, p)
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), predictions)
			}
			w := f.talk(cmd)
			for _, p := range predictions {
				fmt.Fprintln(w, p.Image)
				for _, guess := range p.Guesses {
					fmt.Fprintf(w, "  %6.2f%%  %s\n", 100*guess.Probability, guess.Class)
				}
			}
			fmt.Fprintf(w, "\nBy %s, trained on %s: it knows %d classes and takes every picture for one of them.\n",
				m.Config.Name, m.Data, len(m.Classes))
			ending(w, nil, "go run ./lesson eval "+f.from())
			return nil
		},
	}
	f.add(cmd, "backend", "weights", "run", "json")
	return cmd
}
