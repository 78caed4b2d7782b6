package weights

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/download"
)

// Of timm's repositories at Hugging Face two files are taken: the weights, and config.json
// with how pictures are prepared. They come by package download and not by the hub package
// of github.com/gomlx/go-huggingface, whose downloads (v0.4.0) start over when they break
// off, wait without end for a server that falls silent, are not compared with the SHA-256
// that the server has for them, and take a transfer that breaks off for one that is done.
const (
	timmFolder  = "timm"
	timmWeights = "model.safetensors"
	// sumExt is of the file that keeps the sum of downloaded weights, as sha256sum -c reads it.
	sumExt = ".sha256"
	// askTimeout is for a question whose answer is some lines.
	askTimeout = 30 * time.Second
)

// timmURL is the address of a file of timm's, at the server that the environment variable
// HF_ENDPOINT names, or Hugging Face's.
func timmURL(name, revision, file string) string {
	endpoint := cmp.Or(os.Getenv("HF_ENDPOINT"), "https://huggingface.co")
	return fmt.Sprintf("%s/timm/%s/resolve/%s/%s", strings.TrimSuffix(endpoint, "/"), name, revision, file)
}

// fetchTimm returns the path of weights of timm's, with config.json beside them.
func fetchTimm(ctx context.Context, f *download.Fetcher, name string) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, timmFolder, name)
	weights := download.File{Path: filepath.Join(dir, timmWeights), Noun: noun, Limit: maxWeights}
	config := download.File{Path: filepath.Join(dir, timmConfigFile), Noun: timmConfigFile, Limit: maxConfig}
	if there(weights.Path) && there(config.Path) {
		// Weights that were put there by hand have no sum to check them by; that they are whole
		// and of this architecture shows when they are read.
		if text, err := os.ReadFile(weights.Path + sumExt); err == nil {
			weights.SHA256, _, _ = strings.Cut(string(text), " ")
		}
		return weights.Path, fetch(ctx, f, weights)
	}
	sum, revision, err := askTimm(ctx, timmURL(name, "main", timmWeights))
	if err != nil {
		return "", fmt.Errorf("fetch weights: ask %s for its SHA-256: %w; by hand: put that file, and %s that is beside it, into %s",
			download.Redacted(timmURL(name, "main", timmWeights)), err, timmConfigFile, dir)
	}
	weights.SHA256 = sum
	weights.URL, config.URL = timmURL(name, revision, timmWeights), timmURL(name, revision, timmConfigFile)
	if err := fetch(ctx, &download.Fetcher{}, config); err != nil { // too small for a bar
		return "", err
	}
	// Before the weights, which would go unchecked if this process ended between the two.
	if err := atomicfile.WriteBytes(weights.Path+sumExt, []byte(sum+"  "+timmWeights+"\n")); err != nil {
		return "", err
	}
	return weights.Path, fetch(ctx, f, weights)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// hexDigits is a SHA-256, or the name of a commit.
var hexDigits = regexp.MustCompile(`^[0-9a-f]{40,64}$`)

// askTimm returns the SHA-256 of a large file at Hugging Face, which is the ETag of what the
// address is linked to, and the commit it is of, "main" if the server does not say.
func askTimm(ctx context.Context, address string) (sum, revision string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return "", "", err
	}
	client := download.NewClient()
	// The first answer has it; the server that the file itself is on does not. A redirect on
	// the same server is of a repository that was renamed.
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if next.URL.Host != request.URL.Host || len(via) > 5 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	response, err := client.Do(request)
	if err != nil {
		return "", "", download.WithoutURL(err)
	}
	response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return "", "", fmt.Errorf("the server answers %s; https://huggingface.co/timm lists what there is", response.Status)
	}
	sum = strings.Trim(response.Header.Get("X-Linked-Etag"), `"`)
	if len(sum) != 64 || !hexDigits.MatchString(sum) {
		return "", "", fmt.Errorf("the server does not say it")
	}
	revision = response.Header.Get("X-Repo-Commit")
	if !hexDigits.MatchString(revision) {
		revision = "main"
	}
	return sum, revision, nil
}
