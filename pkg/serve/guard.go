package serve

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
)

// guard lets only requests through that are meant for this server and come from its own
// page, or from no page. It sets the headers that keep the page to itself.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "this request comes from another site's page; only the server's own may ask")
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
			refuse(w, http.StatusForbidden, "this server does not go by the name "+r.Host+"; ask for it by its IP address")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hasName reports whether a request for host is one for this server. A page of another site
// can have its own name point here (DNS rebinding), but it cannot be at an IP address.
func (s *Server) hasName(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.Trim(name, "[]")
	return net.ParseIP(name) != nil || slices.ContainsFunc(s.names, func(own string) bool { return strings.EqualFold(own, name) })
}

// reply answers with a value as JSON.
func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails if the client is gone
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, problem string) {
	reply(w, status, struct {
		Error string `json:"error"`
	}{problem})
}
