package peers

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// maxQuestions is how many questions to one address are under way at once, since each may
// bring an answer of MaxAnswer.
const maxQuestions = 8

// Why an address was not asked, or gave no answer in time.
const (
	tooMany = "was not asked: too many questions were under way"
	silent  = "does not answer within a second"
)

// A line is the way to one address of a peer. Questions wait for a slot; while the address
// is known to hang, one question at a time finds out whether it still does, and the others
// are answered at once: they would only wait for a second, and for each other.
type line struct {
	slots chan struct{}
	probe chan struct{}
	hangs atomic.Bool
}

func newLine() *line {
	return &line{slots: make(chan struct{}, maxQuestions), probe: make(chan struct{}, 1)}
}

// enter waits for a slot until ctx ends, at most for Patience; leave is nil where there is
// none, for the reason why.
func (l *line) enter(ctx context.Context) (leave func(), why string) {
	if l.hangs.Load() {
		return l.enterHanging()
	}
	ended := time.NewTimer(patience)
	defer ended.Stop()
	select {
	case l.slots <- struct{}{}:
	case <-ended.C:
		return nil, tooMany
	case <-ctx.Done():
		return nil, tooMany
	}
	if l.hangs.Load() { // as those found that had the slots
		<-l.slots
		return l.enterHanging()
	}
	return func() { <-l.slots }, ""
}

func (l *line) enterHanging() (leave func(), why string) {
	select {
	case l.probe <- struct{}{}:
		return func() { <-l.probe }, ""
	default:
		return nil, silent
	}
}

// lines are those to the addresses of one peer.
type lines struct {
	mu sync.Mutex
	to map[netip.Addr]*line
}

// line returns the line to the address. The lines of addresses that a name stands for no more
// are forgotten now and then.
func (l *lines) line(address netip.Addr) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.to[address]
	if known == nil {
		if l.to == nil || len(l.to) >= 4*maxAddresses {
			l.to = make(map[netip.Addr]*line)
		}
		known = newLine()
		l.to[address] = known
	}
	return known
}
