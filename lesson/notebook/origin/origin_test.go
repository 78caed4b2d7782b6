package origin

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"reflect"
	"testing"
)

func TestMark(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 3, 2))
	img.SetGray(1, 1, color.Gray{Y: 200})
	var plain bytes.Buffer
	if err := png.Encode(&plain, img); err != nil {
		t.Fatal(err)
	}
	english := []byte("the English file")
	marked, err := Mark(plain.Bytes(), english)
	if err != nil {
		t.Fatal(err)
	}
	if got := Of(marked); got != Sum(english) {
		t.Errorf("the mark is %q, want %q", got, Sum(english))
	}
	decoded, err := png.Decode(bytes.NewReader(marked))
	if err != nil || !reflect.DeepEqual(decoded, image.Image(img)) {
		t.Errorf("the marked image is %v (%v), want %v", decoded, err, img)
	}
	if got := Of(plain.Bytes()); got != "" {
		t.Errorf("a file without a mark has the mark %q", got)
	}
	for _, broken := range [][]byte{nil, english, marked[:40], []byte(signature), append([]byte(signature), 255, 255, 255, 255)} {
		if got := Of(broken); got != "" {
			t.Errorf("a broken file has the mark %q", got)
		}
		if _, err := Mark(broken, english); err == nil {
			t.Errorf("no error for the broken file %q", broken)
		}
	}
}
