package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/predict"
	"github.com/residual-go/residual/pkg/printable"
)

func predictCommand() *cobra.Command {
	var f flags
	var top int
	var cam bool
	var out string
	cmd := &cobra.Command{
		Use:   "predict IMAGE…",
		Short: "Say what is in pictures, with probabilities",
		Long: `Say what is in pictures: the likeliest classes with their probabilities.

PNG, JPEG and WebP files of any size will do, folders stand for the pictures in them,
and - for one picture on standard input. A picture is scaled and cropped as the
weights say, which is as in training or close to it.

With --cam it is drawn where in the picture the network found its first guess: the
class activation map (Zhou et al. 2016) over the picture, from violet for least to
yellow for most. What is darkened was cropped away.

A picture that cannot be read is reported, and does not keep the others from being
read; the exit code then is 1.`,
		Example: `  go run ./lesson predict --run runs/resnet20-fast-1 cat.jpg
  go run ./lesson predict --weights resnet50 --cam holiday/
  go run ./lesson predict --weights resnet18.pth --json *.png > guesses.json
  curl -s https://example.com/cat.jpg | go run ./lesson predict --run runs/resnet20-fast-1 -`,
		Args: arguments("picture"),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if top < 1 || f.batch < 1 {
				return fmt.Errorf("--top %d and --batch %d are to be at least 1", top, f.batch)
			}
			if cmd.Flags().Changed("out") && !cam {
				return fmt.Errorf("--out %s is for what --cam draws; give that too", out)
			}
			network, m, err := f.network(cmd)
			if err != nil {
				return err
			}
			defer network.Finalize()
			p := predict.Predictor{
				Network: network, Transform: m.Transform, Classes: m.Classes,
				Top: top, BatchSize: f.batch, Stdin: cmd.InOrStdin(),
			}
			if cam {
				p.MapFolder = out
				if err := os.MkdirAll(out, 0o755); err != nil {
					return fmt.Errorf("folder for the maps: %w", err)
				}
			}
			inputs := predict.Inputs(paths)
			printer := newPredictionPrinter(cmd, f.json, len(inputs))
			err = p.Run(cmd.Context(), inputs, printer.add)
			if ended := printer.close(); err == nil {
				err = ended
			}
			if err != nil {
				return err
			}
			if w := cmd.OutOrStdout(); !f.json && printer.failed < len(inputs) {
				by := m.Config.Name
				if m.Data != "" {
					by += ", trained on " + m.Data
				}
				fmt.Fprintf(w, "\nBy %s: it knows %d classes and takes every picture for one of them.\n", by, len(m.Classes))
				ending(w, printer.maps(out), "go run ./lesson serve "+f.from(), "go run ./lesson eval "+f.from())
			}
			return printer.failure()
		},
	}
	f.add(cmd, "backend", "weights", "run", "json")
	cmd.Flags().IntVar(&top, "top", 5, "guesses for each picture")
	cmd.Flags().IntVar(&f.batch, "batch", 32, "pictures that go through the network at once")
	cmd.Flags().BoolVar(&cam, "cam", false, "draw where the network found its first guess, into --out")
	cmd.Flags().StringVar(&out, "out", "runs/predict", "folder for what --cam draws, NAME-cam.png for each picture")
	return cmd
}

// predictionPrinter prints predictions as they come: for people, or as the elements of a
// JSON array.
type predictionPrinter struct {
	stdout, stderr io.Writer
	json           bool
	bar            *progressbar.ProgressBar // nil for none

	total, seen, failed int
	first               error // of those that failed
	drawn               []string
}

func newPredictionPrinter(cmd *cobra.Command, json bool, total int) *predictionPrinter {
	p := &predictionPrinter{stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), json: json, total: total}
	// Where the predictions themselves go to the terminal they show how far it is.
	if isTerminal(p.stderr) && !isTerminal(p.stdout) && total > 1 {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.stderr), progressbar.OptionSetDescription("pictures"),
			progressbar.OptionSetWidth(24), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *predictionPrinter) add(prediction predict.Prediction) error {
	if prediction.Err != nil {
		p.fail(prediction.Err)
	}
	if prediction.CAM != "" {
		p.drawn = append(p.drawn, prediction.CAM)
	}
	p.seen++
	if p.bar != nil {
		_ = p.bar.Set(p.seen) // a terminal's error is no reason to stop
	}
	var err error
	switch {
	case p.json:
		err = p.element(prediction)
	case prediction.Err == nil:
		_, err = fmt.Fprintln(p.stdout, printable.Escape(prediction.Image))
		for _, guess := range prediction.Guesses {
			fmt.Fprintf(p.stdout, "  %6.2f%%  %s\n", 100*guess.Probability, guess.Class)
		}
	}
	if err != nil {
		return fmt.Errorf("print what is in %s: %w", prediction.Image, err)
	}
	return nil
}

// fail reports a picture that could not be read. If it stays the only one it is the
// command's own error; see failure.
func (p *predictionPrinter) fail(err error) {
	p.failed++
	switch p.failed {
	case 1:
		p.first = err
		return
	case 2:
		fmt.Fprintln(p.stderr, printable.Line(p.first.Error()))
	}
	fmt.Fprintln(p.stderr, printable.Line(err.Error()))
}

// failure is the command's error for pictures that could not be read.
func (p *predictionPrinter) failure() error {
	if p.failed > 1 {
		return fmt.Errorf("%d of %d pictures could not be read", p.failed, p.total)
	}
	return p.first
}

func (p *predictionPrinter) element(prediction predict.Prediction) error {
	text, err := json.MarshalIndent(prediction, "  ", "  ")
	if err != nil {
		return err
	}
	before := ",\n  "
	if p.seen == 1 {
		before = "[\n  "
	}
	_, err = fmt.Fprintf(p.stdout, "%s%s", before, text)
	return err
}

// close ends what is on the screen; after an interruption too.
func (p *predictionPrinter) close() error {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	if !p.json {
		return nil
	}
	end := "\n]\n"
	if p.seen == 0 {
		end = "[]\n"
	}
	if _, err := io.WriteString(p.stdout, end); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// maps names the maps that were drawn, or the folder if they are many.
func (p *predictionPrinter) maps(folder string) []string {
	if len(p.drawn) <= 10 {
		return p.drawn
	}
	return []string{fmt.Sprintf("%s (%d class activation maps)", folder, len(p.drawn))}
}
