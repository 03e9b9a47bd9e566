// Package velocitytest is for tests of several packages: it reads and runs scenario
// files, and has the contract that every store keeps.
//
// A scenario is a story an analyst can read. Its lines are:
//
//	# a comment; those on top tell the story
//	rule NAME PER COUNT WINDOW [review N] block N [hold D] [idle] [shadow]
//	list allow|block NETWORK [until CLOCK]
//	guard review|allow [NETWORK ...]
//	CLOCK check ADDRESS CARD [field=value ...] -> DECISION COUNT ...
//	CLOCK declined|approved|error ADDRESS CARD [field=value ...]
//	CLOCK override ADDRESS allow|block D
//	CLOCK remove-override ADDRESS
//	CLOCK forget ADDRESS
//
// The last three are what an analyst does; an override is in force for D.
//
// CLOCK is the time since the scenario began; 0s+30s*100 stands for a hundred
// lines, 30 s apart. ADDRESS may be no_ip:REASON. CARD is 4242/1230 (last four
// digits, expiry; 4242 alone where a field tells the expiry), with 4242+ counting
// up line by line, or id:FINGERPRINT, or later. The field at, of an outcome, is a
// CLOCK too. COUNT is a number when one rule
// answers, otherwise rule=number for each that does, in configuration order;
// rule=3~120 adds that it clears in 120 s, and rule=3! that a hold runs. A rule
// that the line does not name must be left out of the answer.
package velocitytest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

// A Scenario is one file.
type Scenario struct {
	Name    string
	Rules   []velocity.Rule
	Entries []velocity.Entry
	Guard   *velocity.CollapseGuard // nil: none
	Steps   []Step
}

// Plan returns the plan of the scenario's rules, lists and guard.
func (s *Scenario) Plan(t testing.TB) *velocity.Plan {
	plan, err := velocity.NewPlan(s.Rules, 64)
	require.NoError(t, err)
	lists, err := velocity.NewLists(s.Entries)
	require.NoError(t, err)
	if s.Guard != nil {
		plan = plan.WithGuard(*s.Guard)
	}
	return plan.With(lists)
}

// A Step is one call at one time.
type Step struct {
	Line   int
	At     velocity.Time
	Fields velocity.Fields
	Want   *Answer // nil for an outcome
	Change *Change // what an analyst does in place of a call; nil for none
}

// A Change is what an analyst does to an address.
type Change struct {
	verb    string
	attempt velocity.Attempt // has the address only
	set     velocity.Override
}

// Make makes the change at the checker's instance.
func (c *Change) Make(t testing.TB, checker *velocity.Checker, at velocity.Time) {
	shared := true
	switch c.verb {
	case "override":
		o := c.set
		o.Until += at
		_, shared = checker.SetOverride(&c.attempt, o, at)
	case "remove-override":
		shared = checker.RemoveOverride(&c.attempt, at)
	case "forget":
		shared = checker.Forget(&c.attempt, "ip", at)
	}
	require.True(t, shared)
}

// An Answer is the expected answer to a check.
type Answer struct {
	Decision string
	Rules    []RuleAnswer
}

// A RuleAnswer is one rule's part of it. ClearsIn is in seconds, -1 where the scenario
// expects nothing.
type RuleAnswer struct {
	Name     string
	Count    int
	ClearsIn int
	Held     bool
}

// Start is the time at which scenarios begin.
var Start = velocity.TimeOf(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))

// A Driver makes one call and returns the answer, nil for an outcome.
type Driver func(t *testing.T, step *Step) *Answer

// Load reads every scenario of the folder.
func Load(t *testing.T, folder string) (all []*Scenario) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		all = append(all, parse(t, file))
	}
	return all
}

// RunAll runs every scenario of the folder as a subtest, each with a driver of its own.
func RunAll(t *testing.T, folder string, start func(t *testing.T, plan *velocity.Plan) Driver) {
	for _, s := range Load(t, folder) {
		t.Run(s.Name, func(t *testing.T) {
			drive := start(t, s.Plan(t))
			for i := range s.Steps {
				step := &s.Steps[i]
				got := drive(t, step)
				if step.Want != nil {
					ignore(got, step.Want)
				}
				require.Equal(t, step.Want, got, "%s:%d", s.Name, step.Line)
			}
		})
	}
}

