package velocity

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// testSubject is a plan with one list of each sort.
func testSubject(t require.TestingT) *subjectPlan {
	sliding, idle := DefaultRule, DefaultRule
	sliding.Window, sliding.ReviewOver, sliding.BlockOver = 20*MinWindow, 0, 2
	idle.Name, idle.Retention, idle.Window, idle.ReviewOver, idle.BlockOver = "idle", Idle, 10*MinWindow, 0, 3
	plan, err := NewPlan([]Rule{sliding, idle}, 64)
	require.NoError(t, err)
	return &plan.subjects[0]
}

// records draws what some instance might have come to know: attempts of few
// cards at few times, in some order, forgotten now and then, and marks. Of lists that
// the plan does not know it carries one.
func records(s *subjectPlan) *rapid.Generator[*Record] {
	attempt := rapid.Custom(func(t *rapid.T) [2]int {
		return [2]int{rapid.IntRange(0, 5).Draw(t, "card"), rapid.IntRange(0, 60).Draw(t, "second")}
	})
	return rapid.Custom(func(t *rapid.T) *Record {
		r := &Record{generation: uint64(rapid.IntRange(0, 9).Draw(t, "generation") / 8)}
		for _, a := range rapid.SliceOfN(attempt, 0, 8).Draw(t, "attempts") {
			at := Time(a[1]) * 1000
			for _, l := range s.lists {
				r.listFor(l.key).observe(uint64(a[0]), at, l.bound)
			}
			if a[0] == 5 {
				r.listFor(listKey{kind: 200}).observe(uint64(a[1]), at, MaxBlockOver+1)
			}
		}
		for _, m := range rapid.SliceOfN(marks(), 0, 4).Draw(t, "marks") {
			r.setMark(&m)
		}
		switch rapid.IntRange(0, 9).Draw(t, "many") {
		case 0:
			r.mergeMarks(manyMarks(false), false)
		case 1:
			r.mergeMarks(manyMarks(true), false)
		}
		return r
	})
}

func merged(s *subjectPlan, records ...*Record) *Record {
	out := new(Record)
	for _, r := range records {
		out.merge(r, s)
	}
	return out
}

// encodingOf is the only encoding of a record: equal bytes, equal records.
func encodingOf(r *Record) string { return string(r.append(nil)) }

func TestMergeIsCommutativeAssociativeAndIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := testSubject(t)
		some := records(s)
		a, b, c := some.Draw(t, "a"), some.Draw(t, "b"), some.Draw(t, "c")
		require.Equal(t, encodingOf(merged(s, a, b)), encodingOf(merged(s, b, a)), "commutative")
		require.Equal(t, encodingOf(merged(s, merged(s, a, b), c)), encodingOf(merged(s, a, merged(s, b, c))), "associative")
		require.Equal(t, encodingOf(merged(s, a)), encodingOf(merged(s, a, a)), "idempotent")
		require.Equal(t, encodingOf(merged(s, a, b)), encodingOf(merged(s, a, b, a, b)), "idempotent")
	})
}

// The naive model keeps every attempt for ever and looks at all of them.
type naive []struct {
	card uint64
	at   Time
}

func (n naive) seen() map[uint64]Time {
	seen := make(map[uint64]Time)
	for _, a := range n {
		seen[a.card] = max(seen[a.card], a.at)
	}
	return seen
}

func (n naive) sliding(now, window Time) (count int) {
	for _, at := range n.seen() {
		if now-at < window {
			count++
		}
	}
	return count
}

// idle goes back from now as long as no gap is a whole window.
func (n naive) idle(now, window Time) int {
	times := make([]Time, 0, len(n))
	for _, a := range n {
		times = append(times, a.at)
	}
	slices.Sort(times)
	began := now + 1
	for _, at := range slices.Backward(times) {
		if min(began, now)-at >= window {
			break
		}
		began = at
	}
	count := 0
	for _, at := range n.seen() {
		if at >= began {
			count++
		}
	}
	return count
}

func TestMergedCopiesCountWhatANaiveModelCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := testSubject(t)
		var all naive
		var copies []*Record
		for range rapid.IntRange(1, 4).Draw(t, "copies") {
			r := new(Record)
			for range rapid.IntRange(0, 12).Draw(t, "attempts") {
				card, at := rapid.Uint64Range(0, 7).Draw(t, "card"), Time(rapid.IntRange(0, 60).Draw(t, "second"))*1000
				all = append(all, naive{{card, at}}...)
				for _, l := range s.lists {
					r.listFor(l.key).observe(card, at, l.bound)
				}
			}
			copies = append(copies, r)
		}
		r := merged(s, copies...)
		now := Time(60_000 + rapid.IntRange(0, 30_000).Draw(t, "now"))
		r.prune(s, now)
		counts := map[string]int{}
		for _, l := range s.lists {
			if have := r.list(l.key); have == nil {
				counts["none"]++
			} else if l.key.idle == 0 {
				require.Equal(t, min(all.sliding(now, l.window), l.bound), have.within(now, l.window))
			} else {
				require.Equal(t, min(all.idle(now, l.window), l.bound), have.since(have.runs[0].began))
			}
		}
		if counts["none"] > 0 {
			require.Zero(t, min(all.sliding(now, 20_000), all.idle(now, 10_000)))
		}
	})
}

