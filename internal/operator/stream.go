package operator

import (
	"encoding/json"
	"fmt"
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
	// unbegun is how long a place is kept for a stream that does not begin.
	unbegun = 10 * time.Second
)

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
	if a.Ring == nil {
		return keepsNone
	}
	query, p := a.parseDecisions(q.Query, streamFilters)
	if p != nil {
		return p
	}
	if string(q.In.Method) != "HEAD" {
		begin := a.streams.reserve()
		if begin == nil {
			return streamsExhausted
		}
		decisions := a.Ring.Subscribe(query.Filter)
		q.Out.Set("X-Accel-Buffering", "no") // nginx would gather events
		q.Out.Stream = func(s *door.Stream) {
			if begin() {
				defer a.streams.release()
				a.follow(q, s, decisions)
			}
		}
	}
	q.Answer(200, "text/event-stream", nil)
	return nil
}

// follow writes decisions until the stream is to end.
func (a *API) follow(q *door.Request, s *door.Stream, decisions *recent.Subscription) {
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	b := []byte(": decisions\n\n") // so that the caller sees at once that it has begun
	sent, rechecked := time.Now(), time.Now()
	for {
		found, missed := decisions.Read(streamPart)
		if missed > 0 {
			b = fmt.Appendf(b, "event: dropped\ndata: {\"missed\":%d}\n\n", missed)
		}
		for i := range found {
			b = a.appendEvent(b, q, &found[i])
		}
		now := time.Now()
		if len(b) == 0 && now.Sub(sent) >= streamComment {
			b = append(b, ":\n\n"...)
		}
		if len(b) > 0 {
			if s.Write(b) != nil {
				return
			}
			b, sent = b[:0], now
		}
		if now.Sub(rechecked) >= streamRecheck {
			if !q.StillAdmitted(now) {
				return
			}
			rechecked = now
		}
		if q.IsStopping() || s.Gone() {
			return
		}
		if len(found) < streamPart {
			<-tick.C
		}
	}
}

// appendEvent appends a decision as an event.
func (a *API) appendEvent(b []byte, q *door.Request, d *recent.Decision) []byte {
	text, err := json.Marshal(a.listed(q, d))
	if err != nil {
		panic("operator: " + err.Error()) // only for types that are no JSON
	}
	return append(append(append(b, "event: decision\ndata: "...), text...), "\n\n"...)
}
