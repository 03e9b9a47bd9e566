package velocity

// A hash key is changed without a moment in which anybody is let off. While an instance has
// a previous hash key, it keeps the records of each subject under both keys, and the
// stricter of the two decides. Instances are changed one by one, so at any time some
// instance may know one key only:
//
//   - Those that are not changed yet write under the previous key. All others do so too:
//     the record under that key is whole, and no other can be stricter.
//   - When all have both keys, the record under the new key becomes whole: after the
//     longest window it has all that counts. Marks are carried over at once.
//   - Then the previous key is taken out. Those that have lost it write under the new key,
//     as all others do.
//
// What an instance with one key forgets, the others forget under both: the higher
// generation of the two records holds for both. The record under the previous key is always
// updated first.

// A previous is the hash key before the one in force, and the store of the records made
// with it.
type previous struct {
	keys  *Keys
	store Store
}

// AlsoUnder keeps all records under the previous hash key too, in a store for it, and lets
// the stricter answer hold. It must be called before the first check. The store may be the
// checker's own if that is a [Memory].
func (c *Checker) AlsoUnder(keys *Keys, store Store) { c.previous = &previous{keys, store} }

// update has the store carry out v.update, which is of one of the attempt's subjects.
func (c *Checker) update(v *call, a *Attempt) {
	if c.previous == nil {
		c.store.Update(&v.update)
		return
	}
	u, p := &v.update, &v.previous.update
	v.previous.plan, v.previous.suspect, p.turn, p.letThrough = v.plan, v.suspect, u.turn, u.letThrough
	c.begin(v.previous, u.subject, a, u.now, u.verb) // it has the subject, as v.update is of it
	p.detailed = u.detailed
	if u.verb == override {
		var r Record
		r.setMark(&mark{key: overrideKey, at: u.now, data: u.override})
		resealOverride(&r, c.keys, u.key, c.previous.keys, p.key)
		p.override = r.marks[0].data
	}
	c.previous.store.Update(p)
	u.other.copyMarks(&p.result.known)
	resealOverride(&u.other, c.previous.keys, p.key, c.keys, u.key)
	c.store.Update(u)
	if u.result.known.generation > p.result.known.generation {
		p.other.copyMarks(&u.result.known)
		resealOverride(&p.other, c.keys, u.key, c.previous.keys, p.key)
		c.previous.store.Update(p)
	}
	u.result.join(&p.result)
}

// carryOver adds to the record what is known of its subject under the other hash key: that
// it was forgotten, and its marks. An update that forgets does both keys by itself.
func (u *Update) carryOver(r *Record) {
	if u.other.generation > r.generation && u.verb != forget {
		r.startGeneration(u.other.generation)
	}
	u.marked = len(u.other.marks) > 0 && r.mergeMarks(&u.other, u.verb == forget || r.generation > u.other.generation)
}

// join makes r the stricter of both results, which are of the same rules. A count clears
// when both have.
func (r *updateResult) join(o *updateResult) {
	for i := range r.tallies {
		t := &r.tallies[i]
		t.count, t.clearsIn = max(t.count, o.tallies[i].count), max(t.clearsIn, o.tallies[i].clearsIn)
		t.held = t.held || o.tallies[i].held
	}
	for i := range r.elements {
		if len(o.elements[i]) > len(r.elements[i]) {
			r.elements[i] = o.elements[i]
		}
	}
	switch {
	case r.degraded && o.degraded:
		r.waited = r.waited && o.waited
	case o.degraded:
		r.degraded, r.waited = true, o.waited
	}
}
