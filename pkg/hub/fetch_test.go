package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/download"
	"github.com/residual-go/residual/pkg/internal/filetest"
)

// closed is an address where nothing listens.
const closed = "http://127.0.0.1:1"

// offline gives the test its own cache and mirrors that do not answer. It returns the cache's
// folder of weights.
func offline(t *testing.T) string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "cache")
	t.Setenv("RESIDUAL_CACHE", cache)
	t.Setenv("RESIDUAL_TORCHVISION_URL", closed)
	t.Setenv("RESIDUAL_IDELBAYEV_URL", closed)
	t.Setenv("RESIDUAL_MARTYN_URL", closed)
	t.Setenv("HF_ENDPOINT", closed)
	return filepath.Join(cache, "weights")
}

func hexSum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// site serves files by path and records the requests.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func serve(t *testing.T, files map[string][]byte, headers map[string]string) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		content, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if to, ok := strings.CutPrefix(string(content), "-> "); ok {
			for key, value := range headers {
				w.Header().Set(key, value)
			}
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	return s
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFetchFile(t *testing.T) {
	offline(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "resnet18") // a file takes precedence over a name
	writeFile(t, path, []byte("x"))
	t.Chdir(dir)
	if got, origin, err := Fetch(context.Background(), "resnet18", nil); err != nil || got != "resnet18" || origin != (Origin{}) {
		t.Errorf("a file: %q, %+v, %v", got, origin, err)
	}
	_, _, err := Fetch(context.Background(), dir, nil)
	filetest.CheckRefused(t, "a folder", err, dir, "a folder without a model.safetensors")
	writeFile(t, filepath.Join(dir, timmWeights), []byte("x"))
	if got, _, err := Fetch(context.Background(), dir, nil); err != nil || got != filepath.Join(dir, timmWeights) {
		t.Errorf("a folder: %q, %v", got, err)
	}
	for _, spec := range []string{"none.safetensors", "none.pth", filepath.Join(dir, "none")} {
		_, _, err := Fetch(context.Background(), spec, nil)
		filetest.CheckRefused(t, spec, err, spec)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: error %v does not wrap fs.ErrNotExist", spec, err)
		}
	}
}

