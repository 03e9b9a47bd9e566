package replay

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// loggedLine is a line as package decisionlog writes it, of what the attempt shows. seq is
// that of the line before it.
func loggedLine(seq *int, ids *velocity.LogIDs, plan *velocity.Plan, at velocity.Time, kind, id string, a *velocity.Attempt, more map[string]any) string {
	subjects := map[string]string{}
	ids.All(a, plan, func(name string, id velocity.LogID) { subjects[name] = base64.RawURLEncoding.EncodeToString(id[:]) })
	*seq++
	line := map[string]any{"v": 1, "seq": *seq, "time": timeText(at), "instance": "web-1", "kind": kind, "attempt": id, "subjects": subjects}
	if word := a.CardWord(); word != "" {
		line["card"] = word
	}
	for k, v := range more {
		line[k] = v
	}
	text, _ := json.Marshal(line)
	return string(text) + "\n"
}

// A decision log, with its overrides and forgets, is judged as it was.
func TestADecisionLogIsDecidedAgainAsItWas(t *testing.T) {
	keys := velocitytest.NewKeys(t)
	ids, err := velocity.NewLogIDs([]byte(strings.Repeat("test key ", 4)))
	require.NoError(t, err)
	overridden := 0
	rapid.Check(t, func(t *rapid.T) {
		rules := ruleSets().Draw(t, "rules")
		plan := planOf(t, rules)
		memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
		require.NoError(t, err)
		checker := velocity.NewChecker(plan, keys, memory)
		now, seq := velocitytest.Start, 1
		var log, want strings.Builder
		log.WriteString(`{"v":1,"seq":1,"time":"2026-11-21T09:00:00.000Z","instance":"web-1","kind":"gap","lost":0}` + "\n")
		want.WriteString("row,decision,reasons,counts\n")
		for line := range rapid.IntRange(1, 40).Draw(t, "lines") {
			now += velocity.Time(rapid.SampledFrom([]int{-1, 0, 1, 500, 1000, 2000, 5000, 20_000}).Draw(t, "step"))
			var f velocity.Fields
			f.Set(velocity.FieldIP, rapid.SampledFrom([]string{"203.0.113.7", "203.0.113.8", "2001:db8::1", "2001:db8::2"}).Draw(t, "ip"))
			id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "attempt")
			f.Set(velocity.FieldAttemptID, id)
			f.Set(velocity.FieldEmail, rapid.SampledFrom([]string{"", "a@example.com", "A+1@example.com"}).Draw(t, "email"))
			word := rapid.SampledFrom([]string{"", "", "later"}).Draw(t, "card")
			kind := rapid.SampledFrom([]string{"check", "check", "check", "outcome", "forget", "override"}).Draw(t, "kind")
			if f.Set(velocity.FieldCard, word); word == "" {
				f.Set(velocity.FieldCardID, rapid.SampledFrom([]string{"c1", "c2", "c3", "c4"}).Draw(t, "card_id"))
				f.Set(velocity.FieldExpiry, rapid.SampledFrom([]string{"", "12/30", "11/29"}).Draw(t, "expiry"))
			}
			if kind == "outcome" {
				if word == "" && rapid.Bool().Draw(t, "now") {
					f.Set(velocity.FieldCard, "now")
				}
				f.Set(velocity.FieldOutcome, rapid.SampledFrom([]string{"declined", "approved"}).Draw(t, "outcome"))
				more := map[string]any{}
				if rapid.IntRange(0, 2).Draw(t, "told when") == 0 {
					at := timeText(now - velocity.Time(rapid.SampledFrom([]int{0, 500, 5000}).Draw(t, "before")))
					f.Set(velocity.FieldAt, at)
					more["at"] = at
				}
				a, answer, err := velocity.ParseOutcome(&f)
				require.NoError(t, err)
				checker.Answered(&a, answer, now, nil)
				more["outcome"], more["reason"] = answer.Outcome, answer.Reason
				log.WriteString(loggedLine(&seq, ids, plan, now, kind, id, &a, more))
				continue
			}
			a, err := velocity.ParseAttempt(&f)
			require.NoError(t, err)
			alone := velocity.Attempt{Address: a.Address}
			switch kind {
			case "forget":
				checker.Forget(&alone, "ip", now)
				log.WriteString(loggedLine(&seq, ids, plan, now, kind, "", &alone, map[string]any{"what": "ip"}))
			case "override":
				what, until := rapid.SampledFrom([]string{"allow", "block", "remove"}).Draw(t, "what"), now+3000
				more := map[string]any{"what": what}
				if what == "remove" {
					checker.RemoveOverride(&alone, now)
				} else {
					outcome := velocity.Allow
					if what == "block" {
						outcome = velocity.Block
					}
					checker.SetOverride(&alone, velocity.Override{Outcome: outcome, Until: until, By: "ana", Reason: "test"}, now)
					more["until"] = timeText(until)
				}
				log.WriteString(loggedLine(&seq, ids, plan, now, kind, "", &alone, more))
			default:
				var d velocity.Decision
				checker.Check(&a, now, nil, &d)
				log.WriteString(loggedLine(&seq, ids, plan, now, kind, id, &a, map[string]any{"decision": d.Outcome.String(), "degraded": false}))
				var counts []string
				for _, r := range d.Rules {
					counts = append(counts, fmt.Sprintf("%s=%d", r.Rule.Name, r.Count))
				}
				reasons := strings.Join(d.Reasons, " ")
				if reasons == "override" {
					overridden++
				}
				fmt.Fprintf(&want, "%d,%s,%s,%s\n", line+2, d.Outcome, reasons, strings.Join(counts, " "))
			}
		}
		if strings.Count(want.String(), "\n") == 1 {
			t.Skip("no check")
		}
		result, got := replayed(t, Options{Plan: plan, Stdin: strings.NewReader(log.String()), Sweeps: []string{rules[0].Name + " block_over=1..3 window=1s,10s"}})
		require.Equal(t, want.String(), got)
		cell := rapid.SampledFrom(result.Cells).Draw(t, "cell")
		one, _ := replayed(t, Options{Plan: planOf(t, replaced(rules, 0, cell.Rule)), Stdin: strings.NewReader(log.String())})
		require.Equal(t, one.Rules[0], cell)
	})
	require.NotZero(t, overridden)
}

