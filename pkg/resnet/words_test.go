package resnet

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestJSONHasWords(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{}, `"stem":"imagenet","block":"basic","blocks":null,"width":0,"shortcut":"B"`},
		{Config{Stem: CIFARStem, Block: Bottleneck, Shortcut: ShortcutA}, `"stem":"cifar","block":"bottleneck","blocks":null,"width":0,"shortcut":"A"`},
		{Config{Shortcut: ShortcutC}, `"shortcut":"C"`},
		{Config{Stem: CIFARPoolStem, StrideFirst: true, Shortcut: ShortcutPadEnd}, `"stem":"cifar-pool","block":"basic","blocks":null,"width":0,"stride_first":true,"shortcut":"pad-end"`},
	} {
		text, err := json.Marshal(test.config)
		if err != nil || !strings.Contains(string(text), test.want) {
			t.Errorf("%s, %v; want it to contain %s", text, err, test.want)
		}
		var got Config
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, test.config) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, got, err, test.config)
		}
	}
	if text, err := json.Marshal(Config{Stem: 3}); err == nil {
		t.Errorf("an unknown stem is written as %s", text)
	}
}

// Earlier versions wrote integers.
func TestJSONReadsIntegers(t *testing.T) {
	var got Config
	err := json.Unmarshal([]byte(`{"stem": 1, "block": 1, "blocks": [2], "shortcut": 2}`), &got)
	if want := (Config{Stem: CIFARStem, Block: Bottleneck, Blocks: []int{2}, Shortcut: ShortcutC}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read as %+v, %v; want %+v", got, err, want)
	}
	if err := json.Unmarshal([]byte(`{"stem": 0, "block": 0, "shortcut": 1}`), &got); err != nil || got.Stem != ImageNetStem || got.Block != Basic || got.Shortcut != ShortcutA {
		t.Errorf("read as %+v, %v", got, err)
	}
}

func TestJSONRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"stem": "vgg"}`:        "unknown stem vgg; the choices are cifar, cifar-pool, imagenet",
		`{"stem": 3}`:            "unknown stem 3; the choices are cifar, cifar-pool, imagenet",
		`{"stem": -1}`:           "unknown stem -1",
		`{"stem": 0.5}`:          "unknown stem 0.5",
		`{"stem": 1e300}`:        "unknown stem 1e300",
		`{"block": "a\nb"}`:      "unknown block \"a\\nb\"; the choices are basic, bottleneck",
		`{"block": [1]}`:         "unknown block [1]",
		`{"shortcut": "b"}`:      "unknown shortcut b; the choices are A, B, C, pad-end",
		`{"shortcut": ""}`:       "unknown shortcut \"\"",
		`{"shortcut": {"a": 1}}`: "unknown shortcut",
	} {
		var c Config
		checkError(t, text, json.Unmarshal([]byte(text), &c), want)
	}
}
