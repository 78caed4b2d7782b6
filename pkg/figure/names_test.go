package figure

import (
	"strings"
	"testing"
)

func TestNamesFit(t *testing.T) {
	short := []string{"cat", "dog"}
	if n := namesBelow(short, 60); n.turned || n.every != 1 || n.style.Font.Size != px(tickSize) {
		t.Errorf("short names: %+v, want them upright", n)
	}
	if n := namesBelow([]string{"automobile"}, 58); n.turned || n.style.Font.Size >= px(tickSize) {
		t.Errorf("names a little too wide: %+v, want smaller type", n)
	}
	if n := namesBelow(short, 8); !n.turned || n.every != 2 {
		t.Errorf("crowded names: %+v, want every second one, turned", n)
	}
	text := lettering{size: 12}
	if got := text.fit("a rather long name", 60); text.width(got) > 60 || !strings.HasSuffix(got, "…") {
		t.Errorf("got %q, want a text of at most 60 pixels that ends with an ellipsis", got)
	}
}
