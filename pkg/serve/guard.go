package serve

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
)

// guard passes on requests that are addressed to this server and come from its own page or
// from no page at all. It also sets the headers that keep other sites out of the page.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "this request comes from a page of another site; use the page of this server")
	}))
	next = origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
			"img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !s.hasName(r.Host) {
			refuse(w, http.StatusForbidden, "this server does not answer to the name "+r.Host+"; use its IP address")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hasName reports whether a Host header addresses this server. Another site could make its
// own name resolve to this machine (DNS rebinding), but a page at an IP address is ours.
func (s *Server) hasName(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.Trim(name, "[]")
	return net.ParseIP(name) != nil || slices.ContainsFunc(s.names, func(own string) bool { return strings.EqualFold(own, name) })
}

// reply sends a value as JSON.
func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // an error means that the client is gone
}

// refuse sends an error.
func refuse(w http.ResponseWriter, status int, problem string) {
	reply(w, status, struct {
		Error string `json:"error"`
	}{problem})
}
