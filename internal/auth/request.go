package auth

import (
	"bytes"
	"net/netip"
	"time"

	"fraudcheck/internal/auth/httpsig"
)

// A Request is what the guard looks at of a request. It keeps nothing of it.
type Request struct {
	Header Header
	At     time.Time  // when it was read; zero: now
	Peer   netip.Addr // the connection's other end; not valid on a unix socket
	TLS    bool       // it came over TLS
	Needs  Roles      // one of them; none: any caller will do
	Method []byte
	Target []byte // of the request line, as sent
	Host   []byte // as the Host header has it
	Body   []byte // as sent
	// TooLarge: the body was not read. Who is known all the same may be told so, and
	// nothing else may be done.
	TooLarge bool
	// ListedOrigin: Origin is one whose pages may call from a browser, by configuration.
	ListedOrigin bool

	Grant Grant // what Authenticate found, beside the caller

	authorization  authorization        // what it shows, once settled
	cookie         []byte               // of the session, where that scheme owns the credentials
	answer         httpsig.AnswerSigner // of a signed request, once its caller is found
	from           netip.Addr           // see Guard.From
	located        bool
	scheme, caller string
}

// A Grant is what came of tokens and sessions of our own.
type Grant struct {
	Expires time.Time // of the token or the session; zero where nothing expires
	Fresh   string    // an access token in place of one of which half is spent
	Local   bool      // the store did not answer: what is known here decided
}

// Scheme is the name of the scheme that was tried, as Observe is told; empty where
// none was.
func (r *Request) Scheme() string { return r.scheme }

// Caller is the name of the one whose credentials were found valid, also of one who
// was then refused; empty where there is none. It never is what a stranger sent.
func (r *Request) Caller() string { return r.caller }

// A Header has the fields of a request's header.
type Header interface {
	// Values are the field's values, in the order they were sent; name is spelled as in
	// Content-Type. The slice is good until the next call, the values as long as the
	// request.
	Values(name string) [][]byte
}

// authorization is what the request's Authorization header shows.
type authorization struct {
	headers int    // how many there are; the rest is of the only one
	length  int    // of the whole header
	scheme  []byte // as sent; nil where there is no blank after it
	value   []byte // what follows it
}

// is reports whether the header names the scheme, in any letter case.
func (a *authorization) is(scheme string) bool { return a.scheme != nil && named(a.scheme, scheme) }

func (r *Request) readAuthorization() {
	headers := r.Header.Values("Authorization")
	r.authorization = authorization{headers: len(headers)}
	if len(headers) != 1 {
		return
	}
	r.authorization.length = len(headers[0])
	if scheme, value, found := bytes.Cut(headers[0], []byte(" ")); found {
		r.authorization.scheme, r.authorization.value = scheme, bytes.TrimLeft(value, " ")
	}
}

// named compares in any letter case. The length rules out the look-alikes beyond
// ASCII, which EqualFold takes too.
func named(scheme []byte, name string) bool {
	return len(scheme) == len(name) && bytes.EqualFold(scheme, []byte(name))
}
