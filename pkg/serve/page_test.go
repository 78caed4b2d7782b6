package serve

import (
	"encoding/json"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asset returns a file of the page.
func asset(t *testing.T, name string) string {
	t.Helper()
	content, err := page.ReadFile("page/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestPageSpeaksEveryLanguage checks that every text of the page is there in every language, with the
// same places for values, that each is used, and that the English of the HTML, which is shown until the
// script runs, is that of the words.
func TestPageSpeaksEveryLanguage(t *testing.T) {
	script := asset(t, "words.js")
	var words map[string]map[string]string
	if err := json.Unmarshal([]byte(script[strings.Index(script, "{"):strings.LastIndex(script, "}")+1]), &words); err != nil {
		t.Fatalf("words.js: %v", err)
	}
	if len(words["en"]) < 20 || len(words["zh"]) < 20 || len(words) != 2 {
		t.Fatalf("words.js has %d words in English and %d in Chinese", len(words["en"]), len(words["zh"]))
	}
	place := regexp.MustCompile(`\{\w+\}`)
	places := func(text string) []string { return slices.Sorted(slices.Values(place.FindAllString(text, -1))) }
	for key, english := range words["en"] {
		chinese, ok := words["zh"][key]
		switch {
		case !ok:
			t.Errorf("%s is not there in Chinese", key)
		case chinese == english:
			t.Errorf("%s is the same in both languages: %s", key, english)
		// A refusal in Chinese need not have the server's words, which are English.
		case !slices.Equal(places(english), places(chinese)) && !strings.HasPrefix(key, "refused"):
			t.Errorf("%s has the places %v in English and %v in Chinese", key, places(english), places(chinese))
		}
	}
	for key := range words["zh"] {
		if _, ok := words["en"][key]; !ok {
			t.Errorf("%s is not there in English", key)
		}
	}

	used := map[string]bool{}
	index, code := asset(t, "index.html"), asset(t, "page.js")
	for _, m := range regexp.MustCompile(`data-words="(\w+)"[^>]*>([^<]*)<`).FindAllStringSubmatch(index, -1) {
		used[m[1]] = true
		if text := html.UnescapeString(m[2]); text != words["en"][m[1]] {
			t.Errorf("index.html says %q for %s, words.js %q", text, m[1], words["en"][m[1]])
		}
	}
	for _, m := range regexp.MustCompile(` (alt|aria-label)="([^"]*)" data-words-(alt|aria-label)="(\w+)"`).FindAllStringSubmatch(index, -1) {
		used[m[4]] = true
		if m[1] != m[3] || m[2] != words["en"][m[4]] {
			t.Errorf("index.html says %s=%q for %s, words.js %q", m[1], m[2], m[4], words["en"][m[4]])
		}
	}
	key := regexp.MustCompile(`(?:say\(|fail\(|\[)"(\w+)"`)
	for line := range strings.Lines(code) {
		if regexp.MustCompile(`(say|fail|write)\(`).MatchString(line) {
			for _, m := range key.FindAllStringSubmatch(line, -1) {
				used[m[1]] = true
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(\w+): /\^`).FindAllStringSubmatch(code, -1) { // in nameOf
		used[m[1]] = true
	}
	for _, m := range regexp.MustCompile(` alt="| aria-label="`).FindAllStringIndex(index, -1) {
		if !strings.Contains(strings.SplitN(index[m[0]:], ">", 2)[0], "data-words-") {
			t.Errorf("index.html has a text without a translation: %.60s", index[m[0]:])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(words["en"])) {
		if !used[key] && !strings.HasPrefix(key, "refused") {
			t.Errorf("nothing on the page says %s", key)
		}
	}
	for key := range used {
		if _, ok := words["en"][key]; !ok {
			t.Errorf("the page says %s, which is not in words.js", key)
		}
	}
}
