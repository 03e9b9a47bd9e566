package velocity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTimesOfOutcomes(t *testing.T) {
	const noon = 1795867200_000 // 2026-11-28T12:00:00Z
	require.EqualValues(t, noon, TimeOf(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)))
	for text, want := range map[string]int{
		"2026-11-28T12:00:00Z": noon, "2026-11-28t12:00:00z": noon, " 2026-11-28T12:00:00Z\n": noon,
		"2026-11-28T13:00:00+01:00": noon, "2026-11-28T03:30:00-08:30": noon, "2026-11-28T12:00:00-00:00": noon,
		"2026-11-28T12:00:00.5Z": noon + 500, "2026-11-28T12:00:00.1239Z": noon + 123, "2026-11-28T12:00:00.123456789+00:00": noon + 123,
		"1795867200": noon, "1795867200.25": noon + 250, "1795867200.1239": noon + 123, "1795867200.0000000001": noon, " 1795867200 ": noon,
		"1795867200123": noon + 123, "1795867200123.9": noon + 123,
		"0": 1, "1": 1000, "1969-12-31T23:59:59Z": 1, "0000-01-01T00:00:00Z": 1, "9999-12-31T23:59:59Z": 253402300799000,
		"99999999999": 99999999999000, "100000000000": 100000000000, "99999999999999": 99999999999999, "00001": 1000,

		"": 0, " ": 0, "now": 0, "-1": 0, "+1": 0, "1e9": 0, ".5": 0, "1.": 0, "1.5.5": 0, "1,5": 0, "0x10": 0, "1 795 867 200": 0,
		"100000000000000": 0, "1795867200123456": 0, "1795867200123456789": 0, "99999999999999999999": 0, "١٧٩٥٨٦٧٢٠٠": 0,
		"2026-11-28": 0, "2026-11-28T12:00:00": 0, "2026-11-28 12:00:00Z": 0, "2026-11-28T12:00Z": 0, "2026-11-28T12:00:00,5Z": 0,
		"2026-11-28T12:00:00+0100": 0, "2026-11-28T12:00:00 01:00": 0, "2026-11-28T24:00:00Z": 0, "2026-11-31T12:00:00Z": 0,
		"2026-11-28T9:00:00Z": 0, "26-11-28T12:00:00Z": 0, "2026-11-28T12:00:00+24:00": 0, "Sat, 28 Nov 2026 12:00:00 GMT": 0,
		"2026-11-28T12:00:00." + strings.Repeat("1", 8000) + "Z": noon + 111, strings.Repeat("1", 8000): 0,
	} {
		v, ok := judgeTime(text)
		require.Equal(t, want != 0, ok, "%.60q", text)
		if ok {
			require.Equal(t, want, v.number, text)
		}
	}
	_, err := ParseAttempt(fieldsOf("ip=203.0.113.7", "card_id=A", "attempt_id=a", "at=0"))
	require.NoError(t, err, "the decoder refuses it in a check")
	require.False(t, FieldAt.In(CheckRequest))
}

// What is taken is the same time, to the millisecond, in each of the forms.
func FuzzAt(f *testing.F) {
	for _, text := range []string{"2026-11-28T12:00:00Z", "2026-11-28t13:00:00.5+01:00", "1795867200", "1795867200.25", "1795867200123", "-1", "1."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, ok := judgeTime(text)
		if !ok {
			return
		}
		require.Positive(t, v.number, "%q", text)
		at := time.UnixMilli(int64(v.number)).UTC()
		forms := []string{at.Format(time.RFC3339Nano), fmt.Sprintf("%d.%03d", v.number/1000, v.number%1000)}
		if v.number >= 1e11 {
			forms = append(forms, strconv.Itoa(v.number))
		}
		for _, form := range forms {
			if v.number >= 1e14 && form != forms[0] {
				continue // after the year 5000: as a date only
			}
			again, ok := judgeTime(form)
			require.True(t, ok, form)
			require.Equal(t, v, again, "%q and %s", text, form)
		}
	})
}

// tell delivers an outcome at that time. at is when the issuer answered, 0 for not told.
func tell(t require.TestingT, c *Checker, now, at Time, pairs ...string) (late bool) {
	f := fieldsOf(pairs...)
	if at > 0 {
		f.Set(FieldAt, fmt.Sprintf("%d.%03d", at/1000, at%1000))
	}
	a, answer, err := ParseOutcome(f)
	require.NoError(t, err)
	return c.Answered(&a, answer, now, nil)
}

func outcomeCheckers(t require.TestingT, rules []Rule) (*knownRecords, *Checker) {
	plan, err := NewPlan(rules, 64)
	require.NoError(t, err)
	keys, err := NewKeys([]byte("a key of thirty-two bytes or more"))
	require.NoError(t, err)
	records := &knownRecords{Records: NewRecords(), subjects: map[Key]*subjectPlan{}}
	return records, NewChecker(plan, keys, records)
}

