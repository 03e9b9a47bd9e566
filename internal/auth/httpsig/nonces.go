package httpsig

import (
	"sync"
	"time"
)

// A NonceID is a keyed hash of a nonce: a store that is read or stolen tells none.
type NonceID [16]byte

// nonceID hashes a nonce under the caller's key, so that two callers may use one nonce.
// No signature base begins as what is hashed here.
func nonceID(k *Key, nonce string) NonceID {
	sum := k.sum([]byte("nonce "), []byte(nonce))
	return NonceID(sum[:len(NonceID{})])
}

// kept is for how many seconds a nonce is remembered after its signature has ended, so
// that it is good once whatever time the next signature names: as long as a shared store
// tells instances of it. Where memory runs out these leave first.
const kept = 240

// MaxNonces is how many nonces an instance remembers: with 121 seconds of them, some
// 8,600 signed requests a second, and about 60 MiB.
const MaxNonces = 1 << 20

// NonceMemory is the nonces of this process, safe for concurrent use. When it is full the
// nonces that end first are forgotten, and from then on a nonce that would end as early
// counts as used: signatures are good for less than their minute then, and none is
// accepted twice. Nor is one when the machine's clock is set back.
type NonceMemory struct {
	mu       sync.Mutex
	used     map[NonceID]struct{}
	bySecond map[int64][]NonceID // by the second in which they end
	forgot   int64               // nonces that end then or earlier count as used
	swept    int64               // the second of the last sweep
	most     int
}

// NewNonceMemory makes a memory of at most that many nonces.
func NewNonceMemory(most int) *NonceMemory {
	return &NonceMemory{used: make(map[NonceID]struct{}), bySecond: make(map[int64][]NonceID), most: most}
}

// Once uses a nonce at now, to be remembered until then at least, and reports whether
// this was the first time. until is at most two minutes after now.
func (m *NonceMemory) Once(n NonceID, now, until time.Time) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now.Unix())
	second := until.Unix()
	if _, used := m.used[n]; used || second <= m.forgot {
		return false
	}
	m.used[n] = struct{}{}
	m.bySecond[second] = append(m.bySecond[second], n)
	if len(m.used) > m.most {
		m.forget(m.earliest())
	}
	return true
}

// sweep forgets the nonces that ended before now, in Unix seconds; once a second at most.
func (m *NonceMemory) sweep(now int64) {
	if now == m.swept {
		return
	}
	m.swept = now
	for second := range m.bySecond {
		if second+kept < now {
			m.forget(second)
		}
	}
}

// forget forgets the nonces that end in that second.
func (m *NonceMemory) forget(second int64) {
	for _, n := range m.bySecond[second] {
		delete(m.used, n)
	}
	delete(m.bySecond, second)
	m.forgot = max(m.forgot, second)
}

// earliest returns the first second in which nonces end, of some 120.
func (m *NonceMemory) earliest() int64 {
	least, found := int64(0), false
	for second := range m.bySecond {
		if !found || second < least {
			least, found = second, true
		}
	}
	return least
}
