// Package cjk has a font for Chinese, Japanese and Korean text: outlines of the 10,924
// characters of GB 2312, of level 1 of JIS X 0208 and of the Korean syllables of KS X 1001.
// Han characters have the shapes that are usual in China.
//
// The font is a subset of Noto Sans CJK SC under the SIL Open Font License, which is in
// OFL.txt; tests/reference/figure_font.py makes it.
package cjk

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
)

//go:embed cjk.otf.gz
var packed []byte

// Font returns the OpenType font. It takes some 30 ms to unpack.
func Font() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
