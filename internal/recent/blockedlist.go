package recent

import (
	"cmp"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/velocity"
)

// A BlockedAddress is an IP address, or an IPv6 network that counts as one, that is
// blocked now and was seen trying.
type BlockedAddress struct {
	Subject netip.Prefix // of a single address, all its bits
	// Reasons are the names of the enforced rules that block it, or "list" or "override"
	// alone. They may share memory with those of others.
	Reasons             []string
	FirstBlocked, Tried velocity.Time // its first blocked attempt since it is blocked, and its last
	// ClearsIn is in how many seconds it is blocked no more if nothing more is shown; 0
	// where a list does so without end.
	ClearsIn int
	Attempts uint64 // that were blocked, at this instance
}

// A BlockedList is who is blocked now.
type BlockedList struct {
	Blocked []BlockedAddress // the one tried last first
	// Degraded: the shared store did not answer for some, or the clock is off: whether
	// these are blocked is what this instance knows. What another instance let go may be
	// among them.
	Degraded bool
	// LeftOut is how many were not asked for, because the store takes too long: those
	// untried longest.
	LeftOut int
}

// Asking a record costs a few microseconds in the embedded store, and in memcached a
// command: 100,000 of them take a second and more, so ListFor bounds that.
const (
	listers  = 4                      // records asked for at once
	shareFor = 800 * time.Millisecond // from its beginning; what was let go is to leave within a second
	costly   = 1000                   // records; lists that ask for fewer are not shared
)

// lists makes one list at a time.
type lists struct {
	mu     sync.Mutex
	latest BlockedList // not changed any more
	plan   *velocity.Plan
	limit  int
	began  time.Time
	asked  int // records
}

// List returns who is blocked at now, at most limit of them, those tried last. Each record
// is asked for again, in the shared store where there is one; so what was forgotten,
// overridden or listed since, here or at another instance, or is blocked no more by the
// rules in force, is not in it. An entry that is blocked no more is taken out.
//
// A list takes at most ListFor; what it did not come to is left out and counted. Lists are
// made one at a time, and one that asked for 1,000 records or more is shared by all who ask
// within 0.8 s.
func (b *Blocked) List(limit int, now velocity.Time) BlockedList {
	l := &b.lists
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked < costly || time.Since(l.began) >= shareFor || l.limit < limit || l.plan != b.checker.Plan() {
		l.began, l.limit, l.plan = time.Now(), limit, b.checker.Plan()
		l.latest, l.asked = b.makeList(limit, now)
	}
	list := l.latest
	list.Blocked = list.Blocked[:min(limit, len(list.Blocked)):min(limit, len(list.Blocked))]
	return list
}

// Count is how many are blocked at now, for a gauge.
func (b *Blocked) Count(now velocity.Time) int {
	if b.count.Load() == 0 {
		return 0
	}
	list := b.List(MaxBlocked, now)
	return len(list.Blocked) + list.LeftOut
}

// An asked entry is one that was asked for.
type asked struct {
	blockedEntry
	number   int32
	done     bool
	blocked  bool
	degraded bool
	address  BlockedAddress
}

// makeList asks for the entries, those tried last first, until limit are found blocked or
// the time for a list is over. It returns how many it asked for, too.
func (b *Blocked) makeList(limit int, now velocity.Time) (list BlockedList, asked int) {
	began := time.Now()
	entries, sorted := b.snapshot()
	within := longestWindow(b.checker.Plan())
	var next, found atomic.Int64
	var asking sync.WaitGroup
	for range min(listers, len(entries)) {
		asking.Go(func() {
			defer b.recover()
			var reasons []string
			for found.Load() < int64(limit) && (b.ListFor == 0 || time.Since(began) < b.ListFor) {
				i := int(next.Add(1)) - 1
				if i >= len(entries) {
					return
				}
				e := &entries[sorted[i].at]
				if b.ask(e, now, within, &reasons); e.blocked {
					found.Add(1)
				}
				if i%32 == 0 {
					runtime.Gosched() // checks come first
				}
			}
		})
	}
	asking.Wait()
	for i := range sorted {
		switch e := &entries[sorted[i].at]; {
		case !e.done && found.Load() < int64(limit):
			list.LeftOut++
		case e.blocked:
			list.Blocked = append(list.Blocked, e.address)
			list.Degraded = list.Degraded || e.degraded
		}
	}
	b.clear(entries)
	return list, min(int(next.Load()), len(entries))
}

// recover ends a panic of a goroutine that asks for records: nothing else would.
func (b *Blocked) recover() {
	if fault := recover(); fault != nil && b.Panicked != nil {
		b.Panicked(fault)
	}
}

// An order sorts entries, which are large.
type order struct {
	last velocity.Time
	at   int32 // of the entry
}

// snapshot copies the entries, and returns them with their order, the one tried last first.
// It holds the lock for a few microseconds at a time, so that checks do not wait for it.
func (b *Blocked) snapshot() (entries []asked, sorted []order) {
	const atOnce = 256
	entries = make([]asked, 0, b.count.Load())
	for n, more := int32(1), true; more; {
		b.mu.Lock()
		for end := min(n+atOnce, b.table.fresh); n < end; n++ {
			if e := b.table.at(n); e.attempts > 0 {
				entries = append(entries, asked{blockedEntry: *e, number: n})
			}
		}
		more = n < b.table.fresh
		b.mu.Unlock()
	}
	sorted = make([]order, len(entries))
	for i := range entries {
		sorted[i] = order{entries[i].last, int32(i)}
	}
	slices.SortFunc(sorted, func(x, y order) int { return cmp.Or(cmp.Compare(y.last, x.last), cmp.Compare(x.at, y.at)) })
	return entries, sorted
}

// ask asks the record of the entry's subject whether it is blocked at now. reasons are
// those of the entry asked for before: most have the same.
func (b *Blocked) ask(e *asked, now, within velocity.Time, reasons *[]string) {
	address, plan := netip.AddrFrom16(e.addr).Unmap(), b.checker.Plan()
	var names [8]string
	by := b.checker.Blocking(address, now, names[:0])
	e.done, e.degraded = true, by.Degraded
	e.blocked = len(by.Reasons) > 0 && (by.ByRules || now-e.last < within) &&
		plan.AddressSubject(address) == e.key.subject() // ipv6_prefix may be another now
	if !e.blocked {
		return
	}
	if !slices.Equal(by.Reasons, *reasons) {
		*reasons = slices.Clone(by.Reasons)
	}
	e.address = BlockedAddress{
		Subject: e.key.subject(), Reasons: *reasons, FirstBlocked: e.first, Tried: e.last, ClearsIn: by.ClearsIn, Attempts: e.attempts,
	}
}

// clear takes out the entries that are blocked no more, unless they were tried meanwhile.
// What only this instance says is not enough.
func (b *Blocked) clear(entries []asked) {
	for i := range entries {
		e := &entries[i]
		if !e.done || e.blocked || e.degraded {
			continue
		}
		b.mu.Lock()
		if has := b.table.at(e.number); has.key == e.key && has.attempts == e.attempts && has.last == e.last {
			b.remove(e.number)
		}
		b.mu.Unlock()
	}
}

// longestWindow is the longest window of the plan's rules.
func longestWindow(plan *velocity.Plan) (longest velocity.Time) {
	for _, r := range plan.Rules() {
		longest = max(longest, velocity.Time(r.Window.Milliseconds()))
	}
	return longest
}