func TestFetchURL(t *testing.T) {
	dir := offline(t)
	content := []byte("these are weights")
	sum := hexSum(content)
	hashed := "/net-" + sum[:8] + ".pth"
	s := serve(t, map[string][]byte{"/w.pth": content, hashed: content, "/wrong-01234567.pth": content, "/away": []byte("-> /w.pth")}, nil)
	for spec, name := range map[string]string{
		s.URL + hashed:                                      hashed,
		s.URL + "/w.pth#sha256=" + sum:                      "/w-" + sum[:8] + ".pth",
		s.URL + "/w.pth?a=b#sha256=" + strings.ToUpper(sum): "/w-" + sum[:8] + ".pth",
		s.URL + "/away#sha256=" + sum:                       "/away-" + sum[:8],
	} {
		path, origin, err := Fetch(context.Background(), spec, nil)
		if err != nil || path != filepath.Join(dir, name) || origin.Source != spec {
			t.Errorf("%s: %q, %+v, %v", spec, path, origin, err)
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %q, %v", spec, got, err)
		}
	}
	asked := len(s.asked)
	if _, _, err := Fetch(context.Background(), s.URL+hashed, nil); err != nil || len(s.asked) != asked {
		t.Errorf("once more: %v, after %q", err, s.asked[asked:])
	}
	for spec, want := range map[string]string{
		s.URL + "/w.pth":                       "#sha256=…",
		s.URL + "/w.pth#md5=0123456789":        "no checksum to verify the file with",
		s.URL + "/w.pth#sha256=":               "at least 8",
		s.URL + "/w.pth#sha256=0123456g":       "SHA-256",
		s.URL + "/wrong-01234567.pth":          "want 01234567",
		s.URL + "/none-01234567.pth":           "404",
		s.URL + "/":                            "does not end in a file's name",
		s.URL:                                  "does not end in a file's name",
		s.URL + "/a%5Cb.pth#sha256=" + sum:     "does not end in a file's name",
		"https://\x7f/w.pth":                   "not a valid URL",
		closed + "/net-01234567.pth":           "by hand: put net-01234567.pth into " + dir,
		closed + "/x.pth#sha256=" + sum:        "by hand: put x-" + sum[:8] + ".pth into " + dir,
		"http://me:secret@127.0.0.1:1/w-x.pth": "no checksum",
	} {
		_, _, err := Fetch(context.Background(), spec, nil)
		filetest.CheckRefused(t, spec, err, want)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestReleases(t *testing.T) {
	for name, want := range map[string]string{
		"resnet18":                              "resnet18-f37072fd.pth",
		"resnet50":                              "resnet50-0676ba61.pth",
		"resnet50.tv_in1k":                      "resnet50-0676ba61.pth",
		"resnet50.tv2_in1k":                     "resnet50-11ad3fa6.pth",
		"ResNet50_Weights.IMAGENET1K_V1":        "resnet50-0676ba61.pth",
		"ResNet50_Weights.IMAGENET1K_V2":        "resnet50-11ad3fa6.pth",
		"ResNet50_Weights.DEFAULT":              "resnet50-11ad3fa6.pth",
		"ResNet18_Weights.DEFAULT":              "resnet18-f37072fd.pth",
		"Wide_ResNet101_2_Weights.DEFAULT":      "wide_resnet101_2-d733dc28.pth",
		"ResNeXt101_64X4D_Weights.DEFAULT":      "resnext101_64x4d-173b62eb.pth",
		"ResNeXt50_32X4D_Weights.IMAGENET1K_V1": "resnext50_32x4d-7cdf4587.pth",
		"resnet20.cifar10":                      "resnet20-12fca82f.th",
		"plain20.cifar10":                       "martyn-plainnet20-0f77669a.pt",
		"plain56.cifar10":                       "martyn-plainnet56-1d7483c8.pt",
		"resnet20.martyn_cifar10":               "martyn-resnet20-690e7b76.pt",
		"resnet56.martyn_cifar10":               "martyn-resnet56-2d3b6e68.pt",
	} {
		if r, ok := findRelease(name); !ok || r.file() != want {
			t.Errorf("%s is %q, want %s", name, r.file(), want)
		}
	}
	for _, name := range []string{"", "resnet20", "resnet18.cifar10", "ResNet20_Weights.DEFAULT", "resnet18.tv2_in1k", "ResNet18_Weights.IMAGENET1K_V2", "ResNet18_Weights", "resnet18.a1_in1k",
		"plain20", "plain32.cifar10", "resnet20-pad-end.cifar10"} {
		if r, ok := findRelease(name); ok {
			t.Errorf("%q is %s", name, r.file())
		}
	}
	if r, _ := findRelease("resnet50.tv2_in1k"); r.origin().Resize != 232 || r.origin().Recipe != "IMAGENET1K_V2" {
		t.Errorf("the origin is %+v", r.origin())
	}
}

// Martyn's networks, plain and residual, say how images are prepared and what their licence is.
func TestMartynsReleases(t *testing.T) {
	list, err := Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ architecture, file string }{
		"plain20.cifar10":         {"plain20", "plainnet20.pt"},
		"plain56.cifar10":         {"plain56", "plainnet56.pt"},
		"resnet20.martyn_cifar10": {"resnet20-pad-end", "resnet20.pt"},
		"resnet56.martyn_cifar10": {"resnet56-pad-end", "resnet56.pt"},
	} {
		r, _ := findRelease(name)
		o := r.origin()
		if o.Architecture != want.architecture || o.Normalization == nil || o.Normalization.Std[0] != 0.24697 || !strings.HasPrefix(o.Licence, "BSD-3-Clause") {
			t.Errorf("the origin of %s is %+v", name, o)
		}
		if url := "https://raw.githubusercontent.com/a-martyn/resnet/a9779154427bc5d28d89c213e1ae73613c353f74/pretrained/" + want.file; r.url() != url {
			t.Errorf("%s is at %s, want %s", name, r.url(), url)
		}
		i := slices.IndexFunc(list, func(e Entry) bool { return e.Name == name })
		if i < 0 || len(list[i].SHA256) != 64 || list[i].Licence != o.Licence {
			t.Errorf("the catalogue lacks %s, its SHA-256 or its licence: %+v", name, list)
		}
	}
	if _, _, err := Fetch(context.Background(), "plain20", nil); err == nil || !strings.Contains(err.Error(), "are called plain20.cifar10") {
		t.Errorf("plain20: %v, want a hint at plain20.cifar10", err)
	}
}

// TestMartynsFiles compares the checksums with the files, if they are there.
func TestMartynsFiles(t *testing.T) {
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set: it names a folder with weights/a-martyn/")
	}
	for _, r := range releases() {
		if r.martyn == "" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(data, "weights", "a-martyn", r.martyn))
		if err != nil {
			t.Skip(err)
		}
		if sum := hexSum(content); sum != r.sum {
			t.Errorf("%s has SHA-256 %s, want %s", r.martyn, sum, r.sum)
		}
	}
}

