package auth

import "bytes"

// A browser sends the session's cookie by itself. So a request that changes something
// and is authenticated by it must come from a page of this very origin.
const (
	cookieName = "fraudcheck_session"
	// hostPrefix makes a browser take the cookie from this host alone, over TLS.
	hostPrefix = "__Host-"
)

// cookieNameOf returns the cookie's name over TLS or without.
func cookieNameOf(tls bool) string {
	if tls {
		return hostPrefix + cookieName
	}
	return cookieName
}

// setCookie returns the value of a Set-Cookie header. Scripts do not see the cookie,
// other sites do not send it, and it ends with the browser.
func setCookie(tls bool, value string) string {
	attributes := "; Path=/; HttpOnly; SameSite=Strict"
	if tls {
		attributes += "; Secure"
	}
	return cookieNameOf(tls) + "=" + value + attributes
}

// EndCookie returns the value of a Set-Cookie header that removes the session's cookie
// from the browser.
func EndCookie(tls bool) string { return setCookie(tls, "") + "; Max-Age=0" }

// sessionCookie returns the value of the session's cookie, good until the next look at
// the header. Of several none is believed, since a page of a neighbouring host can set
// one: it is empty then, and found.
func (r *Request) sessionCookie() (value []byte, found bool) {
	name := cookieNameOf(r.TLS)
	for _, line := range r.Header.Values("Cookie") {
		for len(line) > 0 {
			var pair []byte
			pair, line, _ = bytes.Cut(line, []byte(";"))
			cookie, text, ok := bytes.Cut(bytes.Trim(pair, " \t"), []byte("="))
			if !ok || string(cookie) != name {
				continue
			}
			if found {
				return nil, true
			}
			value, found = text, true
		}
	}
	return value, found
}

// Safe reports whether the method changes nothing (RFC 9110 section 9.2.1).
func (r *Request) Safe() bool {
	switch string(r.Method) {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	return false
}

// sameOrigin reports whether a page of this origin sent the request, or the person at
// the browser: by Sec-Fetch-Site, or by Origin where a browser sends no fetch metadata.
func (r *Request) sameOrigin() bool {
	if site := r.Header.Values("Sec-Fetch-Site"); len(site) > 0 {
		return len(site) == 1 && (string(site[0]) == "same-origin" || string(site[0]) == "none")
	}
	origin := r.Header.Values("Origin")
	if len(origin) != 1 || len(r.Host) == 0 {
		return false
	}
	scheme := "http://"
	if r.TLS {
		scheme = "https://"
	}
	host, ok := bytes.CutPrefix(origin[0], []byte(scheme))
	return ok && bytes.EqualFold(host, r.Host)
}

// CrossOrigin reports whether a browser says that a page of another origin sent the
// request, and in which header: Sec-Fetch-Site, or Origin where there is none. A
// request without either is not from a page.
func (r *Request) CrossOrigin() (header string, crosses bool) {
	if len(r.Header.Values("Sec-Fetch-Site")) > 0 {
		return "Sec-Fetch-Site", !r.sameOrigin()
	}
	return "Origin", len(r.Header.Values("Origin")) > 0 && !r.sameOrigin()
}

// crosses is CrossOrigin without the header.
func (r *Request) crosses() bool {
	_, crosses := r.CrossOrigin()
	return crosses
}

// Automatic reports whether the request shows nothing that only a program would send:
// a browser adds cookies and the Basic credentials that it remembers to any page's
// request, but neither a Bearer token nor a signature.
func (r *Request) Automatic() bool {
	if len(r.Header.Values("Signature")) > 0 {
		return false
	}
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return true
	}
	scheme, _, _ := bytes.Cut(headers[0], []byte(" "))
	return !equalFoldASCII(scheme, "Bearer")
}
