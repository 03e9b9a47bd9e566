package auth

import (
	"bytes"
	"net/netip"
	"time"

	"fraudcheck/internal/auth/httpsig"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/turns"
)

// A Request is what the guard reads of a request. It keeps no slice of it after the
// request has been answered.
type Request struct {
	Header Header
	At     time.Time  // when it was read; zero: now
	Peer   netip.Addr // the connection's other end; not valid on a unix socket
	TLS    bool       // the caller uses TLS: with this port, or with a proxy in front of it
	Needs  Roles      // the caller needs one of them; none: any caller may
	Method []byte
	Target []byte // of the request line, as sent
	Host   []byte // as the Host header has it
	Body   []byte // as sent
	// Last are the credentials that were last found good on the connection; nil where
	// nothing is to be kept of them.
	Last *LastCredentials
	// TooLarge says that the body was not read. A caller that is found all the same may
	// be told so, and nothing else may be done.
	TooLarge bool
	// ForPeers says that other instances of this service may ask this: it only reads.
	ForPeers bool
	// ListedOrigin says that Origin is configured: its pages may call from a browser.
	ListedOrigin bool

	Grant Grant // what Authenticate found, beside the caller
	// Turn is the request's, for what asks the store; nil: one of its own.
	Turn *turns.Turn

	authorization  authorization        // what it shows, once settled
	cookie         []byte               // of the session, where that scheme owns the credentials
	answer         httpsig.AnswerSigner // of a signed request, once its caller is found
	from           netip.Addr           // see Guard.From
	located        bool
	scheme, caller string
	reason         string          // why a foreign token was refused, for the log
	issuer         string          // of the caller's token; empty for our own
	login          session.LoginID // that the request shows, begins or ends; zero for none
}

// A Grant is what is known of a token or session of our own.
type Grant struct {
	Expires time.Time // of the token or the session; zero where nothing expires
	Fresh   string    // an access token to go on with: see session.Settings
	Local   bool      // the store did not answer: what is known here decided
}

// Scheme is the name of the scheme or login route that judged the request, as Observe
// is called with; empty where none did.
func (r *Request) Scheme() string { return r.scheme }

// Caller is the name of the caller whose credentials were found valid, also where it
// was refused then; empty where there is none. It is never text of a stranger.
func (r *Request) Caller() string { return r.caller }

// Reason is why a foreign token was refused, in a word or two for the log; the answer
// must not tell. Empty where none was.
func (r *Request) Reason() string { return r.reason }

// AppendConversation appends what the requests of one conversation have in common: the
// login that they show, begin or end, or else the user, or the subject and issuer of a
// foreign token. It appends nothing where the caller is not known.
func (r *Request) AppendConversation(b []byte) []byte {
	switch {
	case r.login != (session.LoginID{}):
		return AppendLoginConversation(b, r.login)
	case r.caller == "":
		return b
	case r.issuer != "":
		return append(append(append(append(b, "token "...), r.issuer...), 0), r.caller...)
	}
	return append(append(b, "user "...), r.caller...)
}

// AppendLoginConversation appends what the requests of a login have in common: see
// [Request.AppendConversation].
func AppendLoginConversation(b []byte, id session.LoginID) []byte {
	return append(append(b, "login "...), id[:]...)
}

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
func (a *authorization) is(scheme string) bool {
	return string(a.scheme) == scheme || equalFoldASCII(a.scheme, scheme) // nearly all spell it so
}

// readAuthorization splits the Authorization header into scheme and value (RFC 9110
// section 11.4). Of several headers it notes only how many there are.
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

// equalFoldASCII compares in any letter case, as names of schemes are. The length rules
// out the look-alikes beyond ASCII, which EqualFold takes too.
func equalFoldASCII(scheme []byte, name string) bool {
	return len(scheme) == len(name) && bytes.EqualFold(scheme, []byte(name))
}
