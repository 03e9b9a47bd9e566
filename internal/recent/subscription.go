package recent

// A Subscription is the decisions that come in, for one goroutine that asks for them now and
// then. The ring is its memory: it costs checks nothing, and a reader that is too slow misses
// what has left the ring.
type Subscription struct {
	ring   *Ring
	filter Filter
	began  uint64 // the number of the first decision that came after Subscribe
	next   uint64 // the number of the decision to go on with
}

// Subscribe begins with the next decision; where the filter says since when, with the oldest
// that is kept of those.
func (r *Ring) Subscribe(f Filter) *Subscription {
	r.lock()
	defer r.mu.Unlock()
	s := &Subscription{ring: r, filter: f, began: r.next, next: r.next}
	if f.Since != 0 {
		s.next = r.oldest
	}
	return s
}

// SubscribeAfter goes on behind the decision of that number, or behind the last where it has no
// such number yet. Of an earlier run of this instance, it begins with the first of this run.
func (r *Ring) SubscribeAfter(number uint64, f Filter) *Subscription {
	r.lock()
	defer r.mu.Unlock()
	return &Subscription{ring: r, filter: f, began: r.next, next: max(r.first, min(number, r.next-1)+1)}
}

// Last returns the number of the decision that was looked at last.
func (s *Subscription) Last() uint64 { return s.next - 1 }

// InPast reports whether decisions are next that were there when the subscription was made.
func (s *Subscription) InPast() bool { return s.next < s.began }

// Read returns the next decisions that the filter takes, the oldest first, at most limit; none
// where there are none yet. missed is how many there were meanwhile, whatever the filter, that
// have left the ring.
func (s *Subscription) Read(limit int) (found []Decision, missed int) {
	for ended := false; !ended; {
		found, missed, ended = s.read(limit, found, missed)
	}
	return found, missed
}

// read looks at atOnce numbers.
func (s *Subscription) read(limit int, found []Decision, missed int) (_ []Decision, _ int, ended bool) {
	r := s.ring
	r.lock()
	defer r.mu.Unlock()
	for range atOnce {
		if s.next >= r.next || len(found) == limit {
			return found, missed, true
		}
		if s.next < r.oldest {
			missed += int(r.oldest - s.next)
			s.next = r.oldest
		}
		at := r.order[s.next&r.mask()]
		s.next++
		if at == none {
			missed++
		} else if e := &r.slots[at]; s.filter.takes(e) {
			found = append(found, r.decision(e))
		}
	}
	return found, missed, false
}

// Skip passes over what there is. missed is how many decisions the filter takes of it, and how
// many, whatever the filter, had left the ring.
func (s *Subscription) Skip() (missed int) {
	for ended := false; !ended; {
		missed, ended = s.skip(missed)
	}
	return missed
}

// skip looks at atOnce numbers; without a filter it need not look.
func (s *Subscription) skip(missed int) (_ int, ended bool) {
	r := s.ring
	r.lock()
	defer r.mu.Unlock()
	if s.next < r.oldest {
		missed += int(r.oldest - s.next)
		s.next = r.oldest
	}
	if s.filter == (Filter{}) {
		missed += int(r.next - s.next)
		s.next = r.next
	}
	for range atOnce {
		if s.next >= r.next {
			return missed, true
		}
		if at := r.order[s.next&r.mask()]; at == none || s.filter.takes(&r.slots[at]) {
			missed++
		}
		s.next++
	}
	return missed, false
}
