package main

import (
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/image/draw"

	"github.com/residual-go/residual/pkg/infer"
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
			network, checkpoint, err := f.network(cmd)
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
				pixels, err := loadImage(path, checkpoint.Height, checkpoint.Width)
				if err != nil {
					return err
				}
				logits, err := network.Logits(pixels, checkpoint.Height, checkpoint.Width)
				if err != nil {
					return err
				}
				p := prediction{Image: path}
				for _, top := range infer.Top(logits, 5) {
					p.Guesses = append(p.Guesses, guess{checkpoint.Classes[top.Class], top.Probability})
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
				checkpoint.Recipe.Model.Name, checkpoint.Data, len(checkpoint.Classes))
			ending(w, nil, "go run ./lesson eval "+f.from())
			return nil
		},
	}
	f.add(cmd, "backend", "weights", "run", "json")
	return cmd
}

// maxPixels bounds the size of a picture that is decoded: a small file can claim to be huge.
const maxPixels = 1 << 28

// loadImage reads a picture and scales its middle to [height, width, 3] bytes.
func loadImage(path string, height, width int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	defer file.Close()
	header, _, err := image.DecodeConfig(file)
	if err != nil {
		return nil, fmt.Errorf("%s is no PNG or JPEG picture: %w", path, err)
	}
	if header.Width < 1 || header.Height < 1 || header.Width > maxPixels/header.Height {
		return nil, fmt.Errorf("%s has %d×%d pixels, want 1 to %d in all", path, header.Width, header.Height, maxPixels)
	}
	if _, err := file.Seek(0, 0); err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	picture, _, err := image.Decode(file)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	scaled := image.NewRGBA(image.Rect(0, 0, width, height))
	// White behind what is transparent.
	draw.Draw(scaled, scaled.Bounds(), image.White, image.Point{}, draw.Src)
	draw.CatmullRom.Scale(scaled, scaled.Bounds(), picture, middle(picture.Bounds(), width, height), draw.Over, nil)
	pixels := make([]byte, 0, height*width*3)
	for i := 0; i < len(scaled.Pix); i += 4 {
		pixels = append(pixels, scaled.Pix[i:i+3]...)
	}
	return pixels, nil
}

// middle returns the largest part of r in the middle that has the ratio of width to height.
func middle(r image.Rectangle, width, height int) image.Rectangle {
	w, h := r.Dx(), r.Dy()
	if w*height > h*width {
		w = max(1, h*width/height)
	} else {
		h = max(1, w*height/width)
	}
	corner := r.Min.Add(image.Pt((r.Dx()-w)/2, (r.Dy()-h)/2))
	return image.Rectangle{corner, corner.Add(image.Pt(w, h))}
}
