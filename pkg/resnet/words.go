package resnet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
)

// In JSON, and wherever else a Config is text, its Stem, Block and Shortcut are words. Earlier
// versions wrote integers; these are still read.

func stemWords() []string {
	return []string{ImageNetStem: "imagenet", CIFARStem: "cifar", CIFARPoolStem: "cifar-pool"}
}
func blockWords() []string { return []string{Basic: "basic", Bottleneck: "bottleneck"} }
func shortcutWords() []string {
	return []string{ShortcutA: "A", ShortcutB: "B", ShortcutC: "C", ShortcutPadEnd: "pad-end"}
}

// String returns "imagenet", "cifar" or "cifar-pool".
func (s Stem) String() string { return word("Stem", stemWords(), s) }

// MarshalText returns the word that String returns.
func (s Stem) MarshalText() ([]byte, error) { return marshalWord("stem", stemWords(), s) }

// UnmarshalText accepts the words that String returns.
func (s *Stem) UnmarshalText(text []byte) error { return unmarshalWord("stem", stemWords(), text, s) }

// UnmarshalJSON accepts a word or an integer.
func (s *Stem) UnmarshalJSON(text []byte) error {
	return unmarshalWordOrInteger("stem", stemWords(), text, s)
}

// String returns "basic" or "bottleneck".
func (b Block) String() string { return word("Block", blockWords(), b) }

// MarshalText returns the word that String returns.
func (b Block) MarshalText() ([]byte, error) { return marshalWord("block", blockWords(), b) }

// UnmarshalText accepts the words that String returns.
func (b *Block) UnmarshalText(text []byte) error {
	return unmarshalWord("block", blockWords(), text, b)
}

// UnmarshalJSON accepts a word or an integer.
func (b *Block) UnmarshalJSON(text []byte) error {
	return unmarshalWordOrInteger("block", blockWords(), text, b)
}

// String returns "A", "B", "C" or "pad-end".
func (s Shortcut) String() string { return word("Shortcut", shortcutWords(), s) }

// MarshalText returns the word that String returns.
func (s Shortcut) MarshalText() ([]byte, error) {
	return marshalWord("shortcut", shortcutWords(), s)
}

// UnmarshalText accepts the words that String returns.
func (s *Shortcut) UnmarshalText(text []byte) error {
	return unmarshalWord("shortcut", shortcutWords(), text, s)
}

// UnmarshalJSON accepts a word or an integer.
func (s *Shortcut) UnmarshalJSON(text []byte) error {
	return unmarshalWordOrInteger("shortcut", shortcutWords(), text, s)
}

func known[T ~int](words []string, value T) bool { return value >= 0 && int(value) < len(words) }

func word[T ~int](typeName string, words []string, value T) string {
	if !known(words, value) {
		return fmt.Sprintf("%s(%d)", typeName, int(value))
	}
	return words[value]
}

func marshalWord[T ~int](kind string, words []string, value T) ([]byte, error) {
	if !known(words, value) {
		return nil, unknownWord(kind, words, fmt.Sprint(int(value)))
	}
	return []byte(words[value]), nil
}

func unmarshalWord[T ~int](kind string, words []string, text []byte, value *T) error {
	i := slices.Index(words, string(text))
	if i < 0 {
		return unknownWord(kind, words, string(text))
	}
	*value = T(i)
	return nil
}

func unmarshalWordOrInteger[T ~int](kind string, words []string, text []byte, value *T) error {
	var read any
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	switch read := read.(type) {
	case nil:
		return nil
	case string:
		return unmarshalWord(kind, words, []byte(read), value)
	case float64:
		if i := int(read); float64(i) == read && known(words, i) {
			*value = T(i)
			return nil
		}
	}
	return unknownWord(kind, words, string(text))
}

func unknownWord(kind string, words []string, got string) error {
	return fmt.Errorf("resnet: unknown %s %s; the choices are %s", kind, printable.Quote(got), strings.Join(slices.Sorted(slices.Values(words)), ", "))
}
