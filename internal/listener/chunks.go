package listener

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"time"
)

// maxExtensions bounds the extensions of all chunks of a body together, in bytes: nothing
// in them is used here (RFC 9112 section 7.1.1).
const maxExtensions = 1 << 10

// maxSizeDigits is how many digits the size of a chunk may have, leading zeros too.
const maxSizeDigits = 16

// extensions are those of a chunk, up to the end of its line, as RFC 9112 section 7.1.1 has
// them, without blanks outside a quoted string: no sender may make those.
var extensions = func() *regexp.Regexp {
	const token = "[-!#$%&'*+.^_`|~0-9A-Za-z]+"
	const quoted = `"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*"`
	return regexp.MustCompile("^(?:;" + token + "(?:=(?:" + token + "|" + quoted + "))?)+$")
}()

// errChunks ends reading behind what no body in chunks has.
var errChunks = errors.New("malformed chunks")

// chunks looks at a body in chunks as it came, since the HTTP library above accepts some
// that two readers could understand differently. A body is lines, each with the size of
// the data behind it in hexadecimal digits and perhaps extensions; the last has size 0,
// and an empty line follows. Only CR LF ends a line or data (RFC 9112 section 7.1).
// Fields behind the last chunk, which that section allows, are refused.
type chunks struct {
	state      chunksState
	line       []byte // as far as it has come
	left       uint64 // bytes of data and its CR LF to come
	last       bool   // the line of size 0 was read
	extensions int    // bytes so far
}

type chunksState uint8

const (
	noChunks chunksState = iota // the request has none, or they have not begun
	inChunks
	chunksEnded
	chunksBroken
)

// look takes the next bytes. It ignores those behind the end, since the connection is
// closed there.
func (k *chunks) look(b []byte) {
	for len(b) > 0 && k.state == inChunks {
		switch {
		case k.left > uint64(len("\r\n")):
			n := min(k.left-uint64(len("\r\n")), uint64(len(b)))
			k.left -= n
			b = b[n:]
		case k.left > 0:
			if b[0] != "\r\n"[2-k.left] {
				k.state = chunksBroken
			}
			k.left--
			b = b[1:]
		default:
			part := b
			if lf := bytes.IndexByte(b, '\n'); lf >= 0 {
				part = b[:lf+1]
			}
			b = b[len(part):]
			k.line = append(k.line, part...)
			if part[len(part)-1] == '\n' {
				k.state = k.endLine()
				k.line = k.line[:0]
			} else if len(k.line) > maxSizeDigits+maxExtensions {
				k.state = chunksBroken
			}
		}
	}
}

// endLine reads the line, which is whole.
func (k *chunks) endLine() chunksState {
	line, ok := bytes.CutSuffix(k.line, []byte("\r\n"))
	if !ok {
		return chunksBroken
	}
	if k.last {
		if len(line) > 0 {
			return chunksBroken
		}
		return chunksEnded
	}
	digits := line
	if at := bytes.IndexByte(line, ';'); at >= 0 {
		digits = line[:at]
		k.extensions += len(line) - at
		if k.extensions > maxExtensions || !extensions.Match(line[at:]) {
			return chunksBroken
		}
	}
	size, err := strconv.ParseUint(string(digits), 16, 63) // of digits alone: it takes no sign
	if err != nil || len(digits) > maxSizeDigits {
		return chunksBroken
	}
	if k.last = size == 0; !k.last {
		k.left = size + uint64(len("\r\n"))
	}
	return inChunks
}

// SetReadDeadline implements net.Conn for the server above, which calls it when it begins
// to read a body in chunks, and never else: it is the only call of fasthttp's between a
// head and its body. The time is ignored, see Sweep. It is for the goroutine that reads.
func (c *Conn) SetReadDeadline(time.Time) error {
	c.chunks = chunks{state: chunksBroken} // where the end of the head is not found
	if rest, found := c.behindHead(); found {
		c.chunks.state = inChunks
		c.chunks.look(rest)
	}
	return nil
}

// BadChunks reports whether the request that is read has a body in chunks that has not
// ended as it should. It is for the goroutine that reads.
func (c *Conn) BadChunks() bool { return c.chunks.state != noChunks && c.chunks.state != chunksEnded }
