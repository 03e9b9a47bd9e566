package auth

import (
	"sync"
	"time"
)

// A NonceID is a keyed hash of a nonce: a store that is read or stolen tells none.
type NonceID [16]byte

// Nonces remember which nonces were used.
type Nonces interface {
	// Once uses the nonce up at now, to be remembered until then at least. It reports
	// whether this was the first time; known is false when that could not be found out.
	Once(n NonceID, now, until time.Time) (first, known bool)
}

// maxNonces is how many nonces an instance remembers: with 121 seconds of them,
// some 8,600 signed requests a second, and 40 MiB.
const maxNonces = 1 << 20

// NonceMemory remembers what this process saw. When it is full the nonces that end
// first are forgotten, and from then on what would end as early counts as used: the
// time a signature is good for gets shorter, and none is believed twice. Nor is one
// when the machine's clock is set back.
type NonceMemory struct {
	mu       sync.Mutex
	bySecond map[int64]map[NonceID]struct{} // by when they end
	forgot   int64                          // what ends then or earlier counts as used
	swept    int64
	count    int
	most     int
}

// NewNonceMemory makes one for at most that many nonces.
func NewNonceMemory(most int) *NonceMemory {
	return &NonceMemory{bySecond: make(map[int64]map[NonceID]struct{}), most: most}
}

// Once implements Nonces; it always knows.
func (m *NonceMemory) Once(n NonceID, now, until time.Time) (first, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now.Unix())
	second := until.Unix()
	if _, used := m.bySecond[second][n]; used || second <= m.forgot {
		return false, true
	}
	if m.bySecond[second] == nil {
		m.bySecond[second] = make(map[NonceID]struct{})
	}
	m.bySecond[second][n] = struct{}{}
	if m.count++; m.count > m.most {
		m.forget(m.earliest())
	}
	return true, true
}

// sweep forgets those that ended before now.
func (m *NonceMemory) sweep(now int64) {
	if now == m.swept {
		return
	}
	m.swept = now
	for second := range m.bySecond {
		if second < now {
			m.forget(second)
		}
	}
}

func (m *NonceMemory) forget(second int64) {
	m.count -= len(m.bySecond[second])
	delete(m.bySecond, second)
	m.forgot = max(m.forgot, second)
}

// earliest is one of some 120 seconds.
func (m *NonceMemory) earliest() int64 {
	least, found := int64(0), false
	for second := range m.bySecond {
		if !found || second < least {
			least, found = second, true
		}
	}
	return least
}
