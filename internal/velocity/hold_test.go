package velocity

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fraudcheck/internal/testbed"
)

// heldRules are a sliding and an idle rule on the cards of an IP address.
func heldRules(hold time.Duration, mode Mode) []Rule {
	return []Rule{
		{Name: "sliding", Per: "ip", Count: "cards", Window: 20 * time.Second, ReviewOver: 1, BlockOver: 2, Retention: Sliding, Hold: hold, Mode: mode},
		{Name: "idle", Per: "ip", Count: "cards", Window: 10 * time.Second, BlockOver: 3, Retention: Idle, Hold: hold, Mode: mode},
	}
}

func planOf(t require.TestingT, rules ...Rule) *Plan {
	plan, err := NewPlan(rules, 64)
	require.NoError(t, err)
	return plan
}

// attemptFrom shows a card from the address that these tests have.
func attemptFrom(card uint64) *Attempt {
	return &Attempt{
		Address: netip.MustParseAddr("203.0.113.7"), card: cardIdentity(fmt.Sprintf("%04d", card), 12, 2030),
		texts: [len(fields)]string{FieldAttemptID: "a"},
	}
}

// countOf is what the naive model counts for the rule at now.
func (n naive) countOf(r *Rule, now Time) int {
	if r.Retention == Idle {
		return n.idle(now, spanOf(r.Window))
	}
	return n.sliding(now, spanOf(r.Window))
}

// The naive model keeps every attempt, and for each rule the time of the last one that it
// found over block_over. Meanwhile rules are reloaded with other holds and modes, lists
// let attempts through, and the address is forgotten.
func TestHoldsOverARandomHistoryEqualTheNaiveModel(t *testing.T) {
	listed, err := NewLists([]Entry{{Net: netip.MustParsePrefix("203.0.113.0/24"), Outcome: Allow}})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		hold, mode := time.Duration(0), Enforce
		c := NewChecker(planOf(t, heldRules(hold, mode)...), testKeys(t), NewRecords())
		var all naive
		over := map[string]Time{}
		now := Time(1_000_000)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now += Time(rapid.SampledFrom([]int{0, 1, 900, 4000, 9999, 10_000, 29_999, 30_000}).Draw(t, "pause"))
			letThrough := false
			switch rapid.IntRange(0, 11).Draw(t, "what") {
			case 0:
				c.Forget(attemptFrom(0), "ip", now)
				all, over = nil, map[string]Time{}
				continue
			case 1:
				hold = rapid.SampledFrom([]time.Duration{0, 5 * time.Second, 30 * time.Second, MaxHold}).Draw(t, "hold")
			case 2:
				mode = rapid.SampledFrom([]Mode{Enforce, Enforce, Shadow}).Draw(t, "mode")
			case 3:
				letThrough = true
			}
			rules := heldRules(hold, mode)
			plan := planOf(t, rules...)
			if letThrough {
				plan = plan.With(listed)
			}
			c.Replace(plan)
			card := rapid.Uint64Range(0, 5).Draw(t, "card")
			all = append(all, naive{{card, now}}...)
			var d Decision
			c.Check(attemptFrom(card), now, nil, &d)
			for i := range rules {
				r := &rules[i]
				count := all.countOf(r, now)
				if count > r.BlockOver && hold > 0 && mode == Enforce && !letThrough {
					over[r.Name] = now
				}
				found, was := over[r.Name]
				left := found + spanOf(hold) - now
				held := was && left > 0
				got := d.Rules[i]
				require.Equal(t, min(count, r.BlockOver+1), got.Count)
				require.Equal(t, held, got.Held, r.Name)
				require.Equal(t, held || count > r.BlockOver, got.Outcome == Block)
				if held {
					require.GreaterOrEqual(t, got.ClearsIn, left.wholeSeconds())
				}
				if held && count <= r.limit() {
					require.Equal(t, left.wholeSeconds(), got.ClearsIn)
				}
			}
		}
	})
}

