package recent

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// MaxBlocked is how many subjects a [Blocked] keeps at most, in 9 MB.
const MaxBlocked = 100_000

// Blocked is which IP addresses, and IPv6 networks that count as one, were blocked lately.
// It may be used from many goroutines at once.
//
// An entry says that a subject was blocked when it was last tried, and since when. It is
// never the answer: whoever lists the entries asks the records again ([Blocked.List]). An
// entry leaves when a list, or an attempt of the subject that is not blocked, shows that it
// is blocked no more; when there are more than MaxBlocked, the one untried longest leaves.
type Blocked struct {
	// Panicked is told of a panic that was caught while records were asked for: what was
	// not asked for is left out. It may be nil, and is set before the first list.
	Panicked func(fault any)
	// ListFor is the longest that a list may take: where a shared store is asked, 0.4 s are
	// as much as whoever merges the lists of several instances waits for. 0 for any time. It
	// is set before the first list.
	ListFor time.Duration

	checker *velocity.Checker

	// count is the number of entries: with none, as is usual, a check looks no further.
	count   atomic.Int32
	evicted atomic.Uint64

	mu    sync.Mutex
	table *blockedTable

	lists lists
}

// NewBlocked returns a Blocked that asks the checker which of its entries are blocked.
func NewBlocked(checker *velocity.Checker) *Blocked { return newBlocked(checker, MaxBlocked) }

func newBlocked(checker *velocity.Checker, limit int) *Blocked {
	return &Blocked{checker: checker, table: newBlockedTable(limit)}
}

// Evicted is how many subjects left since the start, while they were blocked, because
// there were too many.
func (b *Blocked) Evicted() uint64 { return b.evicted.Load() }

// addressKinds are the kinds of subjects that an address decides: ip and network.
var addressKinds = velocity.AddressSubjects()

// blocksAddress reports whether an enforced rule on the address, or its network, blocks.
func blocksAddress(r *velocity.RuleResult) bool {
	return r.Outcome == velocity.Block && r.Rule.Mode == velocity.Enforce && slices.Contains(addressKinds, r.Rule.Per)
}

// Watch is an [event.Watcher]. A check whose address is blocked, by a rule on it, a list or
// an override, makes its subject the newest entry, or refreshes it; a check whose address is
// not takes the entry out. A check that is blocked for its card alone is of the latter.
func (b *Blocked) Watch(e *event.Event) {
	if e.Kind != event.Check || !e.Attempt.Address.IsValid() {
		return
	}
	d, clears, byRule := e.Decision, 0, false
	for i := range d.Rules {
		if r := &d.Rules[i]; blocksAddress(r) {
			byRule, clears = true, max(clears, r.ClearsIn)
		}
	}
	byName := d.Outcome == velocity.Block && len(d.Reasons) == 1 && (d.Reasons[0] == "list" || d.Reasons[0] == "override")
	switch {
	case byName:
		b.note(e, 0)
	case byRule && d.Outcome == velocity.Block:
		b.note(e, e.Time+velocity.Time(clears)*1000)
	case !byRule && b.count.Load() > 0: // byRule: something lets this attempt through, and perhaps not the next
		b.passed(e)
	}
}

// note notes a blocked attempt. Where the block before it had ended by itself, it is the
// first one again.
func (b *Blocked) note(e *event.Event, until velocity.Time) {
	key, hash := keyOf(e)
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.table.find(&key, hash)
	if n == 0 {
		if b.table.used == b.table.limit {
			b.evict(e.Time)
		}
		n = b.table.add(&key, hash)
	} else {
		b.table.touch(n)
	}
	entry := b.table.at(n)
	if entry.attempts == 0 || entry.until > 0 && entry.until <= e.Time {
		entry.first, entry.attempts = e.Time, 0
	}
	entry.last, entry.until = max(entry.last, e.Time), until
	entry.attempts++
	entry.addr = e.Attempt.Address.As16()
	b.count.Store(int32(b.table.used))
}

// evict takes out the entry untried longest, and counts it unless its block has ended.
func (b *Blocked) evict(now velocity.Time) {
	n := b.table.oldest()
	if until := b.table.at(n).until; until == 0 || until > now {
		b.evicted.Add(1)
	}
	b.table.remove(n)
}

// passed takes the entry of the check's subject out, if it has one. It looks without a lock first: most
// have none.
func (b *Blocked) passed(e *event.Event) {
	key, hash := keyOf(e)
	if !b.table.mayHave(hash) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.table.find(&key, hash); n != 0 {
		b.remove(n)
	}
}

// remove takes the entry out. The lock is held.
func (b *Blocked) remove(n int32) {
	b.table.remove(n)
	b.count.Store(int32(b.table.used))
}
