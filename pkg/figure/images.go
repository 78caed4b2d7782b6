package figure

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"golang.org/x/image/draw"
	"gonum.org/v1/plot"
)

// Tile is one image of a grid.
type Tile struct {
	// Pixels is [Height, Width, 3]: row by row, red, green and blue of each pixel.
	Pixels        []byte
	Height, Width int
	// Caption is written below the image, line by line: the label, say, and below it the
	// prediction.
	Caption string
	// Wrong marks the image as wrongly predicted, with a thick frame, a cross in the corner
	// and a bold caption.
	Wrong bool
}

// ImageGrid draws images in the given number of columns, each with its caption below.
// Small images are enlarged by a whole number without smoothing, so that a pixel stays a
// square. [HeatScale.Bar] adds a colour bar.
func ImageGrid(title string, columns int, tiles []Tile, opts ...Option) (*Figure, error) {
	tiles = slices.Clone(tiles)
	for i := range tiles {
		tiles[i].Pixels = slices.Clone(tiles[i].Pixels)
	}
	return drawn(fmt.Sprintf("image grid %q", title), opts, func(o options) (*Figure, error) {
		return imageGrid(title, columns, tiles, o)
	})
}

// cell is a tile ready to be drawn.
type cell struct {
	image         image.Image
	width, height float64 // of the image on the page
	caption       []string
	wrong         bool
}

const (
	largestSide = 224 // of an image on the page
	captionSize = 12
	captionStep = 16
	wrongFrame  = 3
)

func captionText() lettering { return lettering{size: captionSize, colour: ink, align: 0.5} }

func imageGrid(title string, columns int, tiles []Tile, o options) (*Figure, error) {
	if columns < 1 {
		return nil, fmt.Errorf("%d columns, want at least one", columns)
	}
	if len(tiles) == 0 {
		return nil, errors.New("no images")
	}
	columns = min(columns, len(tiles))
	gap := 14.0
	if columns > 12 {
		gap = 8
	}
	right := float64(pageWidth)
	var bar scaleBar
	if s := o.heatScale; s != nil {
		var scale plot.Axis
		setScale(&scale, s.Low, s.High, false, linearTicks(s.Low, s.High, 6, false, false))
		bar = newScaleBar(viridis(), o.Text(s.Label), parts(scale))
		right -= bar.room
	}
	pitch := math.Floor((right - 2*margin + gap) / float64(columns))
	side := min(pitch-gap, largestSide)
	if side < 8 {
		return nil, fmt.Errorf("%d columns do not fit on a page", columns)
	}
	// A few large images stand together in the middle, not far apart.
	pitch = min(pitch, side+60)
	left := math.Floor((right - float64(columns)*pitch + gap) / 2)

	cells := make([]cell, len(tiles))
	lines, tallest, wrong := 0, 0.0, 0
	for i, t := range tiles {
		var err error
		t.Caption = o.Text(t.Caption)
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
		note = fmt.Sprintf(o.Text("%d of %d wrong: framed, with a cross"), wrong, len(tiles))
	}
	head := newHeader(o, title, note)
	top := math.Round(head.height + 10)
	step := math.Ceil(tallest + float64(lines)*captionStep + 16)
	rows := (len(tiles) + columns - 1) / columns
	// A bar longer than a page of screen would be out of sight.
	barBottom := top + min(float64(rows-1)*step+tallest, max(tallest, plotHeight))
	if s := o.heatScale; s != nil {
		bar.Y.Label.Text = labelText().fit(o.Text(s.Label), barBottom-top)
	}
	return head.page(max(top+float64(rows)*step-8, barBottom), o, func(c *canvas) {
		if o.heatScale != nil {
			bar.draw(c, right-margin, top, barBottom)
		}
		for i, cell := range cells {
			x := left + float64(i%columns)*pitch + (pitch-gap)/2
			cell.draw(c, x, top+float64(i/columns)*step, tallest)
		}
	}), nil
}

// cell checks the tile and scales its image to fit a square with the given side.
func (t Tile) cell(side, captionWidth float64) (cell, error) {
	if t.Height <= 0 || t.Width <= 0 {
		return cell{}, fmt.Errorf("size %d×%d, want at least one pixel", t.Height, t.Width)
	}
	// Height·Width·3 could overflow.
	if rest := len(t.Pixels) % (3 * t.Width); rest != 0 || len(t.Pixels)/(3*t.Width) != t.Height {
		return cell{}, fmt.Errorf("%d bytes for %d×%d pixels of 3 bytes", len(t.Pixels), t.Height, t.Width)
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
	enlarged := image.NewRGBA(image.Rect(0, 0, w, h))
	how.Scale(enlarged, enlarged.Bounds(), source, source.Bounds(), draw.Src, nil)
	made.image, made.width, made.height = enlarged, float64(w)/dotsPerPixel, float64(h)/dotsPerPixel

	text := captionText()
	text.bold = t.Wrong
	if t.Caption != "" {
		for line := range strings.SplitSeq(strings.TrimRight(t.Caption, "\n"), "\n") {
			made.caption = append(made.caption, text.fit(line, captionWidth))
		}
	}
	return made, nil
}

// draw draws the cell, centred on x, from y down, in a row whose tallest image has the
// given height.
func (t cell) draw(c *canvas, x, y, tallest float64) {
	// On whole dots, or the image is smoothed after all.
	x0 := math.Round((x-t.width/2)*dotsPerPixel) / dotsPerPixel
	y0 := math.Round((y+tallest-t.height)*dotsPerPixel) / dotsPerPixel
	box := rect{x0, y0, x0 + t.width, y0 + t.height}
	text := captionText()
	if t.wrong {
		text.bold = true
		c.fill(box.inset(-wrongFrame), wrongInk)
	}
	c.image(t.image, box)
	if t.wrong {
		drawCross(c, box)
	}
	for i, line := range t.caption {
		c.text(line, point{x, y + tallest + float64(i+1)*captionStep}, text)
	}
}

// drawCross draws a white cross on a small field in the upper right corner.
func drawCross(c *canvas, box rect) {
	side := max(7, min(18, 0.3*min(box.width(), box.height())))
	field := rect{box.x1 - side, box.y0, box.x1, box.y0 + side}
	c.fill(field, wrongInk)
	in := 0.26 * side
	pen := stroke{colour: white, width: max(1.2, 0.13*side)}
	c.line(field.x0+in, field.y0+in, field.x1-in, field.y1-in, pen)
	c.line(field.x0+in, field.y1-in, field.x1-in, field.y0+in, pen)
}