// Outcomes that were held up and come all at once, in any order, some of them twice, leave
// what they would have left had each come in time. Of an idle list that is so as far as a
// window goes back.
func TestOutcomesHeldUpCountAsThoseInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := func(name, per, count string, window time.Duration, retention Retention) Rule {
			return Rule{Name: name, Per: per, Count: count, Window: window, BlockOver: 4, Retention: retention, Mode: Enforce}
		}
		onTime, inTime := outcomeCheckers(t, []Rule{
			rule("a", "ip", "declined_cards", 10*time.Second, Sliding), rule("b", "ip", "declined_cards", 60*time.Second, Sliding),
			rule("c", "ip", "declined_cards", 20*time.Second, Idle), rule("d", "card", "declines", 30*time.Second, Sliding),
			rule("e", "email", "cards", 30*time.Second, Sliding),
		})
		heldUp, after := outcomeCheckers(t, inTime.Plan().Rules())
		type outcome struct {
			at     Time
			fields []string
		}
		var all []outcome
		now := Time(1_000_000)
		for n := range rapid.IntRange(1, 25).Draw(t, "outcomes") {
			now += Time(rapid.SampledFrom([]int{0, 1, 900, 4000, 9999, 10_000, 21_000}).Draw(t, "pause"))
			o := outcome{now, []string{"ip=203.0.113.7", "email=eve@example.com", "outcome=declined", "card=now", fmt.Sprintf("attempt_id=%d", n),
				"card_id=" + rapid.SampledFrom([]string{"A", "B", "C", "D", "E", "F", "G"}).Draw(t, "card")}}
			all = append(all, o)
			tell(t, inTime, now, 0, o.fields...)
		}
		now += Time(rapid.SampledFrom([]int{0, 5000, 15_000, 59_999}).Draw(t, "until"))
		all = rapid.Permutation(all).Draw(t, "order")
		all = append(all, all[:rapid.IntRange(0, len(all)).Draw(t, "again")]...)
		for _, o := range all {
			tell(t, after, now, o.at, o.fields...)
		}
		for key, r := range onTime.records {
			s, other := onTime.subjects[key], heldUp.records[key]
			if other == nil {
				other = new(Record)
			}
			r.prune(s, now)
			other.prune(s, now)
			for _, l := range s.lists {
				one, two := *r.listFor(l.key), *other.listFor(l.key)
				elements := one.elements[:one.within(now, l.window)]
				require.True(t, slices.Equal(elements, two.elements), "%v: %v and %v", l, elements, two.elements)
			}
		}
	})
}

func TestWhatIsLate(t *testing.T) {
	hour := func(per, count string, hours int) Rule {
		return Rule{Name: per + count, Per: per, Count: count, Window: time.Duration(hours) * time.Hour, BlockOver: 4, Retention: Sliding, Mode: Enforce}
	}
	const now = 100 * Time(3600_000)
	ago := func(d time.Duration) Time { return now - spanOf(d) }
	for _, c := range []struct {
		name   string
		rules  []Rule
		fields string
		at     Time
		late   bool
	}{
		{"in time", []Rule{hour("ip", "declined_cards", 1)}, "outcome=declined", ago(time.Hour - time.Millisecond), false},
		{"a window old", []Rule{hour("ip", "declined_cards", 1)}, "outcome=declined", ago(time.Hour), true},
		{"without a time", []Rule{hour("ip", "declined_cards", 1)}, "outcome=declined", 0, false},
		{"ahead", []Rule{hour("ip", "declined_cards", 1)}, "outcome=declined", now + 3600_000, false},
		{"a rule on cards does not count declines", []Rule{hour("ip", "declined_cards", 1), hour("ip", "cards", 24)}, "outcome=declined", ago(2 * time.Hour), true},
		{"but counts the card that is told", []Rule{hour("ip", "declined_cards", 1), hour("ip", "cards", 24)}, "outcome=declined card=now", ago(2 * time.Hour), false},
		{"until that is late too", []Rule{hour("ip", "declined_cards", 1), hour("ip", "cards", 24)}, "outcome=declined card=now", ago(24 * time.Hour), true},
		{"one of two windows", []Rule{hour("ip", "declined_cards", 1), hour("card", "declines", 3)}, "outcome=declined", ago(2 * time.Hour), false},
		{"both", []Rule{hour("ip", "declined_cards", 1), hour("card", "declines", 3)}, "outcome=declined", ago(3 * time.Hour), true},
		{"an approval, which counts nowhere", []Rule{hour("ip", "cards", 1), hour("email", "cards", 2)}, "outcome=approved", ago(time.Hour), false},
		{"of long ago", []Rule{hour("ip", "cards", 1), hour("email", "cards", 2)}, "outcome=approved", ago(2 * time.Hour), true},
		{"an approval that tells the card", []Rule{hour("ip", "cards", 1)}, "outcome=approved card=now", ago(time.Hour), true},
	} {
		records, checker := outcomeCheckers(t, c.rules)
		fields := append(strings.Fields(c.fields), "ip=203.0.113.7", "card_id=A", "attempt_id=a")
		require.Equal(t, c.late, tell(t, checker, now, c.at, fields...), c.name)
		if c.late {
			require.Empty(t, records.records, c.name)
		}
	}
}
