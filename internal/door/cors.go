package door

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fraudcheck/internal/auth"
)

// CORS says which origins' pages may call from a browser and read the answers. Nil
// stands for none, and adds nothing to any answer. An origin is the configured one
// or not: there is no pattern, and "null" is everybody's.
type CORS struct{ origins []string }

// An OriginError says which of the origins cannot be one.
type OriginError struct{ Index int }

// Error says what an origin is, and which of the list is none.
func (e *OriginError) Error() string {
	return fmt.Sprintf("origins[%d]: expected an origin as browsers send it: http or https, host, and the port unless it is the usual one, as in https://shop.example:8443", e.Index)
}

// NewCORS checks the origins; the error is an *OriginError.
func NewCORS(origins []string) (*CORS, error) {
	for i, origin := range origins {
		if !isOrigin(origin) {
			return nil, &OriginError{i}
		}
	}
	if len(origins) == 0 {
		return nil, nil
	}
	return &CORS{slices.Clone(origins)}, nil
}

// isOrigin reports whether a browser would write an origin so (RFC 6454 section 6.2):
// any other spelling would never be met.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || text != u.Scheme+"://"+u.Host {
		return false
	}
	host, port := u.Hostname(), u.Port()
	if port != "" {
		n, _ := strconv.ParseUint(port, 10, 16)
		usual := map[string]string{"http": "80", "https": "443"}[u.Scheme]
		if n == 0 || port != strconv.FormatUint(n, 10) || port == usual {
			return false
		}
		port = ":" + port
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		return ip.Zone() == "" && u.Host == "["+ip.String()+"]"+port
	}
	strange := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-_", r) }
	return host != "" && !strings.ContainsFunc(host, strange) && u.Host == host+port
}

// Allow sets the fields that let the page that asks read the answer. It reports whether
// the request's one Origin is a configured one (listed), and whether the request only
// asks what may be sent (preflight), to be answered by Preflight. options says whether
// its method is OPTIONS. Vary is set for every request, so that no cache gives one origin
// the answer of another.
func (c *CORS) Allow(options bool, asked auth.Header, answer *Output) (listed, preflight bool) {
	if c == nil {
		return false, false
	}
	answer.Set("Vary", "Origin")
	if options {
		answer.Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	}
	origins := asked.Values("Origin")
	if len(origins) != 1 {
		return false, false
	}
	i := slices.Index(c.origins, string(origins[0]))
	if i < 0 {
		return false, false
	}
	answer.Set("Access-Control-Allow-Origin", c.origins[i])
	answer.Set("Access-Control-Allow-Credentials", "true")
	if options && len(asked.Values("Access-Control-Request-Method")) == 1 {
		return true, true
	}
	answer.Set("Access-Control-Expose-Headers", "X-Request-ID, X-Auth-Token, Retry-After, Content-Digest, Signature, Signature-Input")
	return true, false
}

// Preflight sets the fields that say what a page may send: with these methods, written as
// in the Allow field. A browser may remember it for ten minutes.
func (c *CORS) Preflight(methods string, answer *Output) {
	answer.Set("Access-Control-Allow-Methods", methods)
	answer.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-ID, Content-Digest, Signature, Signature-Input")
	answer.Set("Access-Control-Max-Age", "600")
}
