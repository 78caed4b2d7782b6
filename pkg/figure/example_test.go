package figure_test

import (
	"bytes"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/figure"
)

// describe prints the width of a figure, which a notebook would show and a program save.
func describe(f *figure.Figure, err error) {
	if err != nil {
		log.Fatal(err)
	}
	width, _ := f.Size()
	fmt.Println(width, "pixels wide")
}

func Example() {
	run := figure.Run{
		Name:  "ResNet-20",
		Train: []float64{0.62, 0.41, 0.30, 0.24},
		Test:  []float64{0.58, 0.44, 0.36, 0.33},
	}
	f, err := figure.Curves("Error by epoch", "epoch", "top-1 error", run.Curves(figure.NetworkStyle(figure.Residual, figure.Shallow)),
		figure.Percent(), figure.Caption("data: Shapes-10 (built-in), not CIFAR-10"))
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "figures")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := f.Save(filepath.Join(folder, "error.png"), filepath.Join(folder, "error.svg")); err != nil {
		log.Fatal(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range files {
		fmt.Println(file.Name())
	}
	// Output:
	// error.png
	// error.svg
}

func ExampleFigure_Encode() {
	f, err := figure.Curves("Loss", "step", "loss", []figure.Curve{{Y: []float64{2.3, 1.1, 0.7}}})
	if err != nil {
		log.Fatal(err)
	}
	var svg bytes.Buffer
	if err := f.Encode(&svg, "svg"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Contains(svg.Bytes(), []byte(">Loss</text>")))
	// Output: true
}

// A raw curve with its smoothed course, on a logarithmic axis.
func ExampleCurves() {
	loss := make([]float64, 500)
	for i := range loss {
		loss[i] = 2.3*math.Exp(-float64(i)/200) + 0.1*math.Abs(math.Sin(float64(i)))
	}
	describe(figure.Curves("Training loss", "step", "loss",
		[]figure.Curve{{Name: "ResNet-20", Y: loss, Smooth: 25}}, figure.LogY()))
	// Output: 800 pixels wide
}

// Curves of few points have markers.
func ExampleCurves_markers() {
	describe(figure.Curves("Accuracy by number of images", "images per class", "accuracy", []figure.Curve{{
		Name:  "from scratch",
		X:     []float64{10, 100, 1000},
		Y:     []float64{0.31, 0.58, 0.83},
		Style: figure.Style{Marker: true},
	}}, figure.LogX(), figure.Percent()))
	// Output: 800 pixels wide
}

func ExampleRun_Curves() {
	run := figure.Run{Name: "ResNet-20", Train: []float64{0.6, 0.3}, Test: []float64{0.7, 0.5}}
	for _, curve := range run.Curves(figure.NetworkStyle(figure.Residual, figure.Shallow)) {
		fmt.Println(curve.Name, curve.Style.Dash == figure.Dashed, curve.Style.Thin)
	}
	// Output:
	// ResNet-20, test false false
	// ResNet-20, train true true
}

// Four networks in one figure: orange is plain and blue residual, light is shallow and dark
// deep. The lines are dashed because these are training losses.
func ExampleNetworkStyle() {
	losses := [][]float64{{1.4, 0.9, 0.7}, {2.1, 1.7, 1.5}, {1.2, 0.7, 0.5}, {1.3, 0.7, 0.4}}
	var curves []figure.Curve
	for _, family := range []figure.Family{figure.Plain, figure.Residual} {
		for i, layers := range []int{20, 56} {
			curves = append(curves, figure.Curve{
				Name:  []string{"plain", "resnet"}[family] + fmt.Sprint(layers),
				Y:     losses[2*int(family)+i],
				Style: figure.NetworkStyle(family, figure.DepthOf(layers)).Training(),
			})
		}
	}
	describe(figure.Curves("Training loss", "epoch", "loss", curves))
	// Output: 800 pixels wide
}

func ExamplePlainVsResidual() {
	plain := []figure.Run{
		{Name: "plain-20", Train: []float64{0.60, 0.38, 0.29}, Test: []float64{0.64, 0.45, 0.40}},
		{Name: "plain-56", Train: []float64{0.72, 0.55, 0.44}, Test: []float64{0.75, 0.60, 0.52}},
	}
	residual := []figure.Run{
		{Name: "ResNet-20", Train: []float64{0.58, 0.35, 0.26}, Test: []float64{0.62, 0.43, 0.37}},
		{Name: "ResNet-56", Train: []float64{0.57, 0.31, 0.20}, Test: []float64{0.61, 0.40, 0.33}},
	}
	describe(figure.PlainVsResidual("Plain and residual networks", "epoch", "error", plain, residual,
		figure.Percent(), figure.YRange(0, 0.8)))
	// Output: 800 pixels wide
}

func ExampleSchedule() {
	describe(figure.Schedule("Learning rates", "epoch", []figure.Curve{
		{Name: "steps", Y: []float64{0.1, 0.1, 0.1, 0.01, 0.01}},
		{Name: "linear", Y: []float64{0.1, 0.075, 0.05, 0.025, 0}},
	}))
	// Output: 800 pixels wide
}

// A shallow network has fewer layers than a deep one; X places them beside those of the
// deep one.
func ExampleGradientNorms() {
	layers := []string{"conv1", "layer1.0.conv1", "layer1.0.conv2", "fc"}
	describe(figure.GradientNorms("Gradient of each layer", layers, []figure.Curve{
		{Name: "deep", Y: []float64{0.9, 0.5, 0.4, 0.2}},
		{Name: "shallow", X: []float64{1, 4}, Y: []float64{0.7, 0.3}},
	}))
	// Output: 800 pixels wide
}

func ExampleConfusion() {
	describe(figure.Confusion("Confusion matrix", []string{"cat", "dog", "frog"}, [][]int{
		{85, 12, 3}, // the cats
		{20, 78, 2},
		{1, 0, 99},
	}))
	// Output: 800 pixels wide
}

func ExampleImageGrid() {
	// Two images of one pixel: red, green and blue.
	describe(figure.ImageGrid("Predictions", 2, []figure.Tile{
		{Pixels: []byte{255, 0, 0}, Height: 1, Width: 1, Caption: "red\n→ red"},
		{Pixels: []byte{0, 0, 255}, Height: 1, Width: 1, Caption: "blue\n→ green", Wrong: true},
	}))
	// Output: 800 pixels wide
}

func ExampleBars() {
	describe(figure.Bars("Top-5 error on ImageNet", "error in %", []figure.Bar{
		{Name: "AlexNet", Value: 16.4, Note: "2012 · 8 layers"},
		{Name: "GoogLeNet", Value: 6.7, Note: "2014 · 22 layers"},
		{Name: "ResNet", Value: 3.57, Note: "2015 · 152 layers"},
	}))
	// Output: 800 pixels wide
}

// Bars of one Name stand side by side, one for each Group.
func ExampleBars_groups() {
	describe(figure.Bars("Accuracy without one block", "accuracy", []figure.Bar{
		{Name: "layer1.0", Group: "residual", Value: 0.88},
		{Name: "layer1.0", Group: "plain", Value: 0.10},
		{Name: "layer1.1", Group: "residual", Value: 0.90},
		{Name: "layer1.1", Group: "plain", Value: 0.11},
	}, figure.Percent(), figure.YRange(0, 1)))
	// Output: 800 pixels wide
}

// Low and High show how much repeated measurements differ.
func ExampleReference() {
	describe(figure.Bars("Speed relative to the baseline", "ratio", []figure.Bar{
		{Name: "first", Value: 1.7, Low: 1.5, High: 1.8},
		{Name: "second", Value: 0.9, Low: 0.8, High: 1.1},
	}, figure.Reference(1, "baseline")))
	// Output: 800 pixels wide
}

// A disc, and the distance from it to a point.
func ExampleRegions() {
	mask := make([][]bool, 100)
	for y := range mask {
		mask[y] = make([]bool, 100)
		for x := range mask[y] {
			mask[y][x] = math.Hypot(float64(x)-49.5, float64(y)-49.5) < 25
		}
	}
	describe(figure.Regions("A region of a plane", []figure.RegionPanel{{
		Title: "disc", XLabel: "x", YLabel: "y",
		X0: -1, X1: 1, Y0: -1, Y1: 1,
		Regions: []figure.Region{{Name: "radius 0.5", Mask: mask, Distance: true}},
		Point:   &figure.Point{X: 0.8, Y: 0.8, Name: "target"},
	}}))
	// Output: 800 pixels wide
}

// A bowl, seen from above.
func ExampleContours() {
	places := []float64{-1, -0.5, 0, 0.5, 1}
	s := figure.Surface{Title: "bowl", X: places, Y: places}
	for _, y := range places {
		var row []float64
		for _, x := range places {
			row = append(row, 0.1+x*x+2*y*y)
		}
		s.Z = append(s.Z, row)
	}
	describe(figure.Contours("Loss around the minimum", []figure.Surface{s},
		figure.LogZ(), figure.AxisLabels("first direction", "second direction", "loss")))
	// Output: 800 pixels wide
}

// A residual block between two layers.
func ExampleDiagram() {
	layers := []figure.DiagramLayer{
		{Kind: "convolution", Label: "3×3, 16", Size: "32×32×16"},
		{Kind: "convolution", Label: "3×3, 16", Size: "32×32×16", Group: "block"},
		{Kind: "convolution", Label: "3×3, 16", Size: "32×32×16", Group: "block"},
		{Kind: "linear", Label: "linear, 10", Size: "10"},
	}
	describe(figure.Diagram("A residual block", layers, []figure.Link{{From: 1, To: 2}}))
	// Output: 800 pixels wide
}

func ExampleColorize() {
	pixels := figure.Colorize([]float64{0, 1}, 1, 2)
	fmt.Println("least:", pixels[:3], "greatest:", pixels[3:])
	// Output: least: [68 1 84] greatest: [253 231 37]
}

// A class activation map of 2×2 values over a grey image of 4×4 pixels.
func ExampleOverlay() {
	image := bytes.Repeat([]byte{128}, 4*4*3)
	pixels := figure.Overlay(image, []float64{0, 0, 0, 1}, 4, 4, 2, 2)
	describe(figure.ImageGrid("Where the network looks", 1, []figure.Tile{{Pixels: pixels, Height: 4, Width: 4}}))
	// Output: 800 pixels wide
}

func ExampleModules() {
	describe(figure.Modules("A residual block", []figure.Module{{
		Title: "two branches", Input: "32×32×16", Output: "32×32×16",
		Branches: [][]figure.DiagramLayer{
			{{Kind: "convolution", Label: "3×3, 16"}, {Kind: "convolution", Label: "3×3, 16"}},
			{}, // the identity
		},
	}}))
	// Output: 800 pixels wide
}

func ExampleCheckText() {
	for _, name := range []string{"卡车", "犬（いぬ）", "แมว"} {
		fmt.Println(figure.CheckText(name))
	}
	fmt.Println(figure.ClassNames([]string{"cat", "卡车", "แมว"}))
	// Output:
	// <nil>
	// <nil>
	// cannot write "แมว": the script Thai is not supported
	// [cat 卡车 2]
}

func ExampleTranslate() {
	chinese := map[string]string{
		"predicted class":                   "预测类别",
		"true class":                        "真实类别",
		"share of the true class":           "占真实类别的比例",
		"%s of %s samples correct (%.1f%%)": "%s 个正确，共 %s 个样本（%.1f%%）",
	}
	describe(figure.Confusion("混淆矩阵", []string{"猫", "狗"}, [][]int{{9, 1}, {2, 8}},
		figure.Translate(func(english string) string { return chinese[english] })))
	// Output: 800 pixels wide
}
