package velocity

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// laterRules watch cards and what comes with them, from all sides.
func laterRules() []Rule {
	rule := func(per, count string, retention Retention) Rule {
		return Rule{Name: per + "_" + count + "_" + string(retention), Per: per, Count: count, Window: 10 * time.Second,
			BlockOver: 3, Retention: retention, Mode: Enforce}
	}
	return []Rule{
		rule("ip", "cards", Sliding), rule("ip", "cards", Idle), rule("ip", "emails", Sliding), rule("ip", "attempts", Sliding),
		rule("ip", "declined_cards", Sliding), rule("email", "cards", Sliding), rule("network", "cards", Idle),
		rule("card", "attempts", Sliding), rule("card", "ips", Idle), rule("card", "emails", Sliding), rule("card", "expiries", Sliding),
	}
}

// knownRecords know what their subjects are.
type knownRecords struct {
	*Records
	subjects map[Key]*subjectPlan
}

func (r *knownRecords) Update(u *Update) {
	r.subjects[u.key] = u.subject
	r.Records.Update(u)
}

// withoutCard is the check of the attempt before its card is known.
func withoutCard(t require.TestingT, f *Fields) Attempt {
	later := *f
	for _, field := range []Field{FieldCardID, FieldExpMonth, FieldExpYear} {
		later.values[field] = ""
		later.present &^= 1 << field
	}
	later.Set(FieldCard, cardLater)
	a, err := ParseAttempt(&later)
	require.NoError(t, err)
	return a
}

// A check without its card and the outcome that tells it leave in the records what a check
// with the card at the time of the outcome would have left; but for the attempts of other
// subjects than the card, which are told apart in another way.
func TestLaterAndNowEndAsOneCheck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		atOnce, whole := outcomeCheckers(t, laterRules())
		inTwo, parts := outcomeCheckers(t, laterRules())
		slow := rapid.Bool().Draw(t, "slow") // time passes between check and outcome
		now := Time(1_000_000)
		var d Decision
		for n := range rapid.IntRange(1, 25).Draw(t, "attempts") {
			f := fieldsOf(
				"ip="+rapid.SampledFrom([]string{"203.0.113.7", "203.0.113.8"}).Draw(t, "ip"),
				"card_id="+rapid.SampledFrom([]string{"A", "B", "C", "D", "E"}).Draw(t, "card"),
				"exp_month="+rapid.SampledFrom([]string{"1", "2"}).Draw(t, "month"), "exp_year=30",
				"email="+rapid.SampledFrom([]string{"", "eve@example.com"}).Draw(t, "email"),
				fmt.Sprintf("attempt_id=%d", n))
			now += Time(rapid.SampledFrom([]int{0, 1, 900, 4000, 9999, 10_000}).Draw(t, "pause"))
			before := withoutCard(t, f)
			parts.Check(&before, now, nil, &d)
			if slow {
				now += Time(rapid.IntRange(0, 5000).Draw(t, "charge"))
			}
			a, err := ParseAttempt(f)
			require.NoError(t, err)
			whole.Check(&a, now, nil, &d)

			f.Set(FieldCard, cardNow)
			f.Set(FieldOutcome, rapid.SampledFrom([]string{"approved", "error"}).Draw(t, "outcome"))
			told, answer, err := ParseOutcome(f)
			require.NoError(t, err)
			for range rapid.IntRange(1, 2).Draw(t, "deliveries") {
				parts.Answered(&told, answer, now, nil)
			}
		}
		for key, r := range atOnce.records {
			s, other := atOnce.subjects[key], inTwo.records[key]
			require.NotNil(t, other)
			r.prune(s, now)
			other.prune(s, now)
			for _, l := range s.lists {
				told := s.completes(l.kind)
				if l.kind.completes || !told && (slow || l.kind.from == fromAttempt) {
					continue // not what the outcome tells
				}
				one, two := r.list(l.key), other.list(l.key)
				require.Equal(t, one == nil, two == nil, "%v", l)
				if one != nil {
					require.True(t, slices.Equal(one.elements, two.elements), "%v: %v and %v", l, one.elements, two.elements)
					require.True(t, slices.Equal(one.runs, two.runs), "%v: %v and %v", l, one.runs, two.runs)
				}
			}
		}
	})
}

