package operator

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fraudcheck/internal/peers"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

const (
	// feedKeeps bounds the decisions of other instances that wait for streams to send them,
	// feedBytes their text.
	feedKeeps = 4096
	feedBytes = 8 << 20
)

// A feed is the decisions of the other instances as they are made, for all streams of this
// one: it follows the peers while there is a stream.
type feed struct {
	mu      sync.Mutex
	readers int
	run     *feedRun
}

// A feedRun is a feed from its first reader to its last.
type feedRun struct {
	own   string // the id of this instance
	stop  context.CancelFunc
	tried chan struct{} // closed once each peer is followed, or could not be for the first time

	mu          sync.Mutex
	kept        [feedKeeps]fedDecision // by the low bits of their number
	oldest      uint64
	next        uint64
	bytes       int
	unreachable []string
	changes     int // of unreachable
}

// A fedDecision is what a peer told: a decision, or how many are missing.
type fedDecision struct {
	listedDecision
	text   []byte // as events have it
	missed int
}

// join returns a reader of the peers' decisions from now on; nil where there are no peers.
func (f *feed) join(p *peers.Peers, own string) *feedReader {
	if p == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers++; f.readers == 1 {
		ctx, stop := context.WithCancel(context.Background())
		run := &feedRun{own: own, stop: stop, tried: make(chan struct{})}
		f.run = run
		go p.Follow(ctx, peers.Stream{
			Path: streamPath, Event: run.event, Unreachable: run.setUnreachable, Tried: func() { close(run.tried) },
		})
	}
	f.run.mu.Lock()
	defer f.run.mu.Unlock()
	return &feedReader{feed: f, feedRun: f.run, from: f.run.next}
}

// event takes an event of a peer.
func (r *feedRun) event(instance, name string, data []byte) (at uint64, ok bool) {
	switch name {
	case "decision":
		d, ok := readDecision(instance, data)
		if !ok {
			return 0, false
		}
		at = *d.Number
		if d.Instance == r.own {
			return at, true
		}
		d.place = recent.Position{Time: velocity.TimeOf(d.Time.Time), Instance: recent.InstanceNumber(instance), Number: at}
		d.Instance, d.Number = instance, nil
		r.add(fedDecision{listedDecision: d, text: appendEvent(nil, d)})
	case "dropped":
		var dropped struct {
			Missed int `json:"missed"`
		}
		if json.Unmarshal(data, &dropped) != nil || dropped.Missed < 0 {
			return 0, false
		}
		r.add(fedDecision{missed: dropped.Missed})
	case "begun":
		var begun struct {
			Number uint64 `json:"number"`
		}
		if json.Unmarshal(data, &begun) != nil {
			return 0, false
		}
		at = begun.Number
	}
	return at, true // events of later versions are passed over
}

// readDecision reads a decision of another instance.
func readDecision(instance string, data []byte) (d listedDecision, ok bool) {
	if json.Unmarshal(data, &d) != nil || d.Number == nil || !d.judge() {
		return d, false
	}
	d.Instance = instance
	return d, true
}

// add keeps what a peer told, and lets the oldest go where there is no room.
func (r *feedRun) add(d fedDecision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += len(d.text)
	for r.next-r.oldest == feedKeeps || r.oldest < r.next && r.bytes > feedBytes {
		gone := &r.kept[r.oldest%feedKeeps]
		r.bytes -= len(gone.text)
		*gone = fedDecision{}
		r.oldest++
	}
	r.kept[r.next%feedKeeps] = d
	r.next++
}

func (r *feedRun) setUnreachable(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unreachable = names
	r.changes++
}

// A feedReader reads a feed for one stream.
type feedReader struct {
	*feedRun
	feed *feed
	from uint64
	told int               // of changes
	seen map[string]uint64 // the last number of an instance that was sent before the feed
}

// leave ends the reader, and with the last one the feed.
func (r *feedReader) leave() {
	if r == nil {
		return
	}
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	if r.feed.readers--; r.feed.readers == 0 {
		r.stop()
		r.feed.run = nil
	}
}

// wait waits until all peers are followed or could not be, so that no decision is missed that
// is made after the stream has begun.
func (r *feedReader) wait() {
	if r == nil {
		return
	}
	late := time.NewTimer(peers.Patience)
	defer late.Stop()
	select {
	case <-r.tried:
	case <-late.C:
	}
}

// read appends to b, as events, what peers told since the last call and the filter takes, of
// at most limit decisions, how many are missing, and who is unreachable where that has
// changed. Of what the filter takes, sent are appended, at most allowed, and the rest is
// missing. more: there is more to read.
func (r *feedReader) read(b []byte, f *recent.Filter, limit, allowed int) (_ []byte, sent int, more bool) {
	if r == nil {
		return b, 0, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told != r.changes {
		r.told = r.changes
		b = appendJSONEvent(b, "unreachable", struct {
			Unreachable []string `json:"unreachable"`
		}{append([]string{}, r.unreachable...)})
	}
	missed := 0
	if r.from < r.oldest {
		missed = int(r.oldest - r.from)
		r.from = r.oldest
	}
	for ; r.from < r.next && limit > 0; r.from++ {
		d := &r.kept[r.from%feedKeeps]
		limit--
		missed += d.missed
		switch {
		case d.text == nil || d.place.Number <= r.seen[d.Instance] || !d.matches(f):
		case sent == allowed:
			missed++
		default:
			b = append(b, d.text...)
			sent++
		}
	}
	return appendDropped(b, missed), sent, r.from < r.next
}

// matches reports whether the filter takes a decision of another instance.
func (d *listedDecision) matches(f *recent.Filter) bool {
	switch {
	case d.place.Time < f.Since,
		f.Outcome != nil && f.Outcome.String() != d.Decision,
		f.Attempt != 0 && f.Attempt.String() != d.Attempt,
		f.RequestID != "" && f.RequestID != d.RequestID:
		return false
	}
	if f.Network.IsValid() {
		if d.IP == nil {
			return false
		}
		if ip, err := netip.ParseAddr(*d.IP); err != nil || !f.Network.Contains(ip) {
			return false
		}
	}
	return f.Rule == "" || slices.Contains(d.Reasons, f.Rule) ||
		slices.ContainsFunc(d.Rules, func(r listedRule) bool { return r.Name == f.Rule && r.Outcome != velocity.Allow.String() })
}
