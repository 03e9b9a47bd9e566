package httpsig

import (
	"bytes"
	"net/textproto"
	"strings"

	"fraudcheck/internal/turns"
)

// A Header has the fields of a request's header.
type Header interface {
	// Values are the field's values, in the order they were sent; name is spelled
	// as in Content-Type. They are good until the next call.
	Values(name string) [][]byte
}

// A Request is what a signature may cover of one.
type Request struct {
	Header Header
	Method []byte
	Target []byte      // of the request line, as sent
	Host   []byte      // as the Host header has it
	Body   []byte      // as sent
	Unread bool        // the body was too large and not read
	TLS    bool        // it came over TLS
	Turn   *turns.Turn // for a store of nonces
}

// IsSigned reports whether the header has a signature, or a part of one.
func IsSigned(h Header) bool {
	return len(h.Values("Signature")) > 0 || len(h.Values("Signature-Input")) > 0
}

// scheme returns the component @scheme.
func (r *Request) scheme() string {
	if r.TLS {
		return "https"
	}
	return "http"
}

// appendAuthority appends the host as it was asked for, in lower case and without the
// scheme's default port (RFC 9421 section 2.2.3).
func (r *Request) appendAuthority(b []byte) []byte {
	port := ":80"
	if r.TLS {
		port = ":443"
	}
	from := len(b)
	b = append(b, bytes.TrimSuffix(r.Host, []byte(port))...)
	for i := from; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return b
}

// appendField appends the values of a header field, as one (RFC 9421 section 2.1):
// without blanks at their ends, joined by a comma and a blank. A field that the request
// lacks is an error: a signature must not cover what is not there.
func (r *Request) appendField(b []byte, name string) ([]byte, error) {
	if name == "" || strings.ContainsFunc(name, notOfFieldName) {
		return b, errComponent // other derived components among them
	}
	values := [][]byte{r.Host} // net/http keeps it apart
	if name != "host" {
		values = r.Header.Values(textproto.CanonicalMIMEHeaderKey(name))
	}
	if len(values) == 0 {
		return b, errNoField
	}
	for i, v := range values {
		if bytes.ContainsAny(v, lineEnds) {
			return b, errNoField // it would be a line of the base
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, bytes.Trim(v, " \t")...)
	}
	return b, nil
}

// lineEnds are the bytes that end a line of the signature base, and that
// encoding/base64 skips even where it is strict.
const lineEnds = "\r\n"

// notOfFieldName reports whether the character is in no token of RFC 9110 in lower case.
func notOfFieldName(c rune) bool {
	return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}
