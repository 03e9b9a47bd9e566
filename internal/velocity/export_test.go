package velocity

import "sync"

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
