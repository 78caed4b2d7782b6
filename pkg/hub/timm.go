package hub

import (
	"cmp"
	"context"
	"errors"
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

// Two files of each timm repository at Hugging Face are fetched: the weights, and
// config.json, which says how images are prepared. Package download fetches them and not the
// hub package of github.com/gomlx/go-huggingface (v0.4.0), which restarts a download that was
// interrupted, waits forever for a server that stops sending, does not verify the SHA-256
// that the server states, and takes a truncated transfer for a complete one.
const (
	timmFolder  = "timm"
	timmWeights = "model.safetensors"
	timmConfig  = "config.json"
	// sumExt is the extension of the file with the checksum of downloaded weights, in the
	// format of sha256sum -c.
	sumExt = ".sha256"
	// maxConfig bounds config.json, in bytes: timm's have about 2 kB, or 30 with label names.
	maxConfig = 1 << 20
	// endpointVariable is the environment variable that sets the server, as for Hugging Face's own
	// programs.
	endpointVariable = "HF_ENDPOINT"
	// askTimeout is for requests whose answer is a few lines.
	askTimeout = 30 * time.Second
)

// timmURL returns the address of a file in a timm repository, at the server that the
// environment variable HF_ENDPOINT names or else at Hugging Face.
func timmURL(name, revision, file string) string {
	endpoint := cmp.Or(os.Getenv(endpointVariable), "https://huggingface.co")
	return fmt.Sprintf("%s/timm/%s/resolve/%s/%s", strings.TrimSuffix(endpoint, "/"), name, revision, file)
}

// fetchTimm downloads a repository's weights, with config.json beside them, and returns
// their path.
func fetchTimm(ctx context.Context, f *download.Fetcher, name string) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, timmFolder, name)
	weights := download.File{Path: filepath.Join(dir, timmWeights), Noun: noun, Limit: maxWeights, Variable: endpointVariable}
	config := download.File{Path: filepath.Join(dir, timmConfig), Noun: timmConfig, Limit: maxConfig, Variable: endpointVariable}
	if there(weights.Path) && there(config.Path) {
		// Weights that were put there by hand have no checksum. Reading them shows whether they
		// are complete and of this architecture.
		if text, err := os.ReadFile(weights.Path + sumExt); err == nil {
			weights.SHA256, _, _ = strings.Cut(string(text), " ")
		}
		return weights.Path, fetch(ctx, f, weights)
	}
	sum, revision, err := askTimm(ctx, timmURL(name, "main", timmWeights))
	if err != nil {
		return "", fmt.Errorf("fetch weights: ask %s for its SHA-256: %w; by hand: put that file, and the %s beside it, into %s",
			download.Redacted(timmURL(name, "main", timmWeights)), err, timmConfig, dir)
	}
	weights.SHA256 = sum
	weights.URL, config.URL = timmURL(name, revision, timmWeights), timmURL(name, revision, timmConfig)
	if err := fetch(ctx, &download.Fetcher{}, config); err != nil { // too small for a bar
		return "", err
	}
	// Before the weights, which would go unverified if this process ended between the two.
	if err := atomicfile.WriteBytes(weights.Path+sumExt, []byte(sum+"  "+timmWeights+"\n")); err != nil {
		return "", err
	}
	return weights.Path, fetch(ctx, f, weights)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// hexDigits matches a SHA-256 or a commit.
var hexDigits = regexp.MustCompile(`^[0-9a-f]{40,64}$`)

// askTimm returns the SHA-256 of a large file at Hugging Face, which is the ETag of the file
// that the address redirects to, and the commit, "main" if the server does not say.
func askTimm(ctx context.Context, address string) (sum, revision string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return "", "", err
	}
	client := download.NewClient()
	// The first answer has it, not that of the server with the file. A redirect on the same
	// server means that the repository was renamed.
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if next.URL.Host != request.URL.Host || len(via) > 5 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	response, err := client.Do(request)
	if err != nil {
		if context.Cause(ctx) == context.Canceled {
			return "", "", context.Canceled
		}
		return "", "", &download.NetworkError{Variable: endpointVariable, Err: download.WithoutURL(err)}
	}
	response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return "", "", fmt.Errorf("the server answers %s; https://huggingface.co/timm lists timm's weights", response.Status)
	}
	sum = strings.Trim(response.Header.Get("X-Linked-Etag"), `"`)
	if len(sum) != 64 || !hexDigits.MatchString(sum) {
		return "", "", errors.New("the server does not state it")
	}
	revision = response.Header.Get("X-Repo-Commit")
	if !hexDigits.MatchString(revision) {
		revision = "main"
	}
	return sum, revision, nil
}
