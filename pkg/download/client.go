package download

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// NewClient returns a client that gives up connecting after 10 s. A transfer may take any time.
func NewClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout: connectTimeout,
		ForceAttemptHTTP2:   true,
		DisableKeepAlives:   true,
	}}
}

// Redacted returns the address without its password, for messages.
func Redacted(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return fmt.Sprintf("%q", address)
	}
	return parsed.Redacted()
}