// TestReleasesAreTorchvisions compares the table with torchvision's, if that is installed.
func TestReleasesAreTorchvisions(t *testing.T) {
	source, err := os.ReadFile("/usr/lib/python3/dist-packages/torchvision/models/resnet.py")
	if err != nil {
		t.Skipf("torchvision is not installed: %v; on Debian: apt-get install python3-torchvision", err)
	}
	entry := regexp.MustCompile(`(?s)url="https://download.pytorch.org/models/([^"]+)",\s*transforms=partial\(ImageClassification, crop_size=224(, resize_size=232)?\)`)
	var want, got []string
	for _, match := range entry.FindAllStringSubmatch(string(source), -1) {
		want = append(want, match[1]+match[2])
	}
	for _, r := range releases() {
		if r.version == 0 {
			continue
		}
		resize := ""
		if r.resize == 232 {
			resize = ", resize_size=232"
		}
		got = append(got, r.file()+resize)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the releases are\n%q\ntorchvision's\n%q", got, want)
	}
}

func TestFetchRelease(t *testing.T) {
	dir := offline(t)
	content := []byte("these are weights")
	r := release{"resnet18", 1, hexSum(content)[:8], 256, ""} // the real one has 47 MB
	_, err := fetchRelease(context.Background(), &download.Fetcher{}, r)
	filetest.CheckRefused(t, "offline", err, "fetch weights: download "+closed+"/"+r.file(), "refused", "by hand: put "+r.file()+" into "+dir)

	s := serve(t, map[string][]byte{"/models/" + r.file(): content}, nil)
	t.Setenv("RESIDUAL_TORCHVISION_URL", s.URL+"/models/")
	var done int64
	path, err := fetchRelease(context.Background(), &download.Fetcher{Progress: func(d, _ int64) { done = d }}, r)
	if err != nil || path != filepath.Join(dir, r.file()) || done != int64(len(content)) {
		t.Errorf("%q, %v, after %d bytes", path, err, done)
	}

	// A network for CIFAR-10 comes from another place.
	r = release{"resnet20", 0, hexSum(content)[:8], 32, ""}
	t.Setenv("RESIDUAL_IDELBAYEV_URL", serve(t, map[string][]byte{"/" + r.file(): content}, nil).URL)
	if path, err := fetchRelease(context.Background(), &download.Fetcher{}, r); err != nil || path != filepath.Join(dir, r.file()) {
		t.Errorf("%q, %v", path, err)
	}

	// Martyn's have other names there, and the whole checksum.
	r = release{"plain20", 0, hexSum(content), 32, "plainnet20.pt"}
	t.Setenv("RESIDUAL_MARTYN_URL", serve(t, map[string][]byte{"/plainnet20.pt": content}, nil).URL)
	if path, err := fetchRelease(context.Background(), &download.Fetcher{}, r); err != nil || path != filepath.Join(dir, "martyn-plainnet20-"+r.sum[:8]+".pt") {
		t.Errorf("%q, %v", path, err)
	}

	// A file that was put there by hand is verified.
	writeFile(t, filepath.Join(dir, "resnet18-f37072fd.pth"), content)
	_, _, err = Fetch(context.Background(), "resnet18", nil)
	filetest.CheckRefused(t, "another file", err, filepath.Join(dir, "resnet18-f37072fd.pth"), "want f37072fd", "remove it and fetch again")
}

