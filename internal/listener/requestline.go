package listener

import "bytes"

// A requestLine finds out how the request line of each request ends, which the HTTP
// library above does not tell. It looks at what the library's reader has read, where that
// lies: a bufio.Reader reads behind what it holds already, so the bytes of the stream
// stand in its buffer in one piece. Only the goroutine that reads uses it.
type requestLine struct {
	buffer []byte // of the reader; it may begin later than the reader's own
	end    int    // what was read last ends here in buffer
	read   int64  // bytes so far
	begins int64  // how many bytes stand before the request
	seen   bool   // the line has been read whole
	bareLF bool
}

// note notes that n bytes were read into b.
func (l *requestLine) note(b []byte, n int) {
	if n <= 0 {
		return
	}
	l.read += int64(n)
	if at := len(l.buffer) - len(b); at >= 0 && &l.buffer[at] == &b[0] {
		l.end = at + n
	} else {
		l.buffer, l.end = b, n
	}
	l.look()
}

// look looks for the end of the line in what has been read. Empty lines before a request
// are passed over (RFC 9112 section 2.2).
func (l *requestLine) look() {
	at := l.end - int(l.read-l.begins)
	for !l.seen && at >= 0 && at < l.end {
		lf := bytes.IndexByte(l.buffer[at:l.end], '\n')
		if lf < 0 {
			return
		}
		l.bareLF = lf == 0 || l.buffer[at+lf-1] != '\r'
		if l.seen = l.bareLF || lf > 1; !l.seen {
			at += len("\r\n")
			l.begins += int64(len("\r\n"))
		}
	}
}

// BareLF reports whether the line of the request that is read ends with LF alone, or such
// a line stands before it. It is for the goroutine that reads.
func (l *requestLine) BareLF() bool { return l.bareLF }

// behindHead returns what has been read behind the head of the request that is read. It is
// for the moment at which the library has read the head, and found it to be one.
func (l *requestLine) behindHead() (rest []byte, found bool) {
	at := l.end - int(l.read-l.begins)
	if at < 0 || at > l.end {
		return nil, false
	}
	_, rest, found = bytes.Cut(l.buffer[at:l.end], []byte("\r\n\r\n"))
	return rest, found
}

// Answered says that the request, which has that many bytes, is over: the next begins
// behind it. It is for the goroutine that reads, and not needed where the connection is
// closed.
func (l *requestLine) Answered(bytes int) {
	l.begins += int64(bytes)
	l.seen = false
	l.look()
}