// A log of a later version may have lines of kinds that this one does not know.
func TestLinesThatChangeNoRecordArePassedOver(t *testing.T) {
	log := logged(1, 0, "web-1", `"ip":"x","card":"y"`, "") +
		`{"v":1,"seq":2,"time":"2026-11-21T09:00:01.000Z","instance":"web-1","kind":"reload","what":"SIGHUP"}
{"v":1,"seq":3,"time":"2026-11-21T09:00:01.000Z","instance":"web-1","kind":"login_ended","what":"VJ8zq5","caller":"ana"}
{"v":1,"seq":4,"time":"2026-11-21T09:00:01.000Z","instance":"web-1","kind":"of_next_year","what":"it"}
` + logged(5, 2, "web-1", `"ip":"x","card":"z"`, "")
	r, err := Run(Options{Plan: planOf(t, []velocity.Rule{velocity.DefaultRule}), Files: []string{"-"}, Stdin: strings.NewReader(log)})
	require.NoError(t, err)
	assert.EqualValues(t, []int64{5, 2, 3, 0, 0}, []int64{r.Rows, r.Judged, r.Others, r.Malformed, r.Gaps})
}

func TestWhatADecisionLogCannotHoldIsRefused(t *testing.T) {
	const log = `{"v":1,"seq":1,"time":"2026-11-21T09:00:00.000Z","instance":"web-1","kind":"check","attempt":"a","degraded":true,"subjects":{"ip":"x","card":"y"}}
{"v":1,"seq":2,"time":"2026-11-21T09:00:00.000Z","instance":"web-1","kind":"gap","lost":7}
{"v":1,"seq":3,"time":"2026-11
`
	plan := planOf(t, []velocity.Rule{velocity.DefaultRule})
	lists, err := velocity.NewLists([]velocity.Entry{{Net: netip.MustParsePrefix("192.0.2.0/24")}})
	require.NoError(t, err)
	for want, o := range map[string]Options{
		"lists":      {Plan: plan.With(lists)},
		"--sort":     {Plan: plan, Sort: true},
		"no columns": {Plan: plan, Columns: Columns{Time: "time"}},
	} {
		o.Files, o.Stdin = []string{"-"}, strings.NewReader(log)
		_, err := Run(o)
		assert.ErrorContains(t, err, want)
	}
	r, err := Run(Options{Plan: plan, Files: []string{"-"}, Stdin: strings.NewReader(log), Columns: Columns{OutcomeAfter: 3 * time.Second}})
	require.NoError(t, err)
	assert.EqualValues(t, []int64{3, 1, 1, 1, 1}, []int64{r.Rows, r.Judged, r.Malformed, r.Degraded, r.Gaps})
}