func TestFetchTimm(t *testing.T) {
	dir := offline(t)
	const name = "resnet18.a1_in1k"
	home := filepath.Join(dir, "timm", name)
	_, _, err := Fetch(context.Background(), name, nil)
	filetest.CheckRefused(t, "offline", err, closed+"/timm/"+name+"/resolve/main/model.safetensors", "refused", "config.json", "into "+home)

	content, config := []byte("these are weights"), []byte(`{"architecture": "resnet18"}`)
	commit := strings.Repeat("c0ffee12", 5)
	store := serve(t, map[string][]byte{"/blob": content}, nil)
	base := "/timm/" + name + "/resolve/"
	files := map[string][]byte{
		base + "main/model.safetensors":                    []byte("-> " + store.URL + "/blob"),
		base + commit + "/model.safetensors":               []byte("-> " + store.URL + "/blob"),
		base + commit + "/config.json":                     config,
		"/timm/old.a1_in1k/resolve/main/model.safetensors": []byte("-> " + base + "main/model.safetensors"),
	}
	headers := map[string]string{"X-Linked-Etag": `"` + hexSum(content) + `"`, "X-Repo-Commit": commit}
	s := serve(t, files, headers)
	t.Setenv("HF_ENDPOINT", s.URL)
	for range 2 {
		path, origin, err := Fetch(context.Background(), "timm/"+name, nil)
		if err != nil || path != filepath.Join(home, "model.safetensors") {
			t.Fatalf("%q, %v", path, err)
		}
		if origin.Architecture != "resnet18" || origin.Recipe != "a1_in1k" || !strings.HasPrefix(origin.Source, s.URL) {
			t.Errorf("the origin is %+v", origin)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the weights are %q, %v", got, err)
		}
		if got, err := os.ReadFile(filepath.Join(home, "config.json")); err != nil || !bytes.Equal(got, config) {
			t.Errorf("config.json is %q, %v", got, err)
		}
	}
	want := []string{"HEAD " + base + "main/model.safetensors", "GET " + base + commit + "/config.json", "GET " + base + commit + "/model.safetensors"}
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked for %q, want %q", s.asked, want)
	}

	// Later damage is found too.
	t.Setenv("HF_ENDPOINT", closed)
	writeFile(t, filepath.Join(home, "model.safetensors"), []byte("others"))
	_, _, err = Fetch(context.Background(), name, nil)
	filetest.CheckRefused(t, "damaged", err, home, hexSum(content), "remove it and fetch again")

	// By hand there are two files and no checksum.
	if err := os.Remove(filepath.Join(home, "model.safetensors"+sumExt)); err != nil {
		t.Fatal(err)
	}
	if path, _, err := Fetch(context.Background(), name, nil); err != nil || path != filepath.Join(home, "model.safetensors") {
		t.Errorf("by hand: %q, %v", path, err)
	}

	t.Setenv("HF_ENDPOINT", s.URL)
	_, _, err = Fetch(context.Background(), "resnet34.a1_in1k", nil)
	filetest.CheckRefused(t, "not there", err, "404", "https://huggingface.co/timm")
	delete(headers, "X-Linked-Etag")
	_, _, err = Fetch(context.Background(), "resnet34.a1_in1k", nil)
	filetest.CheckRefused(t, "not there", err, "404")
	if sum, _, err := askTimm(context.Background(), s.URL+"/timm/old.a1_in1k/resolve/main/model.safetensors"); err == nil {
		t.Errorf("a sum of %s from nowhere", sum)
	}
	headers["X-Linked-Etag"] = hexSum(content)
	if sum, revision, err := askTimm(context.Background(), s.URL+"/timm/old.a1_in1k/resolve/main/model.safetensors"); err != nil || sum != hexSum(content) || revision != commit {
		t.Errorf("a repository that was renamed: %s, %s, %v", sum, revision, err)
	}
}

