package door

import (
	"bytes"

	"fraudcheck/internal/wire"
)

// A proxy in front of this service must find the same requests in a connection as it
// does (RFC 9112 section 11.2). So what two readers of HTTP could understand
// differently is refused, and the connection closed: nothing after it is read.
//
// judge sees the header section as it came. An HTTP library has accepted it before,
// and may have been more lenient.

// badHTTP is the problem of a request that is not the HTTP expected here.
func badHTTP(expected string) *wire.Problem {
	return &wire.Problem{Status: 400, Code: "body_invalid", Detail: "expected " + expected}
}

// The problems of a head, and of a body in chunks. BadVersion and BadChunks are those of a
// library, too, which knows only its own versions, and may give up a body.
var (
	badTarget      = badHTTP("a request target that is a path beginning with one slash, or an http or https URL of the Host")
	badLine        = badHTTP("every line of the head to end with CR LF")
	badName        = badHTTP("a header line to begin with a name and a colon, without blanks, and not to be continued on the next line")
	badLength      = badHTTP("Content-Length or Transfer-Encoding, not both")
	hostMissing    = badHTTP("one Host header")
	badHost        = badHTTP("a Host header that is a host name or an IP address, and a port where it is not the usual one")
	BadChunks      = badHTTP("a body in chunks to be as RFC 9112 section 7.1 has it, every line to end with CR LF, and no fields behind it")
	BadVersion     = &wire.Problem{Status: 505, Code: "version_unsupported", Detail: "expected HTTP/1.1 or HTTP/1.0"}
	badCoding      = &wire.Problem{Status: 501, Code: "coding_unsupported", Detail: "expected no transfer coding but chunked"}
	badExpectation = &wire.Problem{Status: 417, Code: "expectation_failed", Detail: "expected no expectation but 100-continue"}
)

// Fields whose second occurrence two readers could resolve differently, as bits.
const (
	hasHost = 1 << iota
	hasContentType
	hasContentEncoding
	hasContentLength
	hasAuthorization
	hasTransferEncoding
	// fromPage: Origin or Sec-Fetch-Site, which browsers send. It may be repeated.
	fromPage
)

// repeated are the problems of a field that is there twice.
var repeated = map[int]*wire.Problem{
	hasHost:             hostMissing,
	hasContentType:      badHTTP("one Content-Type header"),
	hasContentEncoding:  badHTTP("one Content-Encoding header"),
	hasContentLength:    badHTTP("one Content-Length header"),
	hasAuthorization:    {Status: 400, Code: "authorization_malformed", Detail: "expected one Authorization header"},
	hasTransferEncoding: badHTTP("one Transfer-Encoding header"),
}

// CheckFraming returns why the head of a request, or what came behind its body, is
// refused as HTTP; nil for one that is accepted. It looks at the header section as it
// came, and notes in the Input what it found: of an accepted one, Header is from then on
// what stands there.
func (in *Input) CheckFraming() *wire.Problem {
	http11 := string(in.Proto) == "HTTP/1.1"
	if !http11 && string(in.Proto) != "HTTP/1.0" {
		return BadVersion
	}
	seen, p := in.checkFields()
	in.chunked, in.fromPage = seen&hasTransferEncoding != 0, seen&fromPage != 0
	switch {
	case in.BareLF:
		return badLine
	case p != nil:
		return p
	case seen&hasContentLength != 0 && seen&hasTransferEncoding != 0:
		return badLength
	case http11 && seen&hasHost == 0:
		return hostMissing
	case in.BadChunks:
		return BadChunks
	}
	in.Header = &in.lines
	return nil
}

// checkFields reports which of the fields above the header section has, or what is wrong,
// and keeps its lines. Every line is a name of token characters, a colon and a value, and
// ends with CR LF (RFC 9112 section 5).
func (in *Input) checkFields() (seen int, p *wire.Problem) {
	h := &in.lines
	h.section, h.lines = in.Head, h.lines[:0]
	for at := 0; at < len(h.section); {
		end := at + bytes.IndexByte(h.section[at:], '\n') - 1 // where CR is to be
		if end < at || h.section[end] != '\r' {
			return 0, badLine
		}
		if end == at {
			break
		}
		l := headerLine{name: at, colon: at, end: end}
		for l.colon < end && tokenBytes[h.section[l.colon]] {
			l.colon++
		}
		if l.colon == at || h.section[l.colon] != ':' {
			return 0, badName
		}
		h.lines = append(h.lines, l)
		at = end + len("\r\n")
		field, p := checkField(h.name(l), h.value(l))
		if p != nil {
			return 0, p
		}
		if seen&field&^fromPage != 0 {
			return 0, repeated[field]
		}
		if seen |= field; field == hasContentEncoding {
			in.ContentEncoding = h.value(l)
		}
	}
	return seen, nil
}

