package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/residual-go/residual/pkg/serve"
)

// browser opens a tab of Chromium, or skips the test if there is none. Exceptions in the page's
// script fail the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("Chromium is not installed; make test installs it where it can")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	allocator, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.WindowSize(1100, 800),
		// In a container, root has no sandbox and shared memory is scarce.
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-quic", true))...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	t.Cleanup(func() { _ = chromedp.Cancel(tab) }) // so that it exits by itself and removes its folder
	chromedp.ListenTarget(tab, func(event any) {
		if thrown, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("exception in the page's script: %v", thrown.ExceptionDetails)
		}
	})
	return tab
}

const (
	answered = `!document.querySelector("#guesses").hidden`
	refused  = `!document.querySelector("#error").hidden`
	// dropped drops a file on the page.
	dropped = `{
		const files = new DataTransfer();
		files.items.add(new File([Uint8Array.from(atob(%q), c => c.charCodeAt(0))], "dropped.png", {type: "image/png"}));
		for (const kind of ["dragenter", "dragover", "drop"])
			document.querySelector("#drop").dispatchEvent(new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
	}`
	// violations counts violations of the Content-Security-Policy.
	violations = `window.violations = 0; document.addEventListener("securitypolicyviolation", () => window.violations++)`
)

func TestPageInTheBrowser(t *testing.T) {
	tab := browser(t)
	url, _ := begin(t, serve.Limits{})
	folder := t.TempDir()
	content, err := photo(1, 90, 60)
	if err != nil {
		t.Fatal(err)
	}
	chosen, text := filepath.Join(folder, "chosen.png"), filepath.Join(folder, "text.png")
	for path, content := range map[string][]byte{chosen: content, text: []byte("not an image")} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	another, err := photo(2, 40, 80)
	if err != nil {
		t.Fatal(err)
	}

	// Choose a photo.
	var model, guesses, took, first string
	var widths []float64
	var shown struct {
		Src, Alt      string
		Width, Height int
	}
	var screenshot []byte
	const mapShown = `(() => { const m = document.querySelector("#map"); return {Src: m.src, Alt: m.alt, Width: m.naturalWidth, Height: m.naturalHeight}; })()`
	run(t, tab,
		chromedp.Navigate(url),
		chromedp.Evaluate(violations, nil),
		chromedp.Poll(`!document.querySelector("#about").hidden`, nil),
		chromedp.Text("#model", &model, chromedp.ByQuery),
		chromedp.SetUploadFiles("#file", []string{chosen}, chromedp.ByQuery),
		chromedp.Poll(answered, nil),
		chromedp.Poll(`document.querySelector("#map").naturalWidth > 0`, nil),
		chromedp.Text("#guesses", &guesses, chromedp.ByQuery),
		chromedp.Text("#time", &took, chromedp.ByQuery),
		chromedp.Text("#guesses li .class", &first, chromedp.ByQuery),
		chromedp.Evaluate(mapShown, &shown),
		chromedp.Poll(`parseFloat(getComputedStyle(document.querySelector("#guesses .bar")).width) > 30`, nil), // the bars are animated
		chromedp.Sleep(500*time.Millisecond),
		chromedp.Evaluate(`Array.from(document.querySelectorAll("#guesses .bar")).map(b => b.getBoundingClientRect().width)`, &widths),
		chromedp.CaptureScreenshot(&screenshot),
	)
	if !strings.Contains(model, "resnet8-w4") {
		t.Errorf("the page names the model %q, want resnet8-w4", model)
	}
	if strings.Count(guesses, "%") != 5 || !strings.HasPrefix(took, "Answered in ") || first == "" {
		t.Errorf("the page says %q, %q; want five guesses and the time", guesses, took)
	}
	if shown.Width != 630 || shown.Height != 420 || !strings.HasPrefix(shown.Src, "data:image/png;base64,") || shown.Alt == "" {
		t.Errorf("the map has %d×%d pixels and the alternative text %q, want 630×420 and one", shown.Width, shown.Height, shown.Alt)
	}
	if len(widths) != 5 || widths[0] < widths[4] || widths[0] < 30 {
		t.Errorf("the bars are %v pixels long, want 5, the longest first", widths)
	}
	keep(t, screenshot, "serve.png", 1000, 600)

	// Hide and show the map with a key, drop another photo, then choose a file that is not an
	// image.
	var hidden, back bool
	var alert, was string
	var broken int
	run(t, tab,
		chromedp.KeyEvent("m"),
		chromedp.Evaluate(`document.querySelector("#map").hidden && !document.querySelector("#photo").hidden`, &hidden),
		chromedp.KeyEvent("m"),
		chromedp.Evaluate(`!document.querySelector("#map").hidden && document.querySelector("#photo").hidden`, &back),
		chromedp.Evaluate(fmt.Sprintf(dropped, base64.StdEncoding.EncodeToString(another)), nil),
		chromedp.Poll(answered+` && document.querySelector("#map").naturalHeight == 640`, nil),
		chromedp.SetUploadFiles("#file", []string{text}, chromedp.ByQuery),
		chromedp.Poll(refused, nil),
		chromedp.Text("#error", &alert, chromedp.ByQuery),
		chromedp.AttributeValue("#error", "role", &was, nil, chromedp.ByQuery),
		chromedp.Evaluate(`window.violations`, &broken),
		chromedp.CaptureScreenshot(&screenshot),
	)
	if !hidden || !back {
		t.Errorf("key m hides the map: %t, shows it again: %t, want true", hidden, back)
	}
	if !strings.Contains(alert, "not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM") || was != "alert" {
		t.Errorf("for a file that is not an image the page says %q", alert)
	}
	if broken > 0 {
		t.Errorf("the page violated its own policy %d times", broken)
	}
	keep(t, screenshot, "serve-error.png", 1000, 600)

	// On a phone in dark mode nothing is wider than the screen.
	var width int
	run(t, tab,
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}),
		chromedp.EmulateViewport(360, 740),
		chromedp.SetUploadFiles("#file", []string{chosen}, chromedp.ByQuery),
		chromedp.Poll(answered, nil),
		chromedp.Sleep(500*time.Millisecond),
		chromedp.Evaluate(`document.documentElement.scrollWidth`, &width),
		chromedp.FullScreenshot(&screenshot, 100),
	)
	if width > 360 {
		t.Errorf("on a screen of 360 pixels the page is %d pixels wide", width)
	}
	keep(t, screenshot, "serve-phone.png", 360, 700)
}

