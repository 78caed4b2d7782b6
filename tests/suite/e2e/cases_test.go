package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// caseFiles returns the folder of the given name beside the real data, with files of the kinds
// that people bring. They are not part of the project.
func caseFiles(t *testing.T, elements ...string) string {
	t.Helper()
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder, so there is no ../cases beside it")
	}
	path, err := filepath.Abs(filepath.Join(append([]string{folder, "..", "cases"}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no cases: %v", err)
	}
	return path
}

// pretrained is the ResNet-20 of the real data; PyTorch classifies 455 of 500 images correctly
// with it.
func pretrained(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(os.Getenv("RESIDUAL_TEST_DATA"), "weights", "resnet20-12fca82f.th"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil || os.Getenv("RESIDUAL_TEST_DATA") == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with weights/resnet20-12fca82f.th")
	}
	return path
}

// eval measures all images of a folder without a split.
func TestEvalCaseFolder(t *testing.T) {
	t.Parallel()
	folder, weights := caseFiles(t, "eval-folder"), pretrained(t)
	p := newPlace(t)
	got := decode[evaluation](t, p.ok("eval", "--weights", weights, "--data", folder, "--json"))
	if got.Correct != 455 || got.Total != 500 || got.Split != "all" {
		t.Errorf("%d of %d %s images are correct, want 455 of all 500", got.Correct, got.Total, got.Split)
	}
	has(t, p.ok("eval", "--weights", weights, "--data", folder), "Correct: 455 of 500 images (all in the folder)\nTest Accuracy: 91.00%\n")
}

// eval needs the test images only.
func TestEvalTestBatchAlone(t *testing.T) {
	t.Parallel()
	p := trained(t)
	for _, file := range []string{"test_batch.bin", "cifar-10-batches-bin/test_batch.bin"} {
		dir := filepath.Dir(p.path("alone", filepath.Base(filepath.Dir(file)), file))
		writeFile(t, filepath.Join(dir, "test_batch.bin"), readFile(t, filepath.Join(small(t), "test_batch.bin")))
		for _, data := range []string{dir, filepath.Dir(dir)} {
			if data != dir && filepath.Base(dir) != "cifar-10-batches-bin" {
				continue
			}
			out := p.ok("eval", "--run", "runs/tiny", "--data", data)
			has(t, out, "; 16 test images\n", "of 16 test images\nTest Accuracy: ")
		}
		p.fails([]string{"data_batch_1.bin", "is missing"}, "train", "--data", dir)
	}
	want := decode[evaluation](t, p.ok("eval", "--run", "runs/tiny", "--json"))
	got := decode[evaluation](t, p.ok("eval", "--run", "runs/tiny", "--data", p.path("alone", "cifar-10-batches-bin"), "--json"))
	if got.Correct != want.Correct || *got.Loss != *want.Loss || got.Split != "test" {
		t.Errorf("test_batch.bin alone gives %+v, with the training images %+v", got, want)
	}
	// It is CIFAR-10 if its records are.
	real, weights := os.Getenv("RESIDUAL_TEST_DATA"), pretrained(t)
	path := filepath.Join(real, "cifar10-exact", "cifar-10-batches-bin", "test_batch.bin")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no exact records: %v", err)
	}
	writeFile(t, p.path("exact", "test_batch.bin"), readFile(t, path))
	has(t, p.ok("eval", "--weights", weights, "--data", "exact"), "Data: CIFAR-10 (subset); 500 test images", "Correct: 455 of 500 test images\n")
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Formats of all kinds are read, and files that are not images are mentioned.
func TestCaseFormats(t *testing.T) {
	t.Parallel()
	p := trained(t)
	formats := caseFiles(t, "formats")
	r := p.run("predict", "--run", "runs/tiny", formats)
	if r.code != 0 {
		t.Errorf("exit code %d, want 0; stderr:\n%s", r.code, r.stderr)
	}
	has(t, r.stdout, "bmp.bmp", "tif.tif", "still.gif", "anim.webp")
	has(t, r.stderr, "anim.webp has several frames or pages; the first is used")
	has(t, p.ok("data", "verify", "--data", caseFiles(t, "layouts", "mixedppm")), "Data: pictures in mixedppm; ", "All records are complete")
	counts := decode[struct{ Training, Test []int }](t, p.ok("data", "verify", "--data", caseFiles(t, "layouts", "mixedppm"), "--json"))
	total := 0
	for class := range counts.Training {
		total += counts.Training[class] + counts.Test[class]
	}
	if total != 40 {
		t.Errorf("%d images are read, want 40, the PPM files among them", total)
	}
}

// PPM, PGM, BMP and GIF beside PNG: all are read.
func TestMixedFormats(t *testing.T) {
	t.Parallel()
	p := trained(t)
	for i, class := range []string{"cat", "dog"} {
		level := fmt.Sprint(100 * i)
		writeFile(t, p.path("mixed", class, "text.ppm"), []byte("P3 2 1 255 "+strings.Repeat(level+" ", 6)))
		writeFile(t, p.path("mixed", class, "binary.PGM"), []byte("P5 2 1 255\nab"))
		writeFile(t, p.path("mixed", class, "bits.pbm"), []byte("P4 2 1\n\x80"))
		var still bytes.Buffer
		frame := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.White, color.Black})
		if err := gif.EncodeAll(&still, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}); err != nil {
			t.Fatal(err)
		}
		writeFile(t, p.path("mixed", class, "moving.gif"), still.Bytes())
		writeFile(t, p.path("mixed", class, "GT-00000.csv"), []byte("name;class"))
	}
	out := p.ok("data", "verify", "--data", "mixed")
	has(t, out, "6 training and 2 held-out images", "files that are not images by their names (2 .csv)",
		"Of each image with several frames or pages in mixed (2, such as "+filepath.Join("cat", "moving.gif")+"), only the first is used")
	r := p.run("predict", "--run", "runs/tiny", filepath.Join("mixed", "cat"))
	has(t, r.stdout, "text.ppm", "binary.PGM", "bits.pbm", "moving.gif")
	has(t, r.stderr, "moving.gif has several frames or pages; the first is used")
}

