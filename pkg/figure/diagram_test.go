package figure

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// arranged returns a diagram laid out.
func arranged(t *testing.T, layers []DiagramLayer, links []Link) *diagram {
	t.Helper()
	d := &diagram{layers: layers, links: links}
	if err := d.prepare(); err != nil {
		t.Fatal(err)
	}
	d.fit()
	d.place(0)
	return d
}

func TestDiagramIsOnThePage(t *testing.T) {
	overlapping := make([]Link, 50)
	for i := range overlapping {
		overlapping[i] = Link{From: i, To: min(i+7, 59)}
	}
	shallow, shallowLinks := network(2, 2)
	deep, deepLinks := network(16, 3)
	for _, c := range []struct {
		name    string
		layers  []DiagramLayer
		links   []Link
		compact bool
	}{
		{"one", []DiagramLayer{{Label: "linear"}}, nil, false},
		{"shallow", shallow, shallowLinks, false},
		{"deep", deep, deepLinks, true},
		{"overlapping", make([]DiagramLayer, 60), overlapping, true},
		{"long words", slices.Repeat([]DiagramLayer{{Label: strings.Repeat("m", 99)}}, 30), nil, false},
	} {
		d := arranged(t, c.layers, c.links)
		if d.compact != c.compact {
			t.Errorf("%s: compact is %t, want %t", c.name, d.compact, c.compact)
		}
		next := 0
		for _, row := range d.rows {
			if row.first != next || row.end <= row.first {
				t.Fatalf("%s: a row of layers %d to %d, want it to begin at layer %d", c.name, row.first, row.end, next)
			}
			next = row.end
			for i := row.first; i < row.end; i++ {
				if d.x[i] < margin || i > row.first && d.x[i] < d.x[i-1]+d.box+d.gap/2 {
					t.Errorf("%s: box %d is at %g, outside the page or over its neighbour", c.name, i, d.x[i])
				}
			}
			if row.right+d.gap > pageWidth-margin+0.01 {
				t.Errorf("%s: a row ends at %g, outside the page", c.name, row.right+d.gap)
			}
			for i := row.first; i < row.end; i++ {
				if x := d.join(row, i).x; d.joins[i] && (x-d.radius < d.x[i]+d.box || i+1 < row.end && x+d.radius > d.x[i+1]) {
					t.Errorf("%s: the addition after layer %d overlaps a box", c.name, i)
				}
			}
		}
		if next != len(c.layers) {
			t.Errorf("%s: the rows end before layer %d of %d", c.name, next, len(c.layers))
		}
		// Overlapping links must have different lanes.
		for i, a := range c.links {
			for k, b := range c.links[:i] {
				if d.lane[i] == d.lane[k] && a.From <= b.To && b.From <= a.To {
					t.Errorf("%s: links %v and %v share lane %d", c.name, a, b, d.lane[i])
				}
			}
		}
	}
}

func TestRowsEndBetweenShortcuts(t *testing.T) {
	for _, blocks := range []int{2, 8, 16} {
		layers, links := network(blocks, 3)
		d := arranged(t, layers, links)
		if len(d.rows) < 2 {
			t.Errorf("%d layers are in one row, want several", len(layers))
		}
		for _, row := range d.rows[1:] {
			if !d.free(row.first) {
				t.Errorf("of %d layers, a row begins at layer %d, in the middle of a shortcut", len(layers), row.first)
			}
		}
	}
}

func TestDiagramShowsItsLinks(t *testing.T) {
	layers, links := network(2, 2)
	draw := func(links []Link) (texts []string, dashed int) {
		f, err := Diagram("", layers, links)
		if err != nil {
			t.Fatal(err)
		}
		content := encode(t, f, "svg")
		texts, _ = parseSVG(t, content)
		return texts, bytes.Count(content, []byte("stroke-dasharray"))
	}
	texts, dashed := draw(links)
	// Two stages begin with a projection, and the legend shows one.
	if dashed != 3 {
		t.Errorf("%d dashed lines, want 3", dashed)
	}
	for _, want := range []string{"7×7,", "pool", "112×112×64", "stage3", "convolution", "identity shortcut", "addition"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no text %q", want)
		}
	}
	texts, dashed = draw(nil)
	if dashed != 0 || slices.Contains(texts, "addition") {
		t.Errorf("a plain network has %d dashed lines and the texts %q, want no sign of shortcuts", dashed, texts)
	}
	// A size is written once for consecutive layers that share it.
	if count := strings.Count(fmt.Sprintf("%q", texts), `"28×28×128"`); count != 1 {
		t.Errorf("a size is written %d times, want once", count)
	}
}

func TestDiagramLabelsLinksAndKeepsColours(t *testing.T) {
	draw := func(layers ...DiagramLayer) []byte {
		f, err := Diagram("", layers, []Link{{To: 1, Projection: true, Label: "1×1, 32"}})
		if err != nil {
			t.Fatal(err)
		}
		return encode(t, f, "svg")
	}
	norm, conv := DiagramLayer{Kind: "norm", Color: 2}, DiagramLayer{Kind: "convolution", Color: 1}
	first := draw(norm, conv)
	if texts, _ := parseSVG(t, first); !slices.Contains(texts, "1×1, 32") {
		t.Errorf("the texts are %q, want the link's label", texts)
	}
	colours := func(content []byte) (blue, vermillion int) {
		return bytes.Index(content, []byte("#0072B2")), bytes.Index(content, []byte("#D55E00"))
	}
	if blue, vermillion := colours(first); vermillion < 0 || vermillion > blue {
		t.Errorf("the first of two kinds is not in its colour: blue at %d, vermillion at %d", blue, vermillion)
	}
	if _, err := Diagram("", []DiagramLayer{{Color: -1}}, nil); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Errorf("colour -1: error %v, want one that names it", err)
	}
}

func TestLabelsAreNotCut(t *testing.T) {
	layers, links := network(2, 2)
	layers[0].Label = "average pool"
	d := arranged(t, layers, links)
	for _, l := range d.layers {
		lines, look := inBox(l.Label, d.box, d.deep)
		if strings.Join(lines, " ") != l.Label {
			t.Errorf("%q is written as %q", l.Label, lines)
		}
		if look.widest(lines) > d.box-2*boxEdge+0.01 || look.size < smallestBox {
			t.Errorf("%q is %g wide in type of size %g, in a box of width %g", lines, look.widest(lines), look.size, d.box)
		}
	}
}
