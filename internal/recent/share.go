package recent

import (
	"net/netip"

	"fraudcheck/internal/velocity"
)

// The share of one address in the attempts of the last ten minutes is found in constant
// memory: for every half minute a sketch counts the addresses that came most often (Misra
// and Gries, 1982). It counts at most 2 % too few of an address, never too many.

const (
	sliceTime = 30_000 // milliseconds
	inWindow  = 20     // ten minutes, the present slice included
	buckets   = 8      // of counters, an address has one bucket: a look at all would cost more
	perBucket = 8
)

// shares are the sketches of ten minutes.
type shares [inWindow]sketch

// A sketch is what came in one slice of time.
type sketch struct {
	slice    int64 // its number since the Unix epoch
	attempts int64
	counters [buckets][perBucket]counter
}

// A counter counts one address, an IPv4 address as IPv4-mapped; one with n = 0 is free.
type counter struct {
	address subject
	n       int64
}

// A subject is an address cut to what counts as one: see [event.Event.Subject].
type subject [16]byte

// addr is the subject as an address.
func (s subject) addr() netip.Addr { return netip.AddrFrom16(s).Unmap() }

// add counts an attempt. counted says whether its address may be the one that is looked for;
// hash chooses the bucket and must be keyed: who knows it can fill one.
func (s *shares) add(address subject, hash uint64, counted bool, now velocity.Time) {
	slice := int64(now) / sliceTime
	k := &s[slice%inWindow]
	if k.slice != slice {
		if k.slice > slice {
			return // by a clock that was set back: ten minutes late
		}
		*k = sketch{slice: slice}
	}
	k.attempts++
	if counted {
		count(&k.counters[hash%buckets], address)
	}
}

// count counts the address in its bucket. Where it has no counter and none is free, all of
// the bucket give one attempt up.
func count(bucket *[perBucket]counter, address subject) {
	free := -1
	for i := range bucket {
		switch c := &bucket[i]; {
		case c.n > 0 && c.address == address:
			c.n++
			return
		case c.n == 0:
			free = i
		}
	}
	if free >= 0 {
		bucket[free] = counter{address, 1}
		return
	}
	for i := range bucket {
		bucket[i].n--
	}
}

// A Top is the address that sent most of the last ten minutes' attempts at this instance.
type Top struct {
	Address  netip.Addr // of IPv6 the first of its network; not valid where there is none
	Attempts int64      // of the address, at most 2 % of Of too few
	Of       int64      // attempts in all
}

// LeastAttempts is how many attempts of ten minutes must have come before the share of one
// address says anything.
const LeastAttempts = 200

// Share is the share of the address in all attempts, 0 to 1; 0 for fewer than LeastAttempts.
func (t Top) Share() float64 {
	if t.Of < LeastAttempts {
		return 0
	}
	return float64(t.Attempts) / float64(t.Of)
}

// A tally adds the sketches of several shares up.
type tally struct {
	of       map[subject]int64
	attempts int64 // in all
}

// add adds what came in the ten minutes before now.
func (t *tally) add(s *shares, now velocity.Time) {
	slice := int64(now) / sliceTime
	for i := range s {
		k := &s[i]
		if k.slice <= slice-inWindow {
			continue
		}
		t.attempts += k.attempts
		for b := range k.counters {
			for _, c := range &k.counters[b] {
				if c.n > 0 {
					t.of[c.address] += c.n
				}
			}
		}
	}
}

// top returns the address with the most attempts.
func (t *tally) top() Top {
	top := Top{Of: t.attempts}
	for s, n := range t.of {
		if n > top.Attempts || n == top.Attempts && s.addr().Less(top.Address) {
			top.Attempts, top.Address = n, s.addr()
		}
	}
	return top
}
