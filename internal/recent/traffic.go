package recent

import (
	"sync/atomic"
	"time"

	"fraudcheck/internal/velocity"
)

// Traffic is the attempts of the last ten minutes: how large the share of one address is,
// and how many different addresses and cards there were. An address that the collapse guard
// takes for no shopper's, and one that a list or an override decides about, is nobody's share:
// it is known already. It may be used from many goroutines at once.
type Traffic struct {
	*Checks

	shares           shares
	addresses, cards distinct
	took             [len(histogram{})]atomic.Uint64
}

// window is the time that shares and distinct counts are about, in seconds.
const window = 600

// NewTraffic makes an empty Traffic, of 35 KiB and up to 4 MiB for the distinct counts.
func NewTraffic() *Traffic {
	t := new(Traffic)
	t.Checks = newChecks(nil, t)
	return t
}

// note counts what was noted of checks.
func (t *Traffic) note(notes []note) {
	var addresses, cards batch
	for i := range notes {
		n := &notes[i]
		second := secondOf(n.time)
		if n.known {
			addresses.add(&t.addresses, n.hash, second)
		}
		if n.card != 0 {
			cards.add(&t.cards, uint64(n.card), second)
		}
		t.shares.add(n.key, n.hash, n.shared, n.time)
	}
	addresses.flush(&t.addresses)
	cards.flush(&t.cards)
}

// Top returns the address that sent most attempts in the ten minutes before now, of those that
// isKnown does not say are known meanwhile; nil for all.
func (t *Traffic) Top(now velocity.Time, isKnown func(Top) bool) Top {
	t.lock()
	copied := t.shares // so that no check waits for the adding up
	t.mu.Unlock()
	all := tally{of: make(map[subject]int64)}
	all.add(&copied, now)
	top := all.top()
	for isKnown != nil && top.Attempts > 0 && isKnown(top) {
		delete(all.of, top.Address.As16())
		top = all.top()
	}
	return top
}

// Addresses estimates how many different addresses (of IPv6 networks, as they count) came in
// the ten minutes before now, within 3 %.
func (t *Traffic) Addresses(now velocity.Time) float64 { return t.within(&t.addresses, window, now) }

// Cards estimates how many different cards came in the ten minutes before now, within 3 %.
func (t *Traffic) Cards(now velocity.Time) float64 { return t.within(&t.cards, window, now) }

// within estimates a distinct count of all checks until now, in the last that many seconds.
func (t *Traffic) within(d *distinct, seconds uint32, now velocity.Time) float64 {
	t.lock()
	t.mu.Unlock()
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
