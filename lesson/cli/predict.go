package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/words"
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
		Short: "Classify images and print probabilities",
		Long: `Classify images: print the most probable classes of each with their probabilities.

IMAGE is a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM (PPM, PGM, PBM) file of any size, a
folder for all images in it, or - for one image on standard input. Of an animation the
first frame is used. Images are resized and cropped as the weights expect,
which matches their training closely or exactly.

--cam also shows which part of the image led to the top guess. It draws the class
activation map (Zhou et al. 2016) over the image, from violet (least) to yellow (most).
Darkened areas were cropped off and not seen by the network.

Images that cannot be read are reported and skipped; the exit code is then 1.`,
		Example: `  go run ./lesson predict --run runs/resnet20-fast-1 cat.jpg
  go run ./lesson predict --weights resnet50 --cam holiday/
  go run ./lesson predict --weights resnet18.pth --json *.png > guesses.json
  curl -s https://example.com/cat.jpg | go run ./lesson predict --run runs/resnet20-fast-1 -`,
		Args: arguments("image"),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if top < 1 || f.batchSize < 1 {
				return fmt.Errorf("--top %d and --batch %d must both be at least 1", top, f.batchSize)
			}
			if cmd.Flags().Changed("out") && !cam {
				return fmt.Errorf("--out %s is only used with --cam; add --cam", out)
			}
			if cam {
				if err := prepareFolder(out, "choose another folder with --out"); err != nil {
					return err
				}
			}
			network, m, err := f.loadNetwork(cmd)
			if err != nil {
				return err
			}
			defer network.Finalize()
			p := predict.Predictor{
				Network: network, Transform: m.Transform, Classes: m.Classes,
				Top: top, BatchSize: f.batchSize, Stdin: cmd.InOrStdin(),
			}
			if cam {
				p.MapFolder = out
			}
			inputs := predict.Inputs(paths)
			printer := newPredictionPrinter(cmd, f.json, len(inputs))
			err = p.Run(cmd.Context(), inputs, printer.add)
			if closeErr := printer.close(); err == nil {
				err = closeErr
			}
			if err != nil {
				return err
			}
			if w := cmd.OutOrStdout(); !f.json && printer.failed < len(inputs) {
				l := language(cmd)
				by := m.Config.Name
				if m.Data != "" {
					by = l.Sprintf("%s, trained on %s", by, dataName(l, m.Data))
				}
				fmt.Fprintf(w, "\n%s\n", l.Sprintf("Predicted by %s. It knows %d classes and assigns every image to one of them.", by, len(m.Classes)))
				ending(l, w, printer.written(out), "go run ./lesson serve "+f.from(), "go run ./lesson eval "+f.from())
			}
			return printer.failure()
		},
	}
	f.add(cmd, "backend", "weights", "model", "normalize", "run", "json")
	cmd.Flags().IntVar(&top, "top", 5, "number of guesses for each image")
	cmd.Flags().IntVar(&f.batchSize, "batch", 32, "images per forward pass")
	cmd.Flags().BoolVar(&cam, "cam", false, "draw class activation maps for the top guess into --out")
	cmd.Flags().StringVar(&out, "out", "runs/predict", "folder for the maps of --cam, NAME-cam.png for each image")
	return cmd
}

// predictionPrinter prints predictions as they arrive, as text or as the elements of a JSON
// array.
type predictionPrinter struct {
	stdout, stderr io.Writer
	language       words.Language
	json           bool
	bar            *bar // nil for none

	total, seen, failed int
	firstErr            error
	maps                []string // files with class activation maps
}

func newPredictionPrinter(cmd *cobra.Command, json bool, total int) *predictionPrinter {
	p := &predictionPrinter{stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), language: language(cmd), json: json, total: total}
	// Predictions on the terminal show the progress by themselves.
	if redraws(p.stderr) && !isTerminal(p.stdout) && total > 1 {
		p.bar = &bar{w: p.stderr, language: p.language}
	}
	return p
}

// add prints one prediction.
func (p *predictionPrinter) add(prediction predict.Prediction) error {
	if prediction.Err != nil {
		p.fail(prediction.Err)
	}
	if prediction.FirstOfFrames {
		fmt.Fprintln(p.stderr, p.language.Sprintf("Note: %s has several frames or pages; the first is used", printable.Escape(prediction.Image)))
	}
	if prediction.CAM != "" {
		p.maps = append(p.maps, prediction.CAM)
	}
	p.seen++
	if p.bar != nil {
		p.bar.set(int64(p.seen), int64(p.total), fmt.Sprintf("%d/%d", p.seen, p.total), p.language.Text("images"))
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
		return fmt.Errorf("print the prediction for %s: %w", prediction.Image, err)
	}
	return nil
}

// fail reports an image that could not be read. A single one becomes the error of the command
// instead; see failure.
func (p *predictionPrinter) fail(err error) {
	p.failed++
	if p.bar != nil {
		p.bar.clear()
	}
	switch p.failed {
	case 1:
		p.firstErr = err
		return
	case 2:
		fmt.Fprintln(p.stderr, p.language.Error(printable.Line(p.firstErr.Error())))
	}
	fmt.Fprintln(p.stderr, p.language.Error(printable.Line(err.Error())))
}

// failure returns the command's error if images could not be read.
func (p *predictionPrinter) failure() error {
	if p.failed > 1 {
		return errors.New(p.language.Sprintf("%d of %d images could not be read", p.failed, p.total))
	}
	return p.firstErr
}

// element prints one element of the JSON array.
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

// close completes the output, also after an interruption.
func (p *predictionPrinter) close() error {
	if p.bar != nil {
		p.bar.clear()
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

// written lists the maps, or only their folder if they are many.
func (p *predictionPrinter) written(folder string) []string {
	if len(p.maps) <= 10 {
		return p.maps
	}
	return []string{p.language.Sprintf("%s (%d class activation maps)", folder, len(p.maps))}
}
