package door

import (
	"log/slog"
	"net/netip"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// An Input is what an HTTP library read of a request. Its bytes are the library's, and
// good until the answer is written.
type Input struct {
	Method, Target, Host         []byte
	ContentType, ContentEncoding []byte
	Proto                        []byte      // such as HTTP/1.1
	Header                       auth.Header // of a head that CheckFraming refuses; of others it finds its own
	Head                         []byte      // the header section as it came, without the request line
	Body                         []byte
	BareLF                       bool       // the request line ended with LF alone
	BadChunks                    bool       // the body came in chunks that are malformed, or have fields behind them
	Peer                         netip.Addr // the connection's other end; not valid on a unix socket
	Kept                         *Kept      // of the connection; may be nil
	// Unread is why the request could not be read; nothing else is valid then. With
	// wire.TooLarge only the body could not.
	Unread *wire.Problem

	// What CheckFraming found in the head.
	lines    headerLines
	chunked  bool // the body came in chunks
	fromPage bool // there is an Origin or Sec-Fetch-Site
}

// An Output is the answer to a request, to be written with the request's ID and what
// every answer has: X-Content-Type-Options: nosniff, and Cache-Control: no-store unless
// Fields says otherwise.
type Output struct {
	Status int
	Type   string // the Content-Type; empty for none
	Fields []Field
	Body   []byte
	Close  bool // the connection is to be closed
	Full   bool // refused because too many requests are in flight
	// Stream, where it is set, writes the body as it comes, and Body is not sent. The
	// listener calls [Door.Stream] once it can, and not from within Serve.
	Stream func(*Stream)
}

// A Field of an answer's header.
type Field struct{ Name, Value string }

// Set adds a field to the answer, or replaces its value.
func (o *Output) Set(name, value string) {
	for i := range o.Fields {
		if o.Fields[i].Name == name {
			o.Fields[i].Value = value
			return
		}
	}
	o.Fields = append(o.Fields, Field{name, value})
}

// A Request is one request on its way through a door. Listeners keep them for reuse; it
// is for one goroutine.
type Request struct {
	In  Input
	Out Output

	Start   time.Time
	Turn    turns.Turn   // for what asks the store; the door gives it back
	ID      []byte       // the request id
	Segment string       // of the path, where the route's has a {name}; decoded
	Query   []byte       // as sent
	Caller  *auth.Caller // once authenticated
	Buffer  []byte       // memory for the body of the answer
	Scratch any          // memory of the handler's, for later requests too
	// Decision is what a check decided, for the metrics; nil without one.
	Decision *velocity.Decision
	// LogAttrs are what the handler adds to the log line of the answer, if Logged, see also
	// LogAttempt.
	LogAttrs []slog.Attr
	Logged   bool

	badHead   *wire.Problem // why CheckFraming refuses it
	resource  *resource     // nil: no such path
	auth      auth.Request
	preflight bool   // a browser asks what a page may send
	attempt   []byte // short id of the attempt_id
	routed    bool   // it was read and believed
	problem   *wire.Problem
	door      *Door
	streaming bool        // Out.Stream has begun
	attrs     []slog.Attr // memory for the log line
	text      []byte      // likewise

	conversation []byte // likewise
}

// begin looks at the head, and sets what every request has: its id, taken over from
// X-Request-ID where that is fit to be logged, and what the guard reads.
func (q *Request) begin(start time.Time, tls bool) {
	q.Start, q.Turn.Start = start, start
	if q.isRead() {
		q.badHead = q.In.CheckFraming()
	}
	a := &q.auth // zero until here, see Reset
	a.Turn = &q.Turn
	if q.In.Kept != nil {
		a.Last = &q.In.Kept.credentials
	}
	a.Header, a.At, a.Peer, a.TLS = q.In.Header, start, q.In.Peer, tls
	a.Method, a.Target, a.Host = q.In.Method, q.In.Target, q.In.Host
	q.Out.Status = 200
	q.ID = q.ID[:0]
	if given := q.In.Header.Values("X-Request-Id"); len(given) > 0 && Traceable(given[0]) {
		q.ID = append(q.ID, given[0]...)
	} else {
		q.ID = AppendID(q.ID, start)
	}
}

// isRead reports whether there is a request, if need be without its body.
func (q *Request) isRead() bool { return q.In.Unread == nil || q.In.Unread == wire.TooLarge }

// Reset forgets the request, so that q may be used for the next. It keeps memory.
func (q *Request) Reset() {
	clear(q.attrs)
	clear(q.LogAttrs)
	id, buffer, scratch, logAttrs, attrs, fields := q.ID[:0], q.Buffer[:0], q.Scratch, q.LogAttrs[:0], q.attrs[:0], q.Out.Fields[:0]
	attempt, text, conversation := q.attempt[:0], q.text[:0], q.conversation[:0]
	lines, found := q.In.lines.lines[:0], q.In.lines.found[:0]
	*q = Request{} // and then what is kept: a copy of the whole would cost more
	q.ID, q.Buffer, q.Scratch, q.LogAttrs, q.attrs, q.Out.Fields = id, buffer, scratch, logAttrs, attrs, fields
	q.In.lines.lines, q.In.lines.found = lines, found
	q.attempt, q.text, q.conversation = attempt, text, conversation
}

// LogAttempt notes the short id of the attempt_id for the log line.
func (q *Request) LogAttempt(id velocity.ShortID) { q.attempt = id.AppendTo(q.attempt[:0]) }

// Answer sets status, Content-Type and body of the answer. body must stay as it is until
// the answer is written; q.Buffer is memory for it.
func (q *Request) Answer(status int, contentType string, body []byte) {
	q.Out.Status, q.Out.Type, q.Out.Body = status, contentType, body
}

// refuse makes the problem the answer.
func (q *Request) refuse(p *wire.Problem) {
	q.problem = p
	if after := p.RetryAfter(); after != "" {
		q.Out.Set("Retry-After", after)
	}
	q.Buffer = p.Append(q.Buffer[:0], q.ID)
	q.Answer(p.Status, wire.ProblemType, q.Buffer)
}

// sign signs the answer, where the request was signed, with the same key. Nothing that
// the signature covers may change after it.
func (q *Request) sign() {
	if !q.auth.Signed() {
		return
	}
	digest, input, signature := q.auth.SignAnswer(q.Out.Status, q.Out.Body)
	q.Out.Set("Content-Digest", digest)
	q.Out.Set("Signature-Input", input)
	q.Out.Set("Signature", signature)
}
