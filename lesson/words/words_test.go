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

// inBoth checks what becomes of English texts in Chinese, and that English leaves them as they are.
func inBoth(t *testing.T, say func(Language, string) string, chinese map[string]string) {
	t.Helper()
	for english, want := range chinese {
		if got := say(Chinese, english); got != want {
			t.Errorf("%q: got %q, want %q", english, got, want)
		}
		if got := say(English, english); got != english {
			t.Errorf("%q: got %q in English", english, got)
		}
	}
}

func TestFormatted(t *testing.T) {
	inBoth(t, Language.Formatted, map[string]string{
		"":                           "",
		"4":                          "4",
		"y[0 0 1 0] = 0 (PyTorch's)": "y[0 0 1 0] = 0（PyTorch 的值）",
		"y[0 0 1 0] = -1.983; 84 of 120 values differ, this one the most":               "y[0 0 1 0] = -1.983；120 个值中有 84 个不对，这一个差得最多",
		"y = Block(scope, x) with x of shape [2 5 4 3]":                                 "y = Block(scope, x)，x 的形状是 [2 5 4 3]",
		"the shape of Block(scope, x) with x of shape [2 5 4 3]":                        "Block(scope, x) 的形状，x 的形状是 [2 5 4 3]",
		"Gap of\n  the log of a, 24 epochs, the last with a training loss of 0.5":       "Gap，用下面的日志\n  a 的日志，24 轮，最后一轮的训练损失是 0.5",
		"SGD{Momentum: 0.5} from weights [1]\n  step 0: learning rate 1, gradients [2]": "SGD{Momentum: 0.5}，开始的权重是 [1]\n  第 0 步：学习率 1，梯度 [2]",
		"panic: the answer returned nil\nat a.go:8":                                     "panic：答案返回了 nil\n位于 a.go:8",
		"also a.weight [3], b.bias [3] and 2 more":                                      "还有 a.weight [3], b.bias [3]，另有 2 个",
		"panic: something else":                                                         "panic：something else",
		"not done yet: lesson/exercises/gap/README.md says what to do":                  "还没有做：任务写在 lesson/exercises/gap/README.zh.md 里",
		"conv1.weight [3 3], bn1.weight [3] and 2 more":                                 "conv1.weight [3 3], bn1.weight [3]，另有 2 个",
		"a text without an entry":                                                       "a text without an entry",
	})
}

func TestPhrasebook(t *testing.T) {
	book := Chinese.NewPhrasebook(
		Phrase{`"f, x "`, `"f，x "`}, Phrase{`"out of a ReLU"`, `"来自 ReLU"`}, Phrase{`"error"`, `"误差（自己的）"`},
		Phrase{`"500 images; guessing: 10%; "`, `"500 幅图像；瞎猜：10%；"`}, Phrase{`"%s? (image %d)"`, `"%s？（第 %d 幅）"`},
		Phrase{`"filter %d\ncontrast %.0f%%"`, `"滤波器 %d\n对比 %.0f%%"`}, Phrase{"It came second; the rest won. ", "它是第二名。"}, Phrase{"plain, copies, ε = ", "普通，复制，ε = "},
		Phrase{` layers`, ` 层`}, Phrase{`"live: "`, `"刚刚训练的："`},
	)
	book.Add(Phrase{`"epoch"`, `"不是这个"`}, Phrase{`"a later word"`, `"后来的词"`})
	for english, want := range map[string]string{
		"":                       "",
		"resnet20":               "resnet20",
		"error":                  "误差（自己的）",
		"errors":                 "errors",
		"f, x out of a ReLU":     "f，x 来自 ReLU",
		"cat? (image 3)":         "cat？（第 3 幅）",
		"filter 7\ncontrast 85%": "滤波器 7\n对比 85%",
		"plain, copies, ε = 0.1": "普通，复制，ε = 0.1",
		"resnet20, training":     "resnet20，训练",
		"plain, depth 8":         "普通，深度 8",
		"data: CIFAR-10 (JPEG)":  "数据：CIFAR-10 (JPEG)",
		"data: Shapes-10, drawn shapes, not CIFAR-10":                   "数据：Shapes-10，画出来的图形，不是 CIFAR-10",
		"500 images; guessing: 10%; data: CIFAR-10; weights: A. Martyn": "500 幅图像；瞎猜：10%；数据：CIFAR-10；权重：A. Martyn",
		"epoch":        "训练轮数",
		"a later word": "后来的词",
		"data: CIFAR-10; the shallow networks' layers are spread over the deep ones'": "数据：CIFAR-10；浅层网络的各层按相对深度排在深层网络的横轴上",
		"resnet20, live":                                      "resnet20，刚刚训练的",
		"live: Shapes-10 (built-in)":                          "刚刚训练的：Shapes-10（内置）",
		"plain, 24 epochs, recorded":                          "普通，24 轮（存下的）",
		"1.75 to 1.87":                                        "1.75～1.87",
		"data: CIFAR-10; 56 layers":                           "数据：CIFAR-10；56 层",
		"500 幅图像；data: CIFAR-10":                              "500 幅图像；数据：CIFAR-10",
		"cat; dog":                                            "cat; dog",
		"It came second; the rest won. A text of nobody":      "它是第二名。A text of nobody",
		"done in 3s · loss 0.5, accuracy 80.0% · 12 images/s": "用时 3s · 损失 0.5，准确率 80.0% · 每秒 12 幅图像",
		"resnet20: the first test images":                     "resnet20：最前面的测试图像",
		"cat\n→ dog":                                          "cat\n→ dog",
		"%d of %d wrong: framed, with a cross":                "%[2]d 张中错了 %[1]d 张：加框并打叉",
	} {
		if got := book.Translate(english); got != want {
			t.Errorf("%q: got %q, want %q", english, got, want)
		}
		if got := English.NewPhrasebook(Phrase{"error", "误差"}).Translate(english); got != english {
			t.Errorf("%q: got %q in English", english, got)
		}
	}
	for text, want := range map[string][]string{
		"误差，resnet20 layer1.0.conv1 bn1 ReLU": nil, "error of 数据": {"error"}, "a text for each/none": {"text", "for"}, "CIFAR-10 (JPEG)": nil,
	} {
		if got := Untranslated(text); !slices.Equal(got, want) {
			t.Errorf("%q: untranslated %q, want %q", text, got, want)
		}
	}
}