// logged is a line of a check at that second of a minute, with more members.
func logged(seq, second int, instance, subjects, more string) string {
	return fmt.Sprintf(`{"v":1,"seq":%d,"time":"2026-11-21T09:00:%02d.000Z","instance":"%s","kind":"check","attempt":"a%d","subjects":{%s}%s}`+"\n", seq, second, instance, seq, subjects, more)
}

// The ids of IPv6 addresses depend on the prefix with which they were made.
func TestADecisionLogOfAnotherPrefixIsRefused(t *testing.T) {
	const gap = `{"v":1,"seq":1,"time":"2026-11-21T09:00:00.000Z","instance":"web-1","kind":"gap","lost":0}` + "\n"
	with := func(prefix int, text string) error {
		plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, prefix)
		require.NoError(t, err)
		_, err = Run(Options{Plan: plan, Files: []string{"-"}, Stdin: strings.NewReader(gap + text)})
		return err
	}
	of64, of56 := logged(2, 1, "web-1", `"ip":"x"`, ""), logged(2, 1, "web-1", `"ip":"x"`, `,"ipv6_prefix":56`)
	require.NoError(t, with(64, of64))
	require.NoError(t, with(56, of56))
	require.EqualError(t, with(64, of56), "ipv6_prefix: row 2 of the decision log was written with 56 and the configuration has 64: the ids of IPv6 addresses are others")
	require.ErrorContains(t, with(56, of64), "ipv6_prefix: row 2 of the decision log was written with 64 and the configuration has 56")
}

// docs/privacy.md takes all subjects out of the lines of one that is erased.
func TestALineOfAnErasedSubjectIsMalformed(t *testing.T) {
	text := logged(1, 1, "web-1", `"ip":"x","card":"y"`, "") + logged(2, 2, "web-1", "", "") + strings.Replace(logged(3, 3, "web-1", "", ""), "check", "outcome", 1)
	letters, r, err := decided(t, Options{Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	assert.Equal(t, "a", letters)
	assert.EqualValues(t, []int64{3, 1, 2}, []int64{r.Rows, r.Judged, r.Malformed})
	require.Len(t, r.Faults, 2)
	assert.Equal(t, "row 2: expected at least one subject; they may have been erased", r.Faults[0].Error())
}

// Files in the wrong order, or of several instances one behind the other, are no history;
// lines of several instances in the order of time are.
func TestDecisionLogsAreInOrder(t *testing.T) {
	a1, a2, b1, b2 := logged(7, 1, "web-1", `"ip":"x"`, ""), logged(8, 3, "web-1", `"ip":"x"`, ""), logged(11, 2, "web-2", `"ip":"x"`, ""), logged(12, 4, "web-2", `"ip":"x"`, "")
	late := logged(9, 2, "web-1", `"ip":"x"`, "") // a request that took longer than the one above it
	for _, text := range []string{a1 + a2 + late, a1 + b1 + a2 + b2} {
		_, _, err := decided(t, Options{Stdin: strings.NewReader(text)})
		require.NoError(t, err)
	}
	for _, text := range []string{a1 + a2 + b1, b2 + a1, a2 + a1} {
		_, _, err := decided(t, Options{Stdin: strings.NewReader(text)})
		require.ErrorContains(t, err, "is earlier than the line above it, and of another file or instance")
	}
}