// Folders as archives and other systems make them.
func TestCaseLayouts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	layouts := caseFiles(t, "layouts")
	for layout, want := range map[string][]string{
		"tvt":        {" training, ", " validation and ", " test images", "cat", "dog"},
		"emptyclass": {" training and ", " held-out images", "cat", "dog"},
		"kaggle1":    {" training and ", " test images", "cats", "dogs"},
		"persian":    {"گربه\u200cها", "سگ\u200cها"},
		"nfd":        {" training and ", " validation images", "café", "naïve"},
		"macosx":     {" held-out images", "cat", "dog"},
	} {
		out := p.ok("data", "verify", "--data", filepath.Join(layouts, layout))
		has(t, out, append(want, "All records are complete")...)
		if strings.Contains(out, "Left out") || strings.Contains(out, "MACOSX") {
			t.Errorf("%s: want nothing left out:\n%s", layout, out)
		}
	}
}

// The same kinds of folders, and others, made here.
func TestLayouts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	dot := encodePNG(t, image.NewGray(image.Rect(0, 0, 8, 8)))
	for _, test := range []struct {
		name  string
		files []string // %d stands for 0, 1, 2
		want  []string
		not   string
	}{
		{"parts", []string{"train/cat/%d.png", "train/dog/%d.png", "val/cat/%d.png", "test/dog/%d.png"}, []string{"6 training, 3 validation and 3 test images"}, "Passed"},
		{"sets", []string{"training_set/training_set/cats/%d.png", "training_set/training_set/dogs/%d.png", "test_set/test_set/cats/%d.png"}, []string{"6 training and 3 test images"}, "Passed"},
		{"seg", []string{"seg_train/seg_train/sea/%d.png", "seg_train/seg_train/street/%d.png", "seg_test/seg_test/sea/%d.png", "seg_pred/seg_pred/%d.png"}, []string{"6 training and 3 test images", "seg_pred is not used"}, "Left out"},
		{"mac", []string{"pets/cat/%d.png", "pets/dog/%d.png", "__MACOSX/pets/cat/._%d.png", ".DS_Store", "pets/.DS_Store"}, []string{"4 training and 2 held-out images"}, "MACOSX"},
		{"empty", []string{"cat/%d.png", "dog/%d.png", "owl/"}, []string{"4 training and 2 held-out images", "Passed over in empty:\n  owl has no images, so it is not a class"}, "Left out"},
		{"accents", []string{"train/café/%d.png", "train/the\u0301/%d.png", "val/cafe\u0301/%d.png", "val/thé/%d.png"}, []string{"6 training and 6 validation images", "café", "thé"}, "Passed"},
		{"scripts", []string{"گربه\u200cها/%d.png", "क्\u200dष/%d.png", "New\u00a0York/%d.png"}, []string{"6 training and 3 held-out images", "figures have numbers instead", "گربه\u200cها", "क्\u200dष", "New\u00a0York"}, "Passed"},
		{"unlabelled", []string{"train/cat/%d.png", "train/dog/%d.png", "test/%d.png"}, []string{"4 training and 2 held-out images", "test has no class folders, so it is not used"}, "Left out"},
		{"unknown", []string{"train/cat/%d.png", "train/dog/%d.png", "test/unknown/%d.png"}, []string{"4 training and 2 held-out images", "not one of the classes, so it is not used"}, "Left out"},
		{"one", []string{"train/cat/%d.png", "train/dog/%d.png", "test/cat/%d.png"}, []string{"6 training and 3 test images"}, "Passed"},
		{"loose", []string{"cat/%d.png", "dog/%d.png", "cover.png"}, []string{"4 training and 2 held-out images", "cover.png is not in a class folder"}, "Left out"},
	} {
		for _, file := range test.files {
			if strings.HasSuffix(file, "/") {
				if err := os.MkdirAll(p.path(test.name, file), 0o755); err != nil {
					t.Fatal(err)
				}
				continue
			}
			for i := range 3 {
				path := file
				if strings.Contains(file, "%d") {
					path = fmt.Sprintf(file, i)
				}
				writeFile(t, p.path(test.name, path), dot)
			}
		}
		out := p.ok("data", "verify", "--data", test.name)
		has(t, out, append(test.want, "All records are complete")...)
		if strings.Contains(out, test.not) {
			t.Errorf("%s: %q in:\n%s", test.name, test.not, out)
		}
	}
	p.fails([]string{"parts", "no folder train", "name that folder"}, "train", "--data", p.path("without", func() string {
		for _, file := range []string{"val/cat/1.png", "val/dog/1.png", "test/cat/1.png", "test/dog/1.png"} {
			writeFile(t, p.path("without", "parts", file), dot)
		}
		return "parts"
	}()))
}