// Instances that do not hear of each other each find what they find. Merged, in whatever
// order and however often, their records hold from the latest of these times.
func TestMergedCopiesHoldFromTheLatestTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := heldRules(45*time.Second, Enforce)
		plan := planOf(t, rules...)
		over := map[string]Time{}
		var copies []*Record
		for range rapid.IntRange(1, 4).Draw(t, "copies") {
			store := NewRecords()
			c := NewChecker(plan, testKeys(t), store)
			var all naive
			now := Time(1_000_000)
			for range rapid.IntRange(0, 12).Draw(t, "attempts") {
				now += Time(rapid.IntRange(0, 6000).Draw(t, "pause"))
				card := rapid.Uint64Range(0, 5).Draw(t, "card")
				all = append(all, naive{{card, now}}...)
				var d Decision
				c.Check(attemptFrom(card), now, nil, &d)
				for i := range rules {
					if all.countOf(&rules[i], now) > rules[i].BlockOver {
						over[rules[i].Name] = max(over[rules[i].Name], now)
					}
				}
			}
			for _, r := range store.records {
				copies = append(copies, r)
			}
		}
		s := &plan.subjects[0]
		r := merged(s, rapid.Permutation(copies).Draw(t, "order")...)
		require.Equal(t, encodingOf(r), encodingOf(merged(s, append(copies, copies...)...)))
		u := Update{plan: plan, subject: s, now: 1_100_000 + Time(rapid.IntRange(0, 20_000).Draw(t, "later"))}
		r.prune(s, u.now)
		for i := range rules {
			left := over[rules[i].Name] + 45_000 - u.now
			require.Equal(t, max(0, left), u.holdLeft(r, &s.rules[i]))
		}
	})
}

func TestAHoldIsNeverLongerThanAMinuteMore(t *testing.T) {
	plan := planOf(t, heldRules(time.Hour, Enforce)...)
	u := Update{plan: plan, subject: &plan.subjects[0], now: testStart}
	r := new(Record)
	rp := &u.subject.rules[0]
	r.setMark(&mark{key: rp.mark, at: testStart + 300_000}) // by an instance with a fast clock
	r.prune(u.subject, u.now)
	require.Equal(t, spanOf(time.Hour)+ahead, u.holdLeft(r, rp))
}

// What no rule holds is written as programs write it that know no hold.
func TestWithoutAHoldARecordHasNoMark(t *testing.T) {
	for _, hold := range []time.Duration{0, time.Hour} {
		store := NewRecords()
		c := NewChecker(planOf(t, heldRules(hold, Enforce)...), testKeys(t), store)
		var d Decision
		for card := range uint64(6) {
			c.Check(attemptFrom(card), testStart, nil, &d)
		}
		require.Equal(t, Block, d.Outcome)
		for _, r := range store.records {
			require.Equal(t, byte(versionLists)+min(byte(len(r.marks)), 1), r.append(nil)[0])
			require.Equal(t, hold > 0, len(r.marks) > 0)
		}
	}
}

func TestRulesThatCountTheSameThingShareTheMark(t *testing.T) {
	short, long := heldRules(time.Hour, Enforce)[0], heldRules(48*time.Hour, Enforce)[0]
	long.Name, long.ReviewOver = "long", 0
	plan := planOf(t, short, long)
	s := &plan.subjects[0]
	require.Len(t, s.holds, 1)
	require.Equal(t, spanOf(48*time.Hour), s.life(s.rules[0].mark))
	require.Equal(t, spanOf(20*time.Second), s.window)
	require.Equal(t, spanOf(48*time.Hour), s.retain)
	require.Equal(t, planOf(t, heldRules(0, Enforce)...).subjects[0].worstSize()-64-4*13+maxMarkSize, s.worstSize())
}

func TestMoreHoldsThanARecordKeepsAreRefused(t *testing.T) {
	var rules []Rule
	for n := range maxOtherMarks + 1 {
		r := heldRules(time.Hour, Enforce)[0]
		r.Name, r.BlockOver = fmt.Sprint("r", n), 10+n
		rules = append(rules, r)
	}
	planOf(t, rules[1:]...)
	_, err := NewPlan(rules, 64)
	require.EqualError(t, err, "rules[32].hold: expected 0s: the rules before it on subject ip have 32 different holds, and a record keeps no more")
}