func TestPrinted(t *testing.T) {
	inBoth(t, Language.Printed, map[string]string{
		"Images: 2000 for training, 1000 for testing, from CIFAR-10 (JPEG), first 2000.\n": "图像：训练 2000 幅，测试 1000 幅，来自 CIFAR-10 (JPEG)，前 2000 幅。\n",
		"8-resnet56 is already trained; its run is in runs/course/8-resnet56.":             "8-resnet56 已经训练过了，结果在 runs/course/8-resnet56 里。",
		"plain20, epoch 1 of 2: loss 0.500, accuracy 80.0%, test accuracy 79.0%":           "plain20，第 1 轮，共 2 轮：损失 0.500，准确率 80.0%，测试准确率 79.0%",
		"Plain: the training loss at depth 56 is 0.479 higher than at depth 20.":           "普通网络：深度 56 的训练损失比深度 20 的高 0.479。",
		"error": "error", "a line of nobody": "a line of nobody", "": "", "\n": "\n",
	})
}

func TestReadPhrase(t *testing.T) {
	for line, want := range map[string]Phrase{"- `a b` → `中`": {"a b", "中"}, "- `\"a\"` → `\"中\"`": {`"a"`, `"中"`}, "a": {}, "- `a` → 中": {}} {
		if got, ok := ReadPhrase(line); got != want || ok != (want != Phrase{}) {
			t.Errorf("%s: got %q and %v, want %q", line, got, ok, want)
		}
	}
}

func TestError(t *testing.T) {
	inBoth(t, Language.Error, map[string]string{
		"": "", "something else": "something else", "a: b; c: d": "a: b; c: d",
		`unknown recipe "nope"; the recipes are fast, quick`:                                `没有训练方案 "nope"；训练方案有 fast, quick`,
		"recipe fast: 0 epochs, want at least 1":                                            "训练方案 fast：0 轮，至少要 1 轮",
		"nope is not a run folder: it has no recipe.json":                                   "nope 不是训练结果的文件夹：里面没有 recipe.json",
		"read the recipe: open a/b.json: no such file or directory":                         "读取训练方案：打开 a/b.json：没有这个文件或文件夹",
		"interrupted after step 3 of 10; resume with: lesson train":                         "中断了（第 3 步之后，共 10 步）；resume with: lesson train",
		"no run given; see lesson eval --help":                                              "没有给出训练结果的文件夹；见 lesson eval --help",
		"unknown flag: --epoch; did you mean --epochs? lesson train --help lists the flags": "没有选项 --epoch；是不是 --epochs？lesson train --help 列出所有选项",
	})
}
