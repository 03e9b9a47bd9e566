package door

import (
	"bytes"

	"fraudcheck/internal/wire"
)

// Whoever stands in front of this service, a proxy or a gateway, must find the same
// requests in a connection as it does. So what two readers of HTTP could take for
// different things is refused, and the connection closed: nothing after it is read.

var (
	badTarget = &wire.Problem{Status: 400, Code: "body_invalid", Detail: "expected a request target that is a path beginning with one slash, or an http or https URL of the Host"}
)

// judgeHead returns the path that is asked for, or why the head of the request is not
// believed. It sets the query.
func (q *Request) judgeHead() (path []byte, p *wire.Problem) {
	path, query, ok := splitTarget(q.In.Target, q.In.Host)
	if !ok {
		return nil, badTarget
	}
	q.Query = query
	return path, nil
}

// mustClose reports whether no further request may be read from the connection: a body
// in chunks may hide where the next one begins.
func (q *Request) mustClose() bool { return q.In.Chunked || string(q.In.Proto) == "HTTP/1.0" }

// bodiless reports whether the method takes no body here.
func (q *Request) bodiless() bool {
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
		if len(url) >= len(scheme) && bytes.EqualFold(url[:len(scheme)], []byte(scheme)) {
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
