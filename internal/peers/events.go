package peers

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"time"
)

const (
	// MaxEvent bounds an event of a stream, in bytes.
	MaxEvent = 64 << 10
	// In each paceTime at most paceEvents events and some paceBytes are read. A peer that has
	// more waits, and drops what it cannot keep meanwhile.
	paceTime   = 100 * time.Millisecond
	paceEvents = 500
	paceBytes  = 1 << 20
)

// A violation is what a peer is cut off for.
type violation struct{ text string }

// Error implements error.
func (v *violation) Error() string { return v.text }

var (
	errLarge = &violation{"sends an event of more than 64 KiB"}
	errForm  = &violation{"sends events in another form than this version reads"}
)

// events reads server-sent events, as the standard of HTML has them: lines "event: NAME" and
// "data: TEXT", and an empty line behind. Other fields are passed over.
type events struct {
	r    *bufio.Reader
	data []byte

	since       time.Time // the present paceTime
	read, bytes int       // in it
}

func newEvents(r io.Reader) *events { return &events{r: bufio.NewReaderSize(r, 4096)} }

// next returns the next event; without a name for a comment. data is good until the next
// call. The error is io.EOF, a violation, or one of the connection.
func (e *events) next(ctx context.Context) (name string, data []byte, err error) {
	if err := e.pace(ctx); err != nil {
		return "", nil, err
	}
	size := 0
	e.data = e.data[:0]
	for lines := 0; ; {
		line, err := e.line(&size)
		if err == io.EOF && size > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", nil, err
		}
		if len(line) == 0 {
			e.bytes += size
			return name, e.data, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			if lines++; lines > 1 {
				e.data = append(e.data, '\n')
			}
			e.data = append(e.data, value...)
		}
	}
}

// line returns the next line, without its end, and adds its length to size.
func (e *events) line(size *int) (line []byte, err error) {
	for {
		part, err := e.r.ReadSlice('\n')
		*size += len(part)
		if *size > MaxEvent {
			return nil, errLarge
		}
		line = append(line, part...)
		if err != bufio.ErrBufferFull {
			return bytes.TrimRight(line, "\r\n"), err
		}
	}
}

// pace waits where much was read lately. Its error is that of ctx.
func (e *events) pace(ctx context.Context) error {
	now := time.Now()
	if now.Sub(e.since) >= paceTime {
		e.since, e.read, e.bytes = now, 0, 0
	}
	if e.read++; e.read > paceEvents || e.bytes > paceBytes {
		pause(ctx, paceTime-now.Sub(e.since))
		e.since, e.read, e.bytes = time.Now(), 1, 0
	}
	return ctx.Err()
}
