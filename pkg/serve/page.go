package serve

import (
	"embed"
	"net/http"
)

//go:embed page
var page embed.FS

// assets returns the handlers for the page and its files, by pattern.
func assets() map[string]http.Handler {
	handlers := map[string]http.Handler{}
	for _, file := range []struct{ pattern, name, contentType string }{
		// Content types are explicit because systems disagree about file extensions.
		{"/{$}", "page/index.html", "text/html; charset=utf-8"},
		{"/page.css", "page/page.css", "text/css; charset=utf-8"},
		{"/words.js", "page/words.js", "text/javascript; charset=utf-8"},
		{"/page.js", "page/page.js", "text/javascript; charset=utf-8"},
		{"/icon.svg", "page/icon.svg", "image/svg+xml"},
	} {
		handlers[file.pattern] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", file.contentType)
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, page, file.name)
		})
	}
	return handlers
}
