package serve

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	s := New(&grey{}, greyModel, Limits{}, "lab.example")
	defer s.Close()
	for _, test := range []struct {
		host, origin, site string
		get, post          int
	}{
		{"127.0.0.1:8080", "", "", 200, 200},
		{"localhost:8080", "", "", 200, 200},
		{"LocalHost", "", "", 200, 200},
		{"[::1]:8080", "", "", 200, 200},
		{"[::1]", "", "", 200, 200},
		{"192.168.1.7:8080", "", "", 200, 200},
		{"lab.example:8080", "", "", 200, 200},
		{"evil.example:8080", "", "", 403, 403},
		{"evil.example", "http://evil.example", "same-origin", 403, 403},
		{"localhost.evil.example", "", "", 403, 403},
		{"", "", "", 403, 403},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", "same-origin", 200, 200},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", "", 200, 200},
		{"127.0.0.1:8080", "http://evil.example", "cross-site", 200, 403},
		{"127.0.0.1:8080", "http://evil.example", "", 200, 403},
		{"127.0.0.1:8080", "null", "", 200, 403},
		{"127.0.0.1:8080", "http://127.0.0.1:9090", "same-site", 200, 403},
	} {
		for method, want := range map[string]int{"GET": test.get, "POST": test.post} {
			target := map[string]string{"GET": "/model", "POST": "/predict"}[method]
			r := request(method, target, bytes.NewReader(square(t, 4, 0)))
			r.Host = test.host
			for name, value := range map[string]string{"Origin": test.origin, "Sec-Fetch-Site": test.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := do(s, r)
			if w.Code != want {
				t.Errorf("%s for %q from %q (%s): status %d, want %d", method, test.host, test.origin, test.site, w.Code, want)
			}
			if want == 403 && decode[struct{ Error string }](t, w, 403).Error == "" {
				t.Errorf("%s for %q from %q: no error message", method, test.host, test.origin)
			}
		}
	}
}

// The page loads nothing from other sites, and all its files are served.
func TestPage(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	external := regexp.MustCompile(`(?i)https?://|//[a-z]`)
	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8",
		"/page.js": "text/javascript; charset=utf-8", "/words.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
	} {
		w := do(s, request("GET", path, nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != contentType || w.Body.Len() == 0 {
			t.Errorf("GET %s: status %d, %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: the browser may sniff its content type", path)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("GET %s: the policy is %q", path, policy)
		}
		text := strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", "") // a namespace, not an address
		if found := external.FindString(text); found != "" {
			t.Errorf("GET %s: contains %q, an address of another site", path, found)
		}
		if strings.Contains(text, "style=\"") || strings.Contains(text, "onclick") {
			t.Errorf("GET %s: has an inline style or script, which the policy forbids", path)
		}
	}
}

func TestModel(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	w := do(s, request("GET", "/model", nil))
	decode[Model](t, w, 200)
	want := `{"name":"grey","data":"shades","classes":["black","dark","light","white"],` +
		`"transform":{"resize":4,"height":4,"width":4},"bytes":33554432}`
	if got := strings.TrimSpace(w.Body.String()); got != want {
		t.Errorf("GET /model gives %s, want %s", got, want)
	}
	if w := do(s, request("GET", "/healthz", nil)); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("GET /healthz: status %d, %q", w.Code, w.Body)
	}
}