// TestPageInChinese reads the page as a Chinese browser shows it, changes the language on it, and sees
// that the choice is remembered.
func TestPageInChinese(t *testing.T) {
	tab := browser(t)
	url, _ := begin(t, serve.Limits{})
	folder := t.TempDir()
	content, err := photo(1, 90, 60)
	if err != nil {
		t.Fatal(err)
	}
	chosen, text := filepath.Join(folder, "chosen.png"), filepath.Join(folder, "text.png")
	for path, content := range map[string][]byte{chosen: content, text: []byte("not an image")} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	accept := func(languages string) chromedp.Action {
		return chromedp.ActionFunc(func(ctx context.Context) error {
			return emulation.SetUserAgentOverride("Mozilla/5.0 (X11; Linux x86_64)").WithAcceptLanguage(languages).Do(ctx)
		})
	}
	const ready = `!document.querySelector("#about").hidden`
	// shown has all texts that a reader sees or hears, and the language that they are marked with.
	const shown = `[document.documentElement.lang, document.title, document.body.innerText,
		...Array.from(document.querySelectorAll("[alt], [aria-label]"), e => e.getAttribute("alt") || e.getAttribute("aria-label"))].join("\n")`
	var first, answer, refusal, changed, again, english string
	var screenshot, phone []byte
	var violated, width int
	run(t, tab,
		accept("zh-CN,zh;q=0.9,en;q=0.8"),
		chromedp.Navigate(url),
		chromedp.Evaluate(violations, nil),
		chromedp.Poll(ready, nil),
		chromedp.Evaluate(shown, &first),
		chromedp.SetUploadFiles("#file", []string{chosen}, chromedp.ByQuery),
		chromedp.Poll(answered, nil),
		chromedp.Poll(`document.querySelector("#map").naturalWidth > 0`, nil),
		chromedp.Sleep(500*time.Millisecond),
		chromedp.Evaluate(shown, &answer),
		chromedp.CaptureScreenshot(&screenshot),
		// The button changes what is there already, too.
		chromedp.Click("#language", chromedp.ByQuery),
		chromedp.Evaluate(shown, &changed),
		chromedp.Navigate(url),
		chromedp.Poll(ready, nil),
		chromedp.Evaluate(shown, &again),
		chromedp.Click("#language", chromedp.ByQuery),
		chromedp.SetUploadFiles("#file", []string{text}, chromedp.ByQuery),
		chromedp.Poll(refused, nil),
		chromedp.Text("#error", &refusal, chromedp.ByQuery),
		chromedp.EmulateViewport(360, 740),
		chromedp.Evaluate(`document.documentElement.scrollWidth`, &width),
		chromedp.FullScreenshot(&phone, 100),
		chromedp.Evaluate(`window.violations || 0`, &violated),
		// Of the languages of a browser, the first that the page has counts.
		chromedp.Evaluate(`localStorage.clear()`, nil),
		accept("fr-FR,en-GB,zh-CN"),
		chromedp.Navigate(url),
		chromedp.Poll(ready, nil),
		chromedp.Evaluate(shown, &english),
	)
	keep(t, screenshot, "serve-zh.png", 1000, 600)
	keep(t, phone, "serve-zh-phone.png", 360, 700)
	for _, test := range []struct {
		what, got string
		want      []string
	}{
		{"the page", first, []string{"zh-CN\n这张照片里是什么？\n", "把照片拖到这里，粘贴一张，或者", "选一张照片…", "网络最有把握的猜测会出现在这里。", "它认识 7 个类别", "照片只留在这台机器上", "English", "\n你的照片"}},
		{"the answer", answer, []string{"用时 ", " 毫秒。", "换一张…", "显示它看了哪里", "黄色：对“", "”贡献最大的区域"}},
		{"after the button", changed, []string{"en\nWhat is in this photo?\n", "Answered in ", "Choose another…", "Show where it looked", "It knows 7 classes", "中文"}},
		{"the next visit", again, []string{"en\nWhat is in this photo?\n", "Choose a photo…"}},
		{"a refusal", refusal, []string{"这不是能识别的图像"}},
		{"with French before English", english, []string{"en\nWhat is in this photo?\n"}},
	} {
		for _, want := range test.want {
			if !strings.Contains(test.got, want) {
				t.Errorf("%s: want %q in\n%s", test.what, want, test.got)
			}
		}
	}
	// Of the page in Chinese, only names and keys are Latin.
	for _, word := range regexp.MustCompile(`[A-Za-z]{2,}`).FindAllString(first+answer, -1) {
		switch word {
		case "zh", "CN", "English", "resnet", "apple", "bell", "cup", "drum", "egg", "fan", "gong":
		default:
			t.Errorf("the page in Chinese says %q", word)
		}
	}
	if violated > 0 || width > 360 {
		t.Errorf("%d violations of the page's policy; %d pixels wide on a screen of 360", violated, width)
	}
}

func run(t *testing.T, tab context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(tab, actions...); err != nil {
		t.Fatal(err)
	}
}

// keep checks the size of a screenshot and writes it into bin, to be looked at.
func keep(t *testing.T, screenshot []byte, name string, width, height int) {
	t.Helper()
	config, err := png.DecodeConfig(bytes.NewReader(screenshot))
	if err != nil || config.Width < width || config.Height < height {
		t.Errorf("the screenshot has %d×%d pixels (%v), want %d×%d at least", config.Width, config.Height, err, width, height)
	}
	folder := filepath.Join("..", "..", "..", "bin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), screenshot, 0o644); err != nil {
		t.Fatal(err)
	}
}