// ignore drops from the answer what the scenario does not expect.
func ignore(got, want *Answer) {
	for i := range min(len(got.Rules), len(want.Rules)) {
		if want.Rules[i].Name == "" {
			got.Rules[i].Name = ""
		}
		if want.Rules[i].ClearsIn < 0 {
			got.Rules[i].ClearsIn = -1
		}
	}
}

func parse(t *testing.T, file string) *Scenario {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	s := &Scenario{Name: strings.TrimSuffix(filepath.Base(file), ".txt")}
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if words[0] == "rule" {
			s.Rules = append(s.Rules, parseRule(t, words[1:]))
			continue
		}
		if words[0] == "list" {
			s.Entries = append(s.Entries, parseEntry(t, words[1:]))
			continue
		}
		if words[0] == "guard" {
			s.Guard = parseGuard(t, words[1:])
			continue
		}
		s.Steps = append(s.Steps, parseSteps(t, i+1, words)...)
	}
	require.NotEmpty(t, s.Rules, file)
	require.NotEmpty(t, s.Steps, file)
	return s
}

func parseRule(t *testing.T, words []string) velocity.Rule {
	r := velocity.Rule{Name: words[0], Per: words[1], Count: words[2], Window: duration(t, words[3]),
		Retention: velocity.Sliding, Mode: velocity.Enforce}
	for words = words[4:]; len(words) > 0; words = words[1:] {
		switch words[0] {
		case "idle":
			r.Retention = velocity.Idle
		case "shadow":
			r.Mode = velocity.Shadow
		case "review":
			r.ReviewOver, words = number(t, words[1]), words[1:]
		case "hold":
			r.Hold, words = duration(t, words[1]), words[1:]
		case "block":
			r.BlockOver, words = number(t, words[1]), words[1:]
		default:
			require.Fail(t, "a rule has no "+words[0])
		}
	}
	return r
}

func parseGuard(t *testing.T, words []string) *velocity.CollapseGuard {
	g := &velocity.CollapseGuard{AtMost: map[string]velocity.Outcome{"review": velocity.Review, "allow": velocity.Allow}[words[0]]}
	for _, text := range words[1:] {
		network, ok := velocity.ParseNetwork(text)
		require.True(t, ok, text)
		g.Networks = append(g.Networks, network)
	}
	return g
}

func parseEntry(t *testing.T, words []string) velocity.Entry {
	network, ok := velocity.ParseNetwork(words[1])
	require.True(t, ok, words[1])
	e := velocity.Entry{Net: network, Outcome: velocity.Allow}
	if words[0] == "block" {
		e.Outcome = velocity.Block
	}
	if len(words) > 2 {
		e.Until = time.UnixMilli(int64(Start)).Add(duration(t, words[3]))
	}
	return e
}

func parseSteps(t *testing.T, line int, words []string) (steps []Step) {
	clock, verb, rest := words[0], words[1], words[2:]
	first, times, _ := strings.Cut(clock, "*")
	first, every, _ := strings.Cut(first, "+")
	at, step, n := duration(t, first), time.Duration(0), 1
	if times != "" {
		step, n = duration(t, every), number(t, times)
	}
	var want *Answer
	for i, w := range rest {
		if w == "->" {
			want = parseAnswer(t, rest[i+1:])
			rest = rest[:i]
			break
		}
	}
	if verb == "override" || verb == "remove-override" || verb == "forget" {
		return []Step{{Line: line, At: Start + velocity.Time(at.Milliseconds()), Change: parseChange(t, verb, rest)}}
	}
	require.Equal(t, verb == "check", want != nil, "line %d: a check says what it expects", line)
	for i := range n {
		s := Step{Line: line, At: Start + velocity.Time((at + time.Duration(i)*step).Milliseconds())}
		fill(t, &s.Fields, verb, rest, i)
		if want != nil {
			w := *want
			s.Want = &w
		}
		steps = append(steps, s)
	}
	return steps
}

