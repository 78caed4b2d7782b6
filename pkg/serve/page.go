package serve

import (
	"embed"
	"net/http"
)

//go:embed page
var page embed.FS

// assets returns handlers for the page and what it is made of, by pattern.
func assets() map[string]http.Handler {
	handlers := map[string]http.Handler{}
	for _, file := range []struct{ pattern, name, kind string }{
		// The kinds are said, as systems differ in what they take an extension for.
		{"/{$}", "page/index.html", "text/html; charset=utf-8"},
		{"/page.css", "page/page.css", "text/css; charset=utf-8"},
		{"/page.js", "page/page.js", "text/javascript; charset=utf-8"},
		{"/icon.svg", "page/icon.svg", "image/svg+xml"},
	} {
		handlers[file.pattern] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", file.kind)
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, page, file.name)
		})
	}
	return handlers
}
