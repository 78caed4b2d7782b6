package figure

import (
	"errors"
	"fmt"
	"image"
	"math"
	"strings"

	"golang.org/x/image/draw"
)

// Tile is one image of a grid.
type Tile struct {
	// Pixels is [Height, Width, 3]: row by row, red, green and blue of each pixel.
	Pixels        []byte
	Height, Width int
	// Caption is written under the image, one line of it for each line of the text: the
	// label, say, and under it the prediction.
	Caption string
	// Wrong marks the image as wrongly predicted: a thick frame, a cross in its corner and
	// a bold caption.
	Wrong bool
}

// ImageGrid draws images in rows of so many columns, each with its caption under it.
// Small images are enlarged by whole numbers without smoothing: a pixel stays a square.
func ImageGrid(title string, columns int, tiles []Tile, opts ...Option) (*Figure, error) {
	f, err := imageGrid(title, columns, tiles, opts)
	if err != nil {
		return nil, fmt.Errorf("image grid %q: %w", title, err)
	}
	return f, nil
}

// cell is a tile made ready.
type cell struct {
	picture       image.Image
	width, height float64 // of the picture on the page
	caption       []string
	wrong         bool
}

const (
	largestSide = 224 // of a picture on the page
	captionSize = 12
	captionStep = 16
	wrongFrame  = 3
)

func captionText() lettering { return lettering{size: captionSize, colour: ink, align: 0.5} }

func imageGrid(title string, columns int, tiles []Tile, opts []Option) (*Figure, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	if columns < 1 {
		return nil, fmt.Errorf("%d columns", columns)
	}
	if len(tiles) == 0 {
		return nil, errors.New("no images")
	}
	columns = min(columns, len(tiles))
	gap := 14.0
	if columns > 12 {
		gap = 8
	}
	pitch := math.Floor((pageWidth - 2*margin + gap) / float64(columns))
	side := min(pitch-gap, largestSide)
	if side < 8 {
		return nil, fmt.Errorf("%d columns do not fit on a page", columns)
	}
	// A few large images stand together in the middle rather than far apart.
	pitch = min(pitch, side+60)
	left := math.Floor((pageWidth - float64(columns)*pitch + gap) / 2)

	cells := make([]cell, len(tiles))
	lines, tallest, wrong := 0, 0.0, 0
	for i, t := range tiles {
		if cells[i], err = t.cell(side, pitch-4); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		lines = max(lines, len(cells[i].caption))
		tallest = max(tallest, cells[i].height)
		if t.Wrong {
			wrong++
		}
	}
	note := ""
	if wrong > 0 {
		note = fmt.Sprintf("%d of %d wrong: framed, with a cross", wrong, len(tiles))
	}
	head := newHeader(title, note, pageWidth)
	foot := newFooter(o.caption, pageWidth)
	top := math.Round(head.height + 10)
	step := math.Ceil(tallest + float64(lines)*captionStep + 16)
	rows := (len(tiles) + columns - 1) / columns
	height := math.Ceil(top + float64(rows)*step - 8 + foot.height)

	draw := func(c *canvas) {
		head.draw(c)
		for i, cell := range cells {
			x := left + float64(i%columns)*pitch + (pitch-gap)/2
			cell.draw(c, x, top+float64(i/columns)*step, tallest)
		}
		foot.draw(c, height)
	}
	return &Figure{width: pageWidth, height: height, draw: draw}, nil
}

// cell checks the tile and scales its picture to fit a square of the given side.
func (t Tile) cell(side, captionWidth float64) (cell, error) {
	if t.Height <= 0 || t.Width <= 0 {
		return cell{}, fmt.Errorf("%d×%d pixels", t.Height, t.Width)
	}
	// Not Height·Width·3, which may overflow.
	if rest := len(t.Pixels) % (3 * t.Width); rest != 0 || len(t.Pixels)/(3*t.Width) != t.Height {
		return cell{}, fmt.Errorf("%d bytes for %d×%d pixels of 3", len(t.Pixels), t.Height, t.Width)
	}
	source := image.NewNRGBA(image.Rect(0, 0, t.Width, t.Height))
	for i := range t.Height * t.Width {
		copy(source.Pix[4*i:], t.Pixels[3*i:3*i+3])
		source.Pix[4*i+3] = 255
	}
	made := cell{wrong: t.Wrong}
	dots := side * dotsPerPixel
	scale := dots / float64(max(t.Width, t.Height))
	var how draw.Scaler = draw.CatmullRom
	if scale >= 1 {
		scale = math.Floor(scale)
		how = draw.NearestNeighbor
	}
	w := max(1, int(math.Round(float64(t.Width)*scale)))
	h := max(1, int(math.Round(float64(t.Height)*scale)))
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	how.Scale(picture, picture.Bounds(), source, source.Bounds(), draw.Src, nil)
	made.picture, made.width, made.height = picture, float64(w)/dotsPerPixel, float64(h)/dotsPerPixel

	text := captionText()
	text.bold = t.Wrong
	if t.Caption != "" {
		for line := range strings.SplitSeq(strings.TrimRight(t.Caption, "\n"), "\n") {
			made.caption = append(made.caption, text.fit(line, captionWidth))
		}
	}
	return made, nil
}

// draw draws the cell around x from y downwards, in a row whose tallest picture is given.
func (t cell) draw(c *canvas, x, y, tallest float64) {
	// Onto whole dots, or the picture is smoothed after all.
	x0 := math.Round((x-t.width/2)*dotsPerPixel) / dotsPerPixel
	y0 := math.Round((y+tallest-t.height)*dotsPerPixel) / dotsPerPixel
	box := rect{x0, y0, x0 + t.width, y0 + t.height}
	text := captionText()
	if t.wrong {
		text.bold = true
		c.fill(rect{box.x0 - wrongFrame, box.y0 - wrongFrame, box.x1 + wrongFrame, box.y1 + wrongFrame}, wrongInk)
	}
	c.image(t.picture, box)
	if t.wrong {
		drawCross(c, box)
	}
	for i, line := range t.caption {
		c.text(line, point{x, y + tallest + float64(i+1)*captionStep}, text)
	}
}

// drawCross puts a white cross on a small field in the upper right corner.
func drawCross(c *canvas, box rect) {
	side := max(7, min(18, 0.3*min(box.width(), box.height())))
	field := rect{box.x1 - side, box.y0, box.x1, box.y0 + side}
	c.fill(field, wrongInk)
	in := 0.26 * side
	pen := stroke{colour: white, width: max(1.2, 0.13*side)}
	c.line(field.x0+in, field.y0+in, field.x1-in, field.y1-in, pen)
	c.line(field.x0+in, field.y1-in, field.x1-in, field.y0+in, pen)
}