// listOf is the subject's list of that element and retention.
func (s *subjectPlan) listOf(element string, idle bool) *listPlan {
	i := slices.IndexFunc(s.lists, func(l listPlan) bool { return l.kind.element == element && (l.key.idle > 0) == idle })
	return &s.lists[i]
}

func TestCountsOverARandomHistoryEqualTheNaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := testSubject(t)
		var all naive
		r := new(Record)
		now := Time(0)
		for range rapid.IntRange(1, 60).Draw(t, "attempts") {
			now += Time(rapid.SampledFrom([]int{0, 1, 500, 4000, 9999, 10_000, 19_999, 20_000}).Draw(t, "pause"))
			card := rapid.Uint64Range(0, 5).Draw(t, "card")
			all = append(all, naive{{card, now}}...)
			r.prune(s, now)
			for _, l := range s.lists {
				r.listFor(l.key).observe(card, now, l.bound)
			}
			sliding, idle := s.listOf("cards", false), s.listOf("cards", true)
			require.Equal(t, min(all.sliding(now, sliding.window), sliding.bound), r.list(sliding.key).within(now, sliding.window))
			l := r.list(idle.key)
			require.Equal(t, min(all.idle(now, idle.window), idle.bound), l.since(l.runs[0].began))
		}
	})
}

func TestForgottenStaysForgotten(t *testing.T) {
	s := testSubject(t)
	key := s.lists[0].key
	r := new(Record)
	r.listFor(key).observe(1, 1000, 3)
	stale := merged(s, r) // another instance's copy, from before
	r.forget(1500)
	require.Empty(t, r.lists)
	require.Equal(t, encodingOf(r), encodingOf(merged(s, stale, r)))
	require.Equal(t, encodingOf(r), encodingOf(merged(s, r, stale)))

	r.listFor(key).observe(2, 2000, 3)
	require.Len(t, merged(s, stale, r).list(key).elements, 1, "what comes after is remembered")

	// Who forgets need not have known, nor that it was forgotten before.
	stranger := new(Record)
	stranger.forget(3000)
	require.Equal(t, encodingOf(stranger), encodingOf(merged(s, r, stranger)))
	r.forget(2500) // a clock behind: what comes later is higher all the same
	r.forget(2500)
	require.EqualValues(t, 2501, r.generation)
}

func TestListsOfOtherInstancesAreCarriedThrough(t *testing.T) {
	s := testSubject(t)
	foreign := listKey{kind: 200, idle: 5}
	r := new(Record)
	r.listFor(foreign).observe(1, 1000, 10)
	before := encodingOf(r)
	r.prune(s, 1_000_000_000)
	require.Equal(t, before, encodingOf(merged(s, r)))
}

func TestTimesFarAheadAreSetBack(t *testing.T) {
	s := testSubject(t)
	r := new(Record)
	for i, at := range []Time{0, 65_000, 120_000, 300_000} {
		for _, l := range s.lists {
			r.listFor(l.key).observe(uint64(i), at, 5)
		}
	}
	now := Time(10_000)
	r.prune(s, now)
	sliding, idle := r.list(s.listOf("cards", false).key), r.list(s.listOf("cards", true).key)
	require.Equal(t, []element{{2, 70_000}, {3, 70_000}, {1, 65_000}, {0, 0}}, sliding.elements)
	require.Equal(t, []run{{65_000, 70_000}}, idle.runs, "joined with what they now touch")
	require.Len(t, idle.elements, 3)
}

func TestARecordReusesItsMemory(t *testing.T) {
	s := testSubject(t)
	var r Record
	fill := func() {
		r.reset()
		for i := range 10 {
			for _, l := range s.lists {
				r.listFor(l.key).observe(uint64(i), Time(i), l.bound)
			}
		}
	}
	fill()
	require.Zero(t, testing.AllocsPerRun(100, fill))
}

func TestListsShareNoMemory(t *testing.T) {
	var r Record
	for _, kind := range []byte{9, 3, 7, 1} {
		r.listFor(listKey{kind: kind}).observe(uint64(kind), 1, 10)
	}
	r.list(listKey{kind: 3}).elements = r.list(listKey{kind: 3}).elements[:0]
	r.dropEmpty()
	r.listFor(listKey{kind: 5}).observe(5, 1, 10)
	r.listFor(listKey{kind: 2}).observe(2, 1, 10)
	got := map[byte]uint64{}
	for _, l := range r.lists {
		require.Len(t, l.elements, 1)
		got[l.key.kind] = l.elements[0].fingerprint
	}
	require.Equal(t, []byte{1, 2, 5, 7, 9}, slices.Sorted(maps.Keys(got)))
	for kind, fingerprint := range got {
		require.EqualValues(t, kind, fingerprint)
	}
}