// Weights are never there without their checksum, not even if the process ends right after
// their download.
func TestFetchTimmStoresTheChecksumFirst(t *testing.T) {
	dir := offline(t)
	const name = "resnet18.a1_in1k"
	base, sum := "/timm/"+name+"/resolve/main/", hexSum([]byte("these are weights"))
	s := serve(t, map[string][]byte{base + "model.safetensors": []byte("-> " + closed + "/gone"), base + "config.json": []byte("{}")},
		map[string]string{"X-Linked-Etag": sum})
	t.Setenv("HF_ENDPOINT", s.URL)
	_, _, err := Fetch(context.Background(), name, nil)
	filetest.CheckRefused(t, "gone", err, "connection refused")
	t.Setenv("HF_ENDPOINT", closed)
	writeFile(t, filepath.Join(dir, "timm", name, "model.safetensors"), []byte("others"))
	_, _, err = Fetch(context.Background(), name, nil)
	filetest.CheckRefused(t, "others", err, "want "+sum)
}

func TestFetchRefuses(t *testing.T) {
	offline(t)
	for spec, want := range map[string]string{
		"":                         `weights "": neither a file nor a URL`,
		"nonsense":                 "neither a file nor a URL nor a name",
		"resnet20":                 "called resnet20.cifar10",
		"resnet8":                  "no published weights of that name",
		"plain18":                  "no published weights of that name",
		"resnet18.tv2_in1k":        "no published weights of that name",
		"resnet50d.a1_in1k":        "its stem has several convolutions",
		"resnext50d_32x4d.bt_in1k": "its stem has several convolutions",
		"resnetblur50.bt_in1k":     "blurs",
		"seresnet50.a1_in1k":       "channel attention",
		"ecaresnet50t.a1_in1k":     "channel attention",
		"resnetv2_50.a1h_in1k":     "standardised",
		"resnet50_gn.a1h_in1k":     "norms are not batch norms",
		"resnetrs50.tf_in1k":       "a different kind of block",
		"timm/vgg16.tv_in1k":       "neither a file nor a URL",
		"vgg16.a_in1k":             "not one of torchvision's kinds",
	} {
		_, _, err := Fetch(context.Background(), spec, nil)
		filetest.CheckRefused(t, spec, err, spec, want)
	}
	for _, name := range []string{"resnet18", "resnet26", "resnet152", "resnext101_32x16d", "wide_resnet50_2", ""} {
		if reason := unsupported(name); reason != "" {
			t.Errorf("%s is refused: %s", name, reason)
		}
	}
}

func TestCatalogue(t *testing.T) {
	dir := offline(t)
	list, err := Catalogue()
	if err != nil || len(list) != len(releases())+len(timmNames()) {
		t.Fatalf("%d names, %v", len(list), err)
	}
	for _, named := range list {
		if named.Cached || !strings.HasPrefix(named.URL, closed) || !strings.HasPrefix(named.Path, dir) {
			t.Errorf("%+v", named)
		}
		// Each is a name that Fetch takes: it goes as far as the network.
		_, _, err := Fetch(context.Background(), named.Name, nil)
		filetest.CheckRefused(t, named.Name, err, named.URL, filepath.Dir(named.Path), "refused")
	}
	writeFile(t, filepath.Join(dir, "resnet18-f37072fd.pth"), []byte("x"))
	writeFile(t, filepath.Join(dir, "timm", "resnet50.b1k_in1k", "model.safetensors"), []byte("x"))
	if list, err = Catalogue(); err != nil || !list[0].Cached || !list[len(list)-1].Cached || list[len(list)-1].Name != "resnet50.b1k_in1k" {
		t.Errorf("%+v, %v", list, err)
	}
}
