package calls

import (
	"bytes"
	"errors"
	"fmt"
)

// An Answer is what is read of an HTTP answer. It is scanned, not decoded: JSON decoding
// would cost the load more than the program spends on the check.
type Answer struct {
	Status   int
	Decision byte // a(llow), r(eview), b(lock), or 0 for none
	Degraded bool
	Count    int  // of the first rule; 0 when there is none
	Retry    bool // has Retry-After; read of answers other than 200 alone
}

var (
	errLong       = errors.New("an answer longer than expected")
	errNoHTTP     = errors.New("no HTTP answer")
	errIncomplete = errors.New("incomplete")
	errChunked    = errors.New("an answer without Content-Length")
)

var (
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("content-length:")
	retryAfter    = []byte("\r\nRetry-After: ")
	decisionKey   = []byte(`"decision"`)
	degradedKey   = []byte(`"degraded"`)
	countKey      = []byte(`"count"`)
)

// parseAnswer reads one answer, after which no byte may follow: connections do not
// pipeline. It returns errIncomplete until all of it is there, and other errors for what
// is no answer of a service under test.
func parseAnswer(b []byte) (a Answer, err error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return a, errIncomplete
	}
	if !bytes.HasPrefix(b, []byte("HTTP/1.")) || end < len("HTTP/1.1 200") {
		return a, errNoHTTP
	}
	a.Status = int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
	a.Retry = a.Status != 200 && bytes.Contains(b[:end], retryAfter)
	length, ok := lengthOf(b[:end])
	if !ok {
		return a, errChunked
	}
	body := b[end+len(headEnd):]
	switch {
	case len(body) < length:
		return a, errIncomplete
	case len(body) > length:
		return a, fmt.Errorf("%d bytes after the answer", len(body)-length)
	}
	if value := valueOf(body, decisionKey); len(value) > 1 && value[0] == '"' {
		a.Decision = value[1]
	}
	if value := valueOf(body, degradedKey); len(value) > 0 {
		a.Degraded = value[0] == 't'
	}
	for _, c := range valueOf(body, countKey) {
		if c < '0' || c > '9' {
			break
		}
		a.Count = a.Count*10 + int(c-'0')
	}
	return a, nil
}

// lengthOf returns the value of Content-Length in a head; false where there is none.
func lengthOf(head []byte) (n int, ok bool) {
	for {
		at := bytes.IndexByte(head, '\n')
		if at < 0 {
			return 0, false
		}
		head = head[at+1:]
		if len(head) > len(contentLength) && head[0]|0x20 == 'c' && bytes.EqualFold(head[:len(contentLength)], contentLength) {
			for _, c := range head[len(contentLength):] {
				switch {
				case '0' <= c && c <= '9':
					n, ok = n*10+int(c-'0'), true
				case c != ' ':
					return n, ok
				}
			}
			return n, ok
		}
	}
}

// valueOf returns what follows the first occurrence of the key, from its value on; nil
// where there is no such key.
func valueOf(body, key []byte) []byte {
	at := bytes.Index(body, key)
	if at < 0 {
		return nil
	}
	body = body[at+len(key):]
	for len(body) > 0 && (body[0] == ':' || body[0] == ' ') {
		body = body[1:]
	}
	return body
}
