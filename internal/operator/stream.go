package operator

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/wire"
)

const (
	// maxStreams is how many streams of decisions there are at once.
	maxStreams = 64
	// streamEvery is how often a stream looks for decisions. Checks do not wake it.
	streamEvery = 100 * time.Millisecond
	// streamComment is how long a stream sends nothing at most: proxies close what is silent.
	streamComment = 15 * time.Second
	// streamRecheck is how often a stream asks whether its caller would still be let in.
	streamRecheck = 500 * time.Millisecond
	// streamPart is how many decisions are sent at once.
	streamPart = 100
	// streamRate is how many decisions a second a stream sends to a caller; of more it says how
	// many are missing. So what streams cost is bounded, however fast checks come: no person
	// reads more, and a program that needs every decision has the decision log.
	streamRate = 100
	// peerComment is the same of a stream to another instance, which gives it up after two
	// seconds of silence.
	peerComment = 500 * time.Millisecond
	// unbegun is how long a place is kept for a stream that does not begin.
	unbegun = 10 * time.Second
)

// peerStream is how long a stream to another instance lasts. Its proof was good for opening it,
// and it is opened again with another: so nothing that was shown once is of use for long.
var peerStream = time.Minute

// streamsExhausted answers where there are maxStreams streams.
var streamsExhausted = &wire.Problem{Status: 503, Code: "streams_exhausted", Detail: fmt.Sprintf("there are %d streams already, try again later", maxStreams), After: 10 * time.Second}

// streams counts the streams there are.
type streams struct{ n atomic.Int32 }

// reserve returns what begins a stream, and reports false where its place was taken back; nil
// where there is no place. A caller that breaks off before its stream begins leaves the place
// after unbegun.
func (s *streams) reserve() (begin func() bool) {
	if s.n.Add(1) > maxStreams {
		s.release()
		return nil
	}
	return time.AfterFunc(unbegun, s.release).Stop
}

func (s *streams) release() { s.n.Add(-1) }

// streamDecisions answers GET /v1/decisions/stream: decisions as they are made, as
// server-sent events, until the caller goes or would not be let in any more.
func (a *API) streamDecisions(q *door.Request) *wire.Problem {
	filters, counted := streamFilters, &a.streams
	if q.Caller.IsPeer() {
		filters, counted = peerFilters, &a.toPeers
	}
	query, p := a.parseDecisions(q, filters)
	if p != nil {
		return p
	}
	if string(q.In.Method) != "HEAD" {
		begin := counted.reserve()
		if begin == nil {
			return streamsExhausted
		}
		var own *recent.Subscription
		switch {
		case a.Ring == nil:
		case query.after != nil:
			own = a.Ring.SubscribeAfter(*query.after, query.Filter)
		default:
			own = a.Ring.Subscribe(query.Filter)
		}
		q.Out.Set("X-Accel-Buffering", "no") // nginx would gather events
		q.Out.Stream = func(s *door.Stream) {
			if begin() {
				defer counted.release()
				a.follow(&follower{request: q, stream: s, query: query, own: own})
			}
		}
	}
	q.Answer(200, "text/event-stream", nil)
	return nil
}

// A follower is a caller that follows decisions.
type follower struct {
	request *door.Request
	stream  *door.Stream
	query   *decisionsQuery
	own     *recent.Subscription // nil: this instance keeps none
	others  *feedReader          // nil: of this instance only
	left    float64              // how many decisions may be sent, at counted
	counted time.Time
}

// follow writes decisions until the stream is to end.
func (a *API) follow(f *follower) {
	comment, began := streamComment, time.Now()
	b := f.request.Buffer[:0]
	if f.request.Caller.IsPeer() {
		comment = peerComment
		if f.own != nil {
			b = fmt.Appendf(b, "event: begun\ndata: {\"number\":%d}\n\n", f.own.Last())
		}
	} else if !f.query.thisOnly {
		f.others = a.feed.join(a.Peers, a.Instance)
		defer f.others.leave()
		f.others.wait()
	}
	b = append(b, ": decisions\n\n"...) // so that the caller sees that it has begun
	b = a.earlier(b, f)
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	sent, rechecked := time.Now(), time.Now()
	for {
		var more bool
		b, more = a.appendNew(b, f)
		now := time.Now()
		if len(b) == 0 && now.Sub(sent) >= comment {
			b = append(b, ":\n\n"...)
		}
		if len(b) > 0 {
			if f.stream.Write(b) != nil {
				return
			}
			b, sent = b[:0], now
		}
		if now.Sub(rechecked) >= streamRecheck {
			if !f.request.StillAdmitted(now) || f.request.Caller.IsPeer() && now.Sub(began) > peerStream {
				return
			}
			rechecked = now
		}
		if f.request.IsStopping() || f.stream.Gone() {
			return
		}
		if !more {
			<-tick.C
		}
	}
}

