package callers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// The tests of this package speak HTTP over a real connection to a real checker.
// Only the time is theirs: it stands still until a test sets it.

// A port is the callers' port of a fraudcheck.
type port struct {
	*doortest.Port
	all *doortest.Fraudcheck
}

func open(t testing.TB, change ...func(*doortest.Setup)) *port {
	t.Helper()
	all := doortest.Open(t, change...)
	return &port{all.Callers, all}
}

func (p *port) set(after time.Duration) { p.all.Set(after) }

func newChecker(t testing.TB, rules ...velocity.Rule) *velocity.Checker {
	t.Helper()
	memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	return velocitytest.NewChecker(t, rules, memory)
}

// cardBody is an attempt at that address with one of many cards.
func cardBody(address string, card int) string {
	return fmt.Sprintf(`{"ip":%q,"last4":"%04d","exp_month":12,"exp_year":2030}`, address, card)
}

// check is a valid request of the checkout.
func check(address string, card int) string {
	return doortest.Raw("POST /v1/check", cardBody(address, card), doortest.AsCheckout)
}

// countOf is what the answer's only rule counted.
func countOf(t testing.TB, a doortest.Answer) int {
	t.Helper()
	rules, _ := a.JSON["rules"].([]any)
	require.Len(t, rules, 1, a.Body)
	return int(rules[0].(map[string]any)["count"].(float64))
}
