package server

import (
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/door"
	"fraudcheck/internal/listener"
)

// slowestReader is how long a part of a stream may take to leave, where Settings.Write is not
// shorter. A caller that does not read is given up then.
const slowestReader = 5 * time.Second

// unsent bounds what the system keeps of a stream that its caller has not taken, in bytes.
const unsent = 64 << 10

// stream has the door stream the answer once fasthttp has sent what it holds of answers
// before it, in a goroutine that has the connection to itself. q is given back at the end.
func (s *Server) stream(ctx *fasthttp.RequestCtx, q *door.Request) {
	conn := ctx.Conn()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) { // the connection is closed behind it
		defer func() {
			q.Reset()
			s.requests.Put(q)
		}()
		b := streamBody{conn: conn, chunked: string(q.In.Proto) == "HTTP/1.1"}
		if c, ours := conn.(*listener.Conn); ours {
			c.LimitUnsent(unsent)
		}
		if b.send(b.appendHead(nil, q)) != nil {
			q.Out.Stream = func(*door.Stream) {} // it is logged all the same
		}
		s.door.Stream(q, &door.Stream{Write: b.write, Gone: b.gone})
		b.end()
	})
}

// A streamBody is the body of a stream: chunks (RFC 9112 section 7.1), in HTTP/1.0 what comes
// until the connection closes.
type streamBody struct {
	conn    net.Conn
	chunked bool
	failed  error
	framed  []byte // memory
}

func (b *streamBody) appendHead(head []byte, q *door.Request) []byte {
	field := func(name, value string) {
		head = append(append(append(append(head, name...), ": "...), value...), "\r\n"...)
	}
	head = append(head, "HTTP/1.1 200 OK\r\nDate: "...)
	head = append(fasthttp.AppendHTTPDate(head, time.Now()), "\r\n"...)
	field("X-Request-Id", string(q.ID))
	field("Cache-Control", string(noStore))
	field("X-Content-Type-Options", string(noSniff))
	field("Content-Type", q.Out.Type)
	for _, f := range q.Out.Fields {
		field(f.Name, f.Value)
	}
	field("Connection", "close")
	if b.chunked {
		field("Transfer-Encoding", "chunked")
	}
	return append(head, "\r\n"...)
}

// send sends the bytes as they are.
func (b *streamBody) send(text []byte) error {
	if b.failed == nil {
		_ = b.conn.SetWriteDeadline(time.Now().Add(slowestReader))
		_, b.failed = b.conn.Write(text)
	}
	return b.failed
}

func (b *streamBody) write(text []byte) error {
	if !b.chunked || len(text) == 0 {
		return b.send(text)
	}
	b.framed = strconv.AppendInt(b.framed[:0], int64(len(text)), 16)
	b.framed = append(append(append(b.framed, "\r\n"...), text...), "\r\n"...)
	return b.send(b.framed)
}

// end ends a body that is whole.
func (b *streamBody) end() {
	if b.chunked {
		_ = b.send([]byte("0\r\n\r\n"))
	}
}

func (b *streamBody) gone() bool {
	c, ours := b.conn.(*listener.Conn)
	return ours && c.Gone()
}
