package session

import (
	"sync"
	"time"

	"fraudcheck/internal/turns"
)

// Memory is a [Store] of this process, bounded by maxItems. It always answers.
type Memory struct {
	mu      sync.Mutex
	items   map[string]memoryItem
	version uint64 // of the last write
	sweepAt int    // items at which those whose time is over are looked for
}

// A memoryItem is a value, its version and when its time is over.
type memoryItem struct {
	value   []byte
	version uint64
	until   time.Time
}

// maxItems is how many items a Memory holds at most, of about 200 bytes each.
const maxItems = 100_000

// NewMemory makes an empty store.
func NewMemory() *Memory { return &Memory{items: make(map[string]memoryItem), sweepAt: 1024} }

// Get implements Store.
func (m *Memory) Get(key string, now time.Time, _ *turns.Turn) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := m.items[key]
	if !found || !now.Before(i.until) {
		return nil, 0, ErrMissing
	}
	return i.value, i.version, nil
}

// Put implements Store.
func (m *Memory) Put(key string, value []byte, version uint64, now, until time.Time, _ *turns.Turn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := m.items[key]
	if found = found && now.Before(i.until); found && i.version != version || !found && version != 0 {
		return ErrConflict
	}
	if !found {
		m.makeRoom(now)
	}
	m.version++
	m.items[key] = memoryItem{value: value, version: m.version, until: until}
	return nil
}

// Patience implements Store. Nobody asks for longer than a moment.
func (m *Memory) Patience(*turns.Turn) time.Time { return time.Now().Add(time.Second) }

// makeRoom drops what is over, and where that is not enough, what ends soonest of a
// few: somebody has to log in again.
func (m *Memory) makeRoom(now time.Time) {
	if len(m.items) < m.sweepAt {
		return
	}
	for key, i := range m.items {
		if !now.Before(i.until) {
			delete(m.items, key)
		}
	}
	for len(m.items) > maxItems*7/8 { // many at once: looking at all is dear
		m.dropSoonest()
	}
	m.sweepAt = min(max(1024, 2*len(m.items)), maxItems)
}

// dropSoonest drops, of 32 items, the one that ends first; the order of a map is random.
func (m *Memory) dropSoonest() {
	const looked = 32
	soonest, n := "", 0
	for key, i := range m.items {
		if soonest == "" || i.until.Before(m.items[soonest].until) {
			soonest = key
		}
		if n++; n == looked {
			break
		}
	}
	delete(m.items, soonest)
}