// appendNew appends what is new, as events; more: there is more that may be sent. With peers,
// each side has half of what may be sent, and what the other side leaves.
func (a *API) appendNew(b []byte, f *follower) (_ []byte, more bool) {
	allowed := f.allowed(time.Now())
	part := allowed
	if f.others != nil {
		part -= allowed / 2
	}
	b, own := a.appendOwn(b, f, min(streamPart, part))
	b, theirs, more := f.others.read(b, &f.query.Filter, streamPart, allowed-own)
	b, rest := a.appendOwn(b, f, min(streamPart-own, allowed-own-theirs))
	own += rest
	if f.own != nil && own+theirs == allowed {
		b = appendDropped(b, f.own.Skip())
	}
	f.left -= float64(own + theirs)
	return b, more || own == streamPart
}

// appendOwn appends up to limit decisions of this instance, and how many left the ring before.
func (a *API) appendOwn(b []byte, f *follower, limit int) (_ []byte, sent int) {
	if f.own == nil {
		return b, 0
	}
	found, missed := f.own.Read(limit)
	b = appendDropped(b, missed)
	for i := range found {
		b = appendEvent(b, a.listed(f.request, &found[i]))
	}
	return b, len(found)
}

// allowed returns how many decisions may be sent now. Another instance bounds by itself what it
// reads, and what a caller asks for by since is sent whole.
func (f *follower) allowed(now time.Time) int {
	if f.request.Caller.IsPeer() || f.own != nil && f.own.InPast() {
		f.left = 0
		return math.MaxInt
	}
	f.left = min(streamRate, max(0, f.left)+streamRate*now.Sub(f.counted).Seconds())
	f.counted = now
	return int(f.left)
}

// appendDropped appends an event that says how many decisions are missing, if any are.
func appendDropped(b []byte, missed int) []byte {
	if missed == 0 {
		return b
	}
	return fmt.Appendf(b, "event: dropped\ndata: {\"missed\":%d}\n\n", missed)
}

// earlier appends the decisions of the other instances that the caller asks for by since, the
// oldest first: of each the newest maxDecisions.
func (a *API) earlier(b []byte, f *follower) []byte {
	if f.query.Since == 0 || f.others == nil {
		return b
	}
	query := *f.query
	query.limit = maxDecisions
	values, _ := url.ParseQuery(string(withoutScope(f.request.Query))) // it was parsed before
	values.Set("limit", strconv.Itoa(maxDecisions))
	told, _ := ofAll[decisionsPage](a, f.request, decisionsPath, []byte(values.Encode()), false)
	var all []listedDecision
	f.others.seen = make(map[string]uint64, len(told))
	for _, other := range told {
		theirs := placed(other, &query)
		for i := range theirs {
			f.others.seen[other.instance] = max(f.others.seen[other.instance], theirs[i].place.Number)
		}
		all = append(all, theirs...)
	}
	slices.SortFunc(all, func(x, y listedDecision) int { return y.place.Compare(x.place) })
	for _, d := range all {
		b = appendEvent(b, d)
	}
	return b
}

// appendEvent appends a decision as an event.
func appendEvent(b []byte, d listedDecision) []byte { return appendJSONEvent(b, "decision", d) }

// appendJSONEvent appends an event with the value as JSON.
func appendJSONEvent(b []byte, name string, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("operator: " + err.Error()) // only for types that are no JSON
	}
	return fmt.Appendf(b, "event: %s\ndata: %s\n\n", name, text)
}
