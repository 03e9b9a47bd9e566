package auth

import (
	"encoding/base64"
	"sync"
	"time"

	"fraudcheck/internal/auth/session"
)

// A NonceID is a keyed hash of a nonce: a store that is read or stolen tells none.
type NonceID [16]byte

// usedNonces are those that were used here and, as far as the store that instances
// share answers, elsewhere.
type usedNonces struct {
	here   *NonceMemory
	shared session.Store // nil: there is none
}

// nonceKept is for how long instances tell each other of a nonce: their clocks may
// differ, and a request that one believes no more another still may.
const nonceKept = 4 * time.Minute

// once uses the nonce up at now, which may be shown until then, and reports whether
// this was the first time.
func (u usedNonces) once(n NonceID, now, until time.Time, waited *time.Duration) bool {
	if !u.here.Once(n, now, until) {
		return false
	}
	if u.shared == nil {
		return true
	}
	key := "fraudcheck-nonce:" + base64.RawURLEncoding.EncodeToString(n[:])
	start := time.Now()
	err := u.shared.Put(key, nil, 0, now, now.Add(nonceKept), *waited)
	*waited += time.Since(start)
	return err != session.ErrConflict
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

// Once uses the nonce up at now, to be remembered until then at least, and reports
// whether this was the first time.
func (m *NonceMemory) Once(n NonceID, now, until time.Time) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now.Unix())
	second := until.Unix()
	if _, used := m.bySecond[second][n]; used || second <= m.forgot {
		return false
	}
	if m.bySecond[second] == nil {
		m.bySecond[second] = make(map[NonceID]struct{})
	}
	m.bySecond[second][n] = struct{}{}
	if m.count++; m.count > m.most {
		m.forget(m.earliest())
	}
	return true
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
