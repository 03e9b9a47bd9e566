package auth

import (
	"bytes"
	"time"
)

// A session is a login shown by a cookie, for browsers. The cookie is sent by
// itself, so what is asked with it to change something must come from a page of
// this very origin.
const (
	cookieName = "fraudcheck_session"
	// hostPrefix makes a browser take the cookie from this host alone, over TLS.
	hostPrefix = "__Host-"
)

func cookieNameOf(tls bool) string {
	if tls {
		return hostPrefix + cookieName
	}
	return cookieName
}

func setCookie(tls bool, value string) string {
	attributes := "; Path=/; HttpOnly; SameSite=Strict"
	if tls {
		attributes += "; Secure"
	}
	return cookieNameOf(tls) + "=" + value + attributes
}

// EndCookie is the value of a Set-Cookie header that ends the session in the
// browser.
func EndCookie(tls bool) string { return setCookie(tls, "") + "; Max-Age=0" }

// cookie is the session's cookie, good until the next look at the header. Of
// several none is believed: it is empty then.
func (r *Request) cookie() (value []byte, found bool) {
	name := cookieNameOf(r.TLS)
	for _, line := range r.Header.Values("Cookie") {
		for len(line) > 0 {
			var pair []byte
			pair, line, _ = bytes.Cut(line, []byte(";"))
			its, text, ok := bytes.Cut(bytes.Trim(pair, " \t"), []byte("="))
			if !ok || string(its) != name {
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

// bySession finds the caller by the session's cookie.
func (g *Guard) bySession(r *Request, s *schemes, k knock) (c *Caller, scheme string, err error) {
	if !g.issues(s) {
		return nil, "none", Missing
	}
	text, found := r.cookie()
	if !found {
		return nil, "none", Missing
	}
	if !bytes.HasPrefix(text, []byte(sessionPrefix)) {
		return nil, "session", k.token(TokenInvalid)
	}
	signer := g.Logins.keys.signer()
	defer g.Logins.keys.signers.Put(signer)
	payload, genuine := signer.read(sessionPrefix, text)
	if !genuine {
		return nil, "session", k.token(TokenInvalid)
	}
	id := signer.loginOf(payload)
	c, err = g.session(r, s, id)
	return c, "session", k.token(err)
}

func (g *Guard) session(r *Request, s *schemes, id loginID) (*Caller, error) {
	l, now := g.Logins, toMs(r.At)
	if l.revoked.has(id) {
		return nil, TokenInvalid
	}
	known, view := l.look(id, now)
	switch {
	case view.local() && now-view.confirmed >= honoured:
		return nil, Unavailable
	case !view.found || view.record.Revoked:
		return nil, TokenInvalid
	}
	record := &view.record
	user := s.user(record, r)
	if user == nil {
		return nil, TokenInvalid
	}
	timeout := s.tokens.SessionTimeout.Milliseconds()
	until := min(record.Ends, max(record.Used, known.used.Load())+timeout)
	if until <= now {
		return nil, TokenExpired
	}
	if !r.Safe() && !r.ListedOrigin && !r.sameOrigin() {
		return nil, OriginRefused
	}
	if s.outside(&user.caller, r) { // refused, and so no use of it
		return &user.caller, nil
	}
	known.used.Store(now)
	// Others are told of the use now and then: a write a minute at most.
	written, every := known.touched.Load(), min(time.Minute.Milliseconds(), timeout/10)
	if !view.local() && now-max(written, record.Used) >= every && known.touched.CompareAndSwap(written, now) {
		l.touch(id, now)
	}
	r.Grant = Grant{Expires: fromMs(min(record.Ends, now+timeout)), Local: view.local()}
	return &user.caller, nil
}

// Safe reports whether the method changes nothing (RFC 9110 section 9.2.1).
func (r *Request) Safe() bool {
	switch string(r.Method) {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	return false
}

// sameOrigin reports whether a page of this origin asks, or the person at the
// browser: by Fetch metadata, or by the Origin of browsers that send none.
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

// CrossOrigin reports whether a browser says that a page of another origin asks, and
// in which header: Sec-Fetch-Site, or Origin where there is none. Without either the
// request is not from a page.
func (r *Request) CrossOrigin() (header string, crosses bool) {
	if len(r.Header.Values("Sec-Fetch-Site")) > 0 {
		return "Sec-Fetch-Site", !r.sameOrigin()
	}
	return "Origin", len(r.Header.Values("Origin")) > 0 && !r.sameOrigin()
}

// Automatic reports whether the request shows nothing that only a program would send:
// a browser adds cookies and Basic credentials that it remembers to any page's request,
// but neither a Bearer token nor a signature.
func (r *Request) Automatic() bool {
	if len(r.Header.Values("Signature")) > 0 {
		return false
	}
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return true
	}
	scheme, _, _ := bytes.Cut(headers[0], []byte(" "))
	return !named(scheme, "Bearer")
}
