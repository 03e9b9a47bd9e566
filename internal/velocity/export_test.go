package velocity

import (
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"fraudcheck/internal/slab"
)

// Records is the core alone: a map of records, neither written nor bounded.
type Records struct {
	mu      sync.Mutex
	records map[Key]*Record
}

func NewRecords() *Records { return &Records{records: make(map[Key]*Record)} }

func (s *Records) Update(u *Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[u.key]
	if r == nil {
		r = new(Record)
		s.records[u.key] = r
	}
	u.apply(r)
}

// ItemKeyOf is where the record of the attempt's address lies on a server.
func ItemKeyOf(m *Memcached, c *Checker, a *Attempt) string {
	return string(m.appendItemKey(nil, keyOf(c, a)))
}

// OfNewerVersion is a value that a newer version might have written under a's key.
func OfNewerVersion(m *Memcached, c *Checker, a *Attempt) []byte {
	body := []byte{versionMarks + 1, 42}
	check := m.Keys.mac(keyOf(c, a), body)
	return append(body, check[:]...)
}

func keyOf(c *Checker, a *Attempt) Key {
	v := c.calls.New().(*call)
	v.plan = c.Plan()
	c.beginSubject(v, &v.plan.subjects[0], a, 0, read)
	return v.update.key
}

// WatchServers has the servers used, and no answer given from the copy. A server whose
// memory is new is taken for one that was told already, which saves half a second.
func WatchServers(m *Memcached, plan *Plan) {
	for _, name := range m.Client.Servers {
		_ = memcache.New(name).Add(&memcache.Item{Key: m.Client.Canary, Value: []byte("settled")})
	}
	m.watchServers(func() *Plan { return plan }, func() Time { return 0 })
	m.Client.Await(10 * time.Second)
}

// Trusted reports whether the first server is used.
func Trusted(m *Memcached) bool { return m.Client.ServerOf(0).Trusted() }

// GivenUp reports whether the first server is not asked any more.
func GivenUp(m *Memcached) bool { return !m.Client.ServerOf(0).Answers() }

// ServerOf is the index of the server for records under the key.
func ServerOf(m *Memcached, key Key) int { return m.serverOf(key).Index() }

// ExpiryOf is what a server is told of a record that matters so long.
func ExpiryOf(retain time.Duration, now Time) int32 {
	return expiry(&Update{now: now, subject: &subjectPlan{window: spanOf(retain)}}, new(Record))
}

// KeyOf is the key of the attempt's address.
func KeyOf(c *Checker, a *Attempt) Key { return keyOf(c, a) }

// Urgent is what a server is told of, in order.
func Urgent(m *Memory, plan *Plan, now Time, atOnce int) (keys []Key) {
	for u := range m.urgent(plan, now, atOnce, func(Key) bool { return true }) {
		keys = append(keys, u.key)
	}
	return keys
}

// NetworkOf is the tag of the network with which the copy of the attempt's address is kept.
func NetworkOf(m *Memcached, c *Checker, a *Attempt) (tag uint32) {
	for i := range m.Local.table.Shards() {
		m.Local.table.Visit(i, func(key *slab.Key, l slab.Label, _ []byte) {
			if Key(*key) == keyOf(c, a) {
				tag = l.Tag
			}
		})
	}
	return tag
}

// TellAll tells the first server what matters, until the limit.
func TellAll(m *Memcached, plan *Plan, now Time, limit time.Time) (whole bool) {
	return m.tellAll(m.Client.ServerOf(0), plan, now, limit, nil)
}
