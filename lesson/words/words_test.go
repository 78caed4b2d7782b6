package words

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for name, want := range map[string]Language{
		"en": English, "zh": Chinese, "zh-CN": Chinese, "zh_CN.UTF-8": Chinese, "ZH": Chinese, "zh-Hans-CN": Chinese, "zh_TW": Chinese,
		"en_US.UTF-8": English, "C": English, "C.UTF-8": English, "POSIX": English,
	} {
		if got, err := Parse(name); err != nil || got != want {
			t.Errorf("%s: got %s and the error %v, want %s", name, got, err, want)
		}
	}
	for _, name := range []string{"", "fr", "zhuang", "_zh", "de_DE.UTF-8"} {
		if got, err := Parse(name); err == nil || got != English || !strings.Contains(err.Error(), "en and zh") {
			t.Errorf("%q: got %s and the error %v, want an error that names the languages", name, got, err)
		}
	}
}

func TestPreferred(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		want        Language
	}{
		{nil, English},
		{map[string]string{"LANG": "zh_CN.UTF-8"}, Chinese},
		{map[string]string{"LANG": "fr_FR.UTF-8"}, English},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, English},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, Chinese},
		{map[string]string{"LC_MESSAGES": "zh_CN.UTF-8", "LC_ALL": "C"}, English},
		{map[string]string{"LC_MESSAGES": "C", "LC_ALL": "zh_CN"}, Chinese},
		{map[string]string{"LC_ALL": "zh_CN", "RESIDUAL_LANG": "en"}, English},
		{map[string]string{"LC_ALL": "C", "RESIDUAL_LANG": "zh"}, Chinese},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, Chinese},
	} {
		if got := Preferred(func(name string) string { return c.environment[name] }); got != c.want {
			t.Errorf("%v: got %s, want %s", c.environment, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{English.Text("Try next:"), "Try next:"},
		{Chinese.Text("Try next:"), "接下来可以试试："},
		{Chinese.Text("a text that nobody translated"), "a text that nobody translated"},
		{Chinese.Text(""), ""},
		{Language("fr").Text("Try next:"), "Try next:"},
		{Chinese.Sprintf("%d of %d exercises not solved yet", 2, 26), "26 个练习中还有 2 个没有做对"},
		{English.Sprintf("%d of %d exercises not solved yet", 2, 26), "2 of 26 exercises not solved yet"},
		{Chinese.In(Step, "shape"), "形状"},
		{Chinese.Text("shape"), "shape"}, // without the context
		{Chinese.Hint("stage", "no-end", "a loop never ends: find what should make its condition false"), "有一个循环永远不结束：找出是什么应当让它的条件变成 false"},
		{Chinese.Hint("bottleneck", "no-addition", "the shortcut is never added"), "快捷连接从来没有被加上"},
		{Chinese.Hint("bottleneck", "no-addition", "another text"), "another text"},
		{English.Hint("bottleneck", "no-addition", "the shortcut is never added"), "the shortcut is never added"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestPOFiles(t *testing.T) {
	got, err := parse("some", `# a comment
msgid ""
msgstr ""
"Language: zh_CN\n"

msgctxt "step"
msgid "shape"
msgstr "形状"

#. for translators
msgid ""
"two\n"
"lines"
msgstr "两\n"
"行"
msgid "a \"word\""
msgstr ""
`)
	want := []Entry{
		{"some", 6, "step", "shape", "形状"},
		{"some", 11, "", "two\nlines", "两\n行"},
		{"some", 16, "", `a "word"`, ""},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v and the error %v, want %+v", got, err, want)
	}
	for text, problem := range map[string]string{
		"msgid \"a\"\nmsgstr b\n": "line 2:", "\"a\"\n": "line 1:", "msgid \"a\"\nmsgword \"b\"\n": `unknown word "msgword"`,
	} {
		if _, err := parse("some", text); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: got the error %v, want %s", text, err, problem)
		}
	}
	for _, l := range []Language{English, Chinese} {
		if entries, err := Entries(l); err != nil || (len(entries) > 0) != (l == Chinese) {
			t.Errorf("%s: %d entries and the error %v", l, len(entries), err)
		}
	}
}