// Delivered again, whatever it says, the outcome that tells the card changes nothing.
func TestAnOutcomeThatTellsTheCardIsTakenOnce(t *testing.T) {
	for _, outcome := range []string{"approved", "error", "declined"} {
		records, c := outcomeCheckers(t, laterRules())
		tell := func(attempt, outcome string, now Time) {
			tell(t, c, now, 0, "ip=203.0.113.7", "card_id=A", "card=now", "attempt_id="+attempt, "outcome="+outcome)
		}
		all := func() (encoded map[Key]string) {
			encoded = make(map[Key]string)
			for key, r := range records.records {
				encoded[key] = encodingOf(r)
			}
			return encoded
		}
		tell("a", outcome, 1_000_000)
		before := all()
		tell("a", outcome, 1_001_000)
		tell("a", "approved", 1_002_000)
		require.Equal(t, before, all(), outcome)
		tell("b", outcome, 1_003_000)
		require.NotEqual(t, before, all(), "another attempt is news")
		before = all()
		tell("b", "declined", 1_004_000)
		require.Equal(t, outcome == "declined", fmt.Sprint(before) == fmt.Sprint(all()), "a decline after another outcome is news too")
	}
}

func TestWhatIsWrongWithTheCardWord(t *testing.T) {
	base := []string{"ip=203.0.113.7", "attempt_id=a"}
	for _, c := range []struct {
		fields  string // beside the base, separated by blanks
		outcome bool
		field   Field
		missing bool
	}{
		{"card=now card_id=A", false, FieldCard, false},
		{"card=now", false, FieldCard, false},
		{"card=soon", false, FieldCard, false},
		{"card=Later", false, FieldCard, false},
		{"card=later card_id=A", false, FieldCard, false},
		{"card=later last4=4242", false, FieldCard, false},
		{"card=later exp_month=13", false, FieldCard, false},
		{"card=later exp_year=30", false, FieldCard, false},
		{"", false, FieldLast4, true},
		{"card=", false, FieldLast4, true},
		{"card=now", true, FieldLast4, true},
		{"card=now last4=4242", true, FieldExpMonth, true},
		{"card=later card_id=A", true, FieldCard, false},
		{"card=soon card_id=A", true, FieldCard, false},
		{"", true, FieldLast4, true},
	} {
		f := fieldsOf(append(strings.Fields(c.fields), base...)...)
		_, err := ParseAttempt(f)
		if c.outcome {
			f.Set(FieldOutcome, "declined")
			_, _, err = ParseOutcome(f)
		}
		var wrong *FieldError
		require.ErrorAs(t, err, &wrong, c.fields)
		require.Equal(t, c.field, wrong.Field, c.fields)
		require.Equal(t, c.missing, wrong.Missing, c.fields)
	}
	for _, good := range []string{"card=later", "card=later card_id= last4= exp_month=", "card= card_id=A"} {
		f := fieldsOf(append(strings.Fields(good), base...)...)
		_, err := ParseAttempt(f)
		require.NoError(t, err, good)
		f.Set(FieldOutcome, "declined")
		_, _, err = ParseOutcome(f)
		require.NoError(t, err, good)
	}
}

func TestAnUnboundedLaterIsTold(t *testing.T) {
	rule := func(per, count string, mode Mode) Rule {
		return Rule{Name: per + "_" + count, Per: per, Count: count, Window: time.Hour, BlockOver: 3, Retention: Sliding, Mode: mode}
	}
	for _, c := range []struct {
		rules     []Rule
		card      string
		unbounded bool
	}{
		{[]Rule{DefaultRule}, "card=later", true},
		{[]Rule{DefaultRule}, "card_id=A", false},
		{[]Rule{DefaultRule, rule("ip", "attempts", Enforce)}, "card=later", false},
		{[]Rule{DefaultRule, rule("ip", "attempts", Shadow)}, "card=later", true},
		{[]Rule{rule("email", "attempts", Enforce), DefaultRule}, "card=later", true}, // no e-mail is sent
		{[]Rule{rule("card", "attempts", Enforce)}, "card=later", true},
		{[]Rule{rule("cart", "attempts", Enforce)}, "card=later", false},
	} {
		a := parseAttempt(t, "ip=203.0.113.7", "attempt_id=a", "cart=c", c.card)
		var d Decision
		_, checker := outcomeCheckers(t, c.rules)
		checker.Check(&a, 0, nil, &d)
		require.Equal(t, c.unbounded, d.UnboundedLater, "%v %s", c.rules, c.card)
	}
}