func parseChange(t *testing.T, verb string, words []string) *Change {
	address, ok := velocity.ParseAddress(words[0])
	require.True(t, ok, words[0])
	c := &Change{verb: verb, attempt: velocity.Attempt{Address: address}}
	if verb == "override" {
		c.set = velocity.Override{By: "ana", Reason: "a story", Until: velocity.Time(duration(t, words[2]).Milliseconds())}
		if words[1] == "block" {
			c.set.Outcome = velocity.Block
		}
	}
	return c
}

func fill(t *testing.T, f *velocity.Fields, verb string, words []string, repetition int) {
	if reason, without := strings.CutPrefix(words[0], "no_ip:"); without {
		f.Set(velocity.FieldNoIP, reason)
	} else {
		f.Set(velocity.FieldIP, words[0])
	}
	if id, ok := strings.CutPrefix(words[1], "id:"); ok {
		f.Set(velocity.FieldCardID, id)
	} else if words[1] == "later" {
		f.Set(velocity.FieldCard, words[1])
	} else {
		last4, expiry, told := strings.Cut(words[1], "/")
		if counting, ok := strings.CutSuffix(last4, "+"); ok {
			last4 = fmt.Sprintf("%04d", number(t, counting)+repetition)
		}
		f.Set(velocity.FieldLast4, last4)
		if told {
			f.Set(velocity.FieldExpMonth, expiry[:2])
			f.Set(velocity.FieldExpYear, expiry[2:])
		}
	}
	for _, w := range words[2:] {
		name, value, _ := strings.Cut(w, "=")
		field, ok := velocity.FieldByName(name)
		require.True(t, ok, name)
		if field == velocity.FieldAt {
			value = time.UnixMilli(int64(Start)).Add(duration(t, value)).UTC().Format(time.RFC3339Nano)
		}
		f.Set(field, value)
	}
	if verb != "check" {
		f.Set(velocity.FieldOutcome, verb)
	}
}

func parseAnswer(t *testing.T, words []string) *Answer {
	a := &Answer{Decision: words[0]}
	for _, w := range words[1:] {
		r := RuleAnswer{ClearsIn: -1}
		if name, rest, named := strings.Cut(w, "="); named {
			r.Name, w = name, rest
		}
		w, r.Held = strings.CutSuffix(w, "!")
		count, clears, said := strings.Cut(w, "~")
		r.Count = number(t, count)
		if said {
			r.ClearsIn = number(t, clears)
		}
		a.Rules = append(a.Rules, r)
	}
	return a
}

func duration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// CheckerDriver returns a driver that calls a checker on the store.
func CheckerDriver(t *testing.T, plan *velocity.Plan, store velocity.Store) Driver {
	c := velocity.NewChecker(plan, NewKeys(t), store)
	attempts := 0
	return func(t *testing.T, step *Step) *Answer {
		if step.Change != nil {
			step.Change.Make(t, c, step.At)
			return nil
		}
		f := step.Fields
		if !f.Has(velocity.FieldAttemptID) {
			attempts++
			f.Set(velocity.FieldAttemptID, fmt.Sprintf("attempt %d", attempts))
		}
		if step.Want == nil {
			a, answer, err := velocity.ParseOutcome(&f)
			require.NoError(t, err)
			c.Answered(&a, answer, step.At, nil)
			return nil
		}
		a, err := velocity.ParseAttempt(&f)
		require.NoError(t, err)
		var d velocity.Decision
		c.Check(&a, step.At, nil, &d)
		return answerOf(&d)
	}
}

func answerOf(d *velocity.Decision) *Answer {
	a := &Answer{Decision: d.Outcome.String()}
	for _, r := range d.Rules {
		a.Rules = append(a.Rules, RuleAnswer{Name: r.Rule.Name, Count: r.Count, ClearsIn: r.ClearsIn, Held: r.Held})
	}
	return a
}

// NewChecker returns a checker with the rules and NewKeys.
func NewChecker(t testing.TB, rules []velocity.Rule, store velocity.Store) *velocity.Checker {
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	return velocity.NewChecker(plan, NewKeys(t), store)
}

// NewKeys returns keys of a hash key for tests.
func NewKeys(t testing.TB) *velocity.Keys {
	keys, err := velocity.NewKeys([]byte(strings.Repeat("test key ", 4)))
	require.NoError(t, err)
	return keys
}
