package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestServe(t *testing.T) {
	t.Parallel()
	p := trained(t)
	picture := encodePNG(t, bands(50, 40))
	writeFile(t, p.path("picture.png"), picture)
	want := decode[[]prediction](t, p.ok("predict", "--run", "runs/tiny", "--json", "picture.png"))[0].Guesses

	var stderr bytes.Buffer
	cmd := p.command("serve", "--run", "runs/tiny", "--addr", "127.0.0.1:0")
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(stdout)
	line, err := said.ReadString('\n')
	if err != nil {
		t.Fatalf("serve printed only %q: %v\n%s", line, err, &stderr)
	}
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindString(line)
	if url == "" || !strings.Contains(line, "resnet8-w2") {
		t.Fatalf("serve prints %q, want the model and the address", line)
	}

	response, err := http.Post(url+"predict?cam=1", "image/png", bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s (%v): %s", response.Status, err, body)
	}
	got := decode[struct {
		Guesses []guess
		CAM     string
	}](t, string(body))
	if len(got.Guesses) != 5 || got.Guesses[0] != want[0] || !strings.HasPrefix(got.CAM, "data:image/png;base64,") {
		t.Errorf("serve gives %+v, predict %+v", got.Guesses, want)
	}

	// The port is in use.
	address := strings.Trim(strings.TrimPrefix(url, "http://"), "/")
	p.fails([]string{address, "--addr", "any free port"}, "serve", "--run", "runs/tiny", "--addr", address)
	p.fails([]string{"8080", "HOST:PORT"}, "serve", "--run", "runs/tiny", "--addr", "8080")

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || string(rest) != "Stopped.\n" || stderr.Len() > 0 {
		t.Errorf("after Ctrl-C: error %v, stdout %q, stderr %q; want Stopped.", err, rest, &stderr)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("the server still answers")
	}
}
