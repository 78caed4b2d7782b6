package download

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// NewClient returns a client that gives up connecting after 10 s. It has no timeout for the
// whole transfer, which takes what it takes.
func NewClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout: connectTimeout,
		ForceAttemptHTTP2:   true,
		DisableKeepAlives:   true,
	}}
}

// Redacted returns an address for people to see, without a password in it.
func Redacted(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return fmt.Sprintf("%q", address)
	}
	return parsed.Redacted()
}