// checkField returns the bit of a field that has one, or why its value is refused, which
// has no blanks around it.
func checkField(name, value []byte) (field int, p *wire.Problem) {
	switch len(name) {
	case len("Host"):
		if hasName(name, "Host") {
			if bytes.ContainsAny(value, `,@<>"`) {
				return 0, badHost
			}
			return hasHost, nil
		}
	case len("Origin"):
		if hasName(name, "Origin") {
			return fromPage, nil
		}
		if hasName(name, "Expect") && !equalFold(value, "100-continue") {
			return 0, badExpectation
		}
	case len("Content-Type"):
		if hasName(name, "Content-Type") {
			return hasContentType, nil
		}
	case len("Authorization"):
		if hasName(name, "Authorization") {
			return hasAuthorization, nil
		}
	case len("Content-Length"):
		if hasName(name, "Content-Length") {
			return hasContentLength, nil
		}
		if hasName(name, "Sec-Fetch-Site") {
			return fromPage, nil
		}
	case len("Content-Encoding"):
		if hasName(name, "Content-Encoding") {
			return hasContentEncoding, nil
		}
	case len("Transfer-Encoding"):
		if hasName(name, "Transfer-Encoding") {
			if !equalFold(value, "chunked") {
				return 0, badCoding
			}
			return hasTransferEncoding, nil
		}
	}
	return 0, nil
}

// hasName reports whether a field has that name, in any letter case. Most come spelled
// the usual way, which is looked at first.
func hasName(name []byte, usual string) bool {
	return string(name) == usual || equalFold(name, usual)
}

// equalFold compares in any letter case of ASCII.
func equalFold(text []byte, word string) bool {
	if len(text) != len(word) {
		return false
	}
	for i := range text {
		if lower(text[i]) != lower(word[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// tokenBytes are those of a field name (RFC 9110 section 5.6.2).
var tokenBytes = func() (token [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		token[c] = true
	}
	return token
}()

// mustClose reports whether the connection is closed after a request that CheckFraming has
// accepted, because its end is not certain: a body in chunks, or HTTP/1.0.
func (in *Input) mustClose() bool { return in.chunked || string(in.Proto) != "HTTP/1.1" }

// takesNoBody reports whether the method takes no body here.
func (q *Request) takesNoBody() bool {
	return string(q.In.Method) == "GET" || string(q.In.Method) == "HEAD"
}

// splitTarget takes a request target (RFC 9112 section 3.2) apart: a path that begins
// with exactly one slash, or an http or https URL whose authority is host.
func splitTarget(target, host []byte) (path, query []byte, ok bool) {
	if at := bytes.IndexByte(target, '#'); at >= 0 {
		target = target[:at]
	}
	if at := bytes.IndexByte(target, '?'); at >= 0 {
		target, query = target[:at], target[at+1:]
	}
	if len(target) > 0 && target[0] != '/' {
		var authority []byte
		if authority, target, ok = cutAuthority(target); !ok || !bytes.EqualFold(authority, host) {
			return nil, nil, false
		}
	}
	if len(target) == 0 || target[0] != '/' || len(target) > 1 && target[1] == '/' {
		return nil, nil, false
	}
	return target, query, true
}

// cutAuthority cuts scheme and authority off an http or https URL.
func cutAuthority(url []byte) (authority, path []byte, ok bool) {
	for _, scheme := range []string{"http://", "https://"} {
		if len(url) >= len(scheme) && equalFold(url[:len(scheme)], scheme) {
			rest := url[len(scheme):]
			at := bytes.IndexByte(rest, '/')
			if at < 0 {
				return rest, []byte("/"), true
			}
			return rest[:at], rest[at:], true
		}
	}
	return nil, nil, false
}
