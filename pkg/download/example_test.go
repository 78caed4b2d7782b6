package download_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/download"
)

func ExampleFetcher_Fetch() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer server.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	file := download.File{
		URL:    server.URL,
		Path:   filepath.Join(dir, "hello.txt"),
		Noun:   "greeting",
		SHA256: "2cf24dba", // the first digits suffice
		Limit:  1000,
	}
	if err := new(download.Fetcher).Fetch(context.Background(), file); err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(file.Path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", content)
	// Output: hello
}