// Names of classes in Chinese are drawn; those that cannot be are numbers, with one note.
func TestChineseClasses(t *testing.T) {
	p := newPlace(t)
	dot := encodePNG(t, image.NewGray(image.Rect(0, 0, 8, 8)))
	for _, class := range []string{"猫", "卡车", "قط", "แมว"} {
		writeFile(t, p.path("photos", class, "1.png"), dot)
		writeFile(t, p.path("photos", class, "2.png"), dot)
	}
	out := p.ok("data", "show", "--data", "photos", "--figures", "out", "--lang", "zh")
	has(t, out, "注意：图里写不了这些文字：泰文、阿拉伯文；图中改用编号，例如用 0 表示 قط", "已写入：")
	if strings.Count(out, "注意：") != 1 {
		t.Errorf("more than one note in:\n%s", out)
	}
	drawn, err := filepath.Glob(p.path("out", "*.svg"))
	if err != nil || len(drawn) != 1 {
		t.Fatalf("figures %q, %v", drawn, err)
	}
	text, err := os.ReadFile(drawn[0])
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(text), ">猫</text>", ">卡车</text>", ">0</text>", ">1</text>", ">数据：")
	p.set("RESIDUAL_FONT", p.path("none.ttf"))
	p.fails([]string{"RESIDUAL_FONT: ", "none.ttf: no such file"}, "data", "show", "--data", "photos", "--figures", "out")
}

// CIFAR-10's classes under the names that PyTorch's tutorial gives them.
func TestEvalOtherNames(t *testing.T) {
	t.Parallel()
	folder, weights := caseFiles(t, "eval-folder"), pretrained(t)
	p := newPlace(t)
	for from, to := range map[string]string{"airplane": "plane", "automobile": "Car", "truck": "truck"} {
		if err := os.CopyFS(p.path("some", to), os.DirFS(filepath.Join(folder, from))); err != nil {
			t.Fatal(err)
		}
	}
	got := decode[evaluation](t, p.ok("eval", "--weights", weights, "--data", "some", "--json"))
	want := decode[evaluation](t, p.ok("eval", "--weights", weights, "--data", folder, "--json"))
	if n := want.Confusion[0][0] + want.Confusion[1][1] + want.Confusion[9][9]; got.Correct != n {
		t.Errorf("%d of %d are correct, want %d", got.Correct, got.Total, n)
	}
}