// The embedded store keeps what is held, in a flood and over a restart, and only that as
// long as the hold.
func TestTheEmbeddedStoreKeepsWhatIsHeld(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	held := DefaultRule
	held.Hold = 24 * time.Hour
	s := newShop(t, 1<<20, held)
	s.show(-2, 1, 0)
	for card := range 6 {
		s.show(-1, card, 0)
	}
	s.flood(2 * time.Hour)
	holds := func(s *shop, after time.Duration) bool {
		var d Decision
		a := Attempt{Address: netip.MustParseAddr("255.255.255.255"), card: cardIdentity("0001", 12, 2030)}
		s.Check(&a, testStart+spanOf(after), nil, &d)
		return d.Rules[0].Held && d.Outcome == Block
	}
	require.True(t, holds(s, 3*time.Hour))
	var snapshot bytes.Buffer
	require.NoError(t, s.memory.Save(&snapshot, testKeys(t)))
	s = newShop(t, 1<<20, held)
	require.Equal(t, 1, s.load(t, snapshot.Bytes(), 23*time.Hour), "the others have left")
	s.flood(23 * time.Hour)
	require.True(t, holds(s, 24*time.Hour-time.Millisecond))
	require.False(t, holds(s, 24*time.Hour))
}

// Forgotten within the longest hold, not only within the longest window: an older copy may
// have the mark.
func TestForgettingOutlivesTheHold(t *testing.T) {
	held := DefaultRule
	held.Hold = 24 * time.Hour
	plan := planOf(t, held)
	r := new(Record)
	r.forget(testStart)
	u := Update{plan: plan, subject: &plan.subjects[0], now: testStart}
	u.result.tallies = make([]tally, 1)
	require.GreaterOrEqual(t, u.ends(r), seconds(testStart+spanOf(24*time.Hour)))
	require.Equal(t, spanOf(MaxWindow), r.retain(u.subject))
	u.now += spanOf(24*time.Hour) - 1
	require.Equal(t, rankBlocked, u.rank(r, u.result.tallies))
	require.Equal(t, forgotten, u.urgency(r))
	u.now++
	require.Equal(t, rankOrdinary, u.rank(r, u.result.tallies))
	require.Equal(t, ordinary, u.urgency(r))
}

// A mark whose hold has ended costs nothing but its bytes.
func TestAnEndedHoldIsNotUrgent(t *testing.T) {
	held := DefaultRule
	held.Hold = 2 * time.Hour
	plan := planOf(t, held)
	s := &plan.subjects[0]
	u := Update{plan: plan, subject: s, now: testStart}
	u.result.tallies = make([]tally, 1)
	r := new(Record)
	require.Equal(t, spanOf(time.Hour), r.retain(s), "what is not held is kept for its window")
	r.setMark(&mark{key: s.rules[0].mark, at: testStart})
	for _, c := range []struct {
		after   Time
		rank    any
		urgency urgency
	}{{0, rankMarked, blocking}, {7_199_999, rankMarked, blocking}, {7_200_000, rankOrdinary, ordinary}} {
		u.now = testStart + c.after
		u.result.tallies[0] = u.tally(r, &s.rules[0])
		require.Equal(t, c.rank, u.rank(r, u.result.tallies))
		require.Equal(t, c.urgency, u.urgency(r))
	}
	require.Equal(t, spanOf(2*time.Hour), r.retain(s))
	r.setMark(&mark{key: markKey{kind: markHold, blockOver: 99}, at: testStart}) // of another instance's rule
	require.Equal(t, rankMarked, u.rank(r, u.result.tallies))
	require.Equal(t, blocking, u.urgency(r))
	require.Equal(t, spanOf(MaxWindow), r.retain(s))
	require.Equal(t, seconds(testStart+markLife)+1, u.ends(r))
}

func TestACheckUnderAHoldAllocatesNothing(t *testing.T) {
	testbed.SkipRace(t, "the race detector allocates")
	memory, err := NewMemory(MinMemoryBytes)
	require.NoError(t, err)
	c := NewChecker(planOf(t, heldRules(time.Hour, Enforce)...), testKeys(t), memory)
	var d Decision
	now, card := testStart, uint64(0)
	check := func() {
		now, card = now+1, card+1
		a := attemptFrom(card % 7)
		c.Check(a, now, nil, &d)
	}
	for range 100 {
		check()
	}
	baseline := testing.AllocsPerRun(100, func() { card++; _ = attemptFrom(card % 7) })
	require.LessOrEqual(t, testing.AllocsPerRun(1000, check), baseline)
	require.True(t, d.Rules[0].Held)
}
