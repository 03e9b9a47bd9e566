package operator_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// The tests of this package speak HTTP over a real connection to a port that has a
// real checker behind it. Only the time is theirs: it stands still until a test sets
// it.

const (
	asJSON = "Content-Type: application/json"
	asForm = "Content-Type: application/x-www-form-urlencoded"
	asText = "Content-Type: text/plain"
)

// unreachable is a shared store that nobody answers for.
func unreachable(t testing.TB, local *velocity.Memory) velocity.Store {
	t.Helper()
	return velocitytest.NewMemcached(t, local, memcached.Settings{Servers: []string{"127.0.0.1:1"}, Budget: 100 * time.Millisecond})
}

// A port is the operators' port of a fraudcheck.
type port struct {
	*doortest.Port
	all     *doortest.Fraudcheck
	checker *velocity.Checker
	memory  *velocity.Memory
	metrics *operator.Metrics

	ready    atomic.Bool
	attempts atomic.Int64
}

// open opens a port over the embedded store, with the default rule unless others are
// given; change may set it up otherwise.
func open(t testing.TB, rules []velocity.Rule, change ...func(*doortest.Setup)) *port {
	t.Helper()
	return openOver(t, rules, func(local *velocity.Memory) velocity.Store { return local }, change...)
}

// openUnreachable opens a port over a shared store that does not answer.
func openUnreachable(t testing.TB, rules ...velocity.Rule) *port {
	t.Helper()
	return openOver(t, rules, func(local *velocity.Memory) velocity.Store { return unreachable(t, local) })
}

func openOver(t testing.TB, rules []velocity.Rule, store func(*velocity.Memory) velocity.Store, change ...func(*doortest.Setup)) *port {
	t.Helper()
	if len(rules) == 0 {
		rules = []velocity.Rule{velocity.DefaultRule}
	}
	d := new(port)
	d.ready.Store(true)
	over := func(s *doortest.Setup) {
		s.Store(t, rules, store)
		s.Ready = d.ready.Load
	}
	d.all = doortest.Open(t, append([]func(*doortest.Setup){over}, change...)...)
	d.Port, d.checker, d.memory, d.metrics = d.all.Operators, d.all.Checker, d.all.Memory, d.all.Metrics
	return d
}

func sources(memory *velocity.Memory) operator.Sources {
	return operator.Sources{
		Memory:     memory.Stats,
		LogDropped: func() uint64 { return 0 }, DecisionLogDropped: func() uint64 { return 0 },
		ClockAhead: func() time.Duration { return 0 },
		Waits:      (*turns.Queue)(nil).Waits,
	}
}

// set moves the instance's time to so long after the start.
func (d *port) set(after time.Duration) { d.all.Set(after) }

func (d *port) now() velocity.Time { return d.all.Now() }

// attempt makes one of fields written name=value, with an attempt_id of its own.
func (d *port) attempt(t testing.TB, fields ...string) velocity.Attempt {
	t.Helper()
	var f velocity.Fields
	f.Set(velocity.FieldAttemptID, fmt.Sprintf("attempt %d", d.attempts.Add(1)))
	for _, pair := range fields {
		name, value, _ := strings.Cut(pair, "=")
		field, ok := velocity.FieldByName(name)
		require.True(t, ok && f.Set(field, value), pair)
	}
	a, err := velocity.ParseAttempt(&f)
	require.NoError(t, err)
	return a
}

// check is a check at the callers' door.
func (d *port) check(t testing.TB, fields ...string) *velocity.Decision {
	t.Helper()
	a, decision := d.attempt(t, fields...), new(velocity.Decision)
	d.checker.Check(&a, d.now(), nil, decision)
	return decision
}

// show has the address show that many different cards.
func (d *port) show(t testing.TB, address string, cards int, more ...string) {
	t.Helper()
	for n := range cards {
		d.check(t, append([]string{"ip=" + address, fmt.Sprintf("card_id=card %d", n)}, more...)...)
	}
}

// decline reports that the issuer declined a card that the address showed.
func (d *port) decline(t testing.TB, address string, card int) {
	t.Helper()
	a := d.attempt(t, "ip="+address, fmt.Sprintf("card_id=card %d", card))
	d.checker.Answered(&a, velocity.IssuerAnswer{Outcome: "declined", Reason: "other"}, d.now(), nil)
}

// ask sends a request of the analyst, with headers written as lines.
func (d *port) ask(t testing.TB, method, path, body string, headers ...string) doortest.Answer {
	t.Helper()
	return d.anonymous(t, method, path, body, append(headers, doortest.AsAnalyst)...)
}

// anonymous sends the request with these headers and no others.
func (d *port) anonymous(t testing.TB, method, path, body string, headers ...string) doortest.Answer {
	t.Helper()
	return d.Ask(t, doortest.Raw(method+" "+path, body, headers...))
}

var elements = regexp.MustCompile(`,"elements":\[[^]]*\]`)

// requireJSON requires a 200 with this object. Its rules are named without their elements,
// of which other tests tell.
func requireJSON(t testing.TB, want string, a doortest.Answer) {
	t.Helper()
	require.Equal(t, 200, a.Status, a.Body)
	assert.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.JSONEq(t, want, elements.ReplaceAllString(a.Body, ""))
}

// next is what the answer says of a known and of a new card.
func nextOf(t testing.TB, a doortest.Answer) [2]string {
	t.Helper()
	require.Equal(t, 200, a.Status, a.Body)
	next, ok := a.JSON["next"].(map[string]any)
	require.True(t, ok, a.Body)
	require.Len(t, next, 2)
	return [2]string{next["known_card"].(string), next["new_card"].(string)}
}

// counts are the rules' names and counts, in order, as name=count.
func countsOf(t testing.TB, a doortest.Answer) (counts []string) {
	t.Helper()
	require.Equal(t, 200, a.Status, a.Body)
	rules, ok := a.JSON["rules"].([]any)
	require.True(t, ok, a.Body)
	for _, r := range rules {
		rule := r.(map[string]any)
		counts = append(counts, fmt.Sprintf("%s=%v", rule["name"], rule["count"]))
	}
	return counts
}

// rule is one that counts cards, without a review stage.
func rule(name, per string, blockOver int) velocity.Rule {
	return velocity.Rule{Name: name, Per: per, Count: "cards", Window: time.Hour, BlockOver: blockOver,
		Retention: velocity.Sliding, Mode: velocity.Enforce}
}

func counting(r velocity.Rule, element string) velocity.Rule {
	r.Count = element
	return r
}

func shadow(r velocity.Rule) velocity.Rule {
	r.Mode = velocity.Shadow
	return r
}
