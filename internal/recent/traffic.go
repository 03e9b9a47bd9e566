package recent

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// Traffic is the attempts of the last ten minutes: how large the share of one address is,
// and how many different addresses and cards there were. It may be used from many goroutines
// at once.
type Traffic struct {
	addresses, cards distinct
	took             [len(histogram{})]atomic.Uint64
	parts            []*part
	free             sync.Pool // *part, so that each processor mostly has one of its own
	next             atomic.Uint32
}

// A part is what some of the checks write to, so that processors do not wait for each other.
type part struct {
	mu               sync.Mutex
	shares           shares
	addresses, cards batch
}

// window is the time that shares and distinct counts are about, in seconds.
const window = 600

// NewTraffic makes an empty Traffic, of about 35 KiB for each processor and up to 4 MiB for
// the distinct counts.
func NewTraffic() *Traffic {
	t := new(Traffic)
	for range runtime.GOMAXPROCS(0) {
		t.parts = append(t.parts, new(part))
	}
	t.free.New = func() any { return t.parts[int(t.next.Add(1))%len(t.parts)] }
	return t
}

// Watch is an event.Watcher. An address that the collapse guard takes for no shopper's, and
// one that a list or an override decides about, is nobody's share: it is known already.
func (t *Traffic) Watch(e *event.Event) {
	if e.Kind != event.Check {
		return
	}
	address, hash := e.Subject()
	known := e.Attempt.Address.IsValid()
	p := t.free.Get().(*part)
	p.mu.Lock()
	if known {
		p.addresses.add(&t.addresses, hash, secondOf(e.Time))
	}
	if e.ShortCard != 0 {
		p.cards.add(&t.cards, uint64(e.ShortCard), secondOf(e.Time))
	}
	p.shares.add(address, hash, known && e.Decision.Suspect == velocity.NotSuspect && !e.Decision.Settled, e.Time)
	p.mu.Unlock()
	t.free.Put(p)
}

// Top returns the address that sent most attempts in the ten minutes before now.
func (t *Traffic) Top(now velocity.Time) Top {
	all := tally{of: make(map[subject]int64)}
	var copied shares
	for _, p := range t.parts {
		p.mu.Lock()
		copied = p.shares // so that no check waits for the adding up
		p.mu.Unlock()
		all.add(&copied, now)
	}
	return all.top()
}

// Addresses estimates how many different addresses (of IPv6 networks, as they count) came in
// the ten minutes before now, within 3 %.
func (t *Traffic) Addresses(now velocity.Time) float64 { return t.within(&t.addresses, window, now) }

// Cards estimates how many different cards came in the ten minutes before now, within 3 %.
func (t *Traffic) Cards(now velocity.Time) float64 { return t.within(&t.cards, window, now) }

// within estimates a distinct count of all checks until now, in the last that many seconds.
func (t *Traffic) within(d *distinct, seconds uint32, now velocity.Time) float64 {
	for _, p := range t.parts {
		p.mu.Lock()
		p.addresses.flush(&t.addresses)
		p.cards.flush(&t.cards)
		p.mu.Unlock()
	}
	return d.within(seconds, now)
}

// Took notes how long a check took.
func (t *Traffic) Took(took time.Duration) { t.took[bucketOf(took)].Add(1) }

// totalTook is how long all checks took.
func (t *Traffic) totalTook() (all histogram) {
	for i := range t.took {
		all[i] = t.took[i].Load()
	}
	return all
}
