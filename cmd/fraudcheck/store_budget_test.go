package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// However a caller is authenticated, and however many subjects a check has, it waits for
// a memcached that hangs no longer than store.budget, all together, and is answered within
// limits.answer.
func TestACheckWaitsForTheStoreNoLongerThanItsBudget(t *testing.T) {
	for _, shorter := range []string{"budget: 5s", "answer: 10s"} {
		name, _, _ := strings.Cut(shorter, ":")
		t.Run(name, func(t *testing.T) { testLongestWait(t, shorter) })
	}
}

// testLongestWait runs the test with a setting of sharing that is made as short as a check
// may wait.
func testLongestWait(t *testing.T, shorter string) {
	const budget, margin = 200 * time.Millisecond, 60 * time.Millisecond
	server := testbed.StartMemcached(t)
	name, _, _ := strings.Cut(shorter, ":")
	settings := strings.Replace(sharing(server.Addr), shorter, name+": "+budget.String(), 1)
	settings = strings.Replace(settings, "rules:\n", `rules:
  - {name: cards_per_email, per: email, count: cards, window: 1h, block_over: 50}
  - {name: cards_per_device, per: device, count: cards, window: 1h, block_over: 50}
  - {name: cards_per_cart, per: cart, count: cards, window: 1h, block_over: 50}
`, 1)
	const body = `{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030,"email":"a@example.com","device":"d","cart":"c"}`
	one, other := start(t, settings), start(t, settings)
	for name, credentials := range map[string]func() []string{
		"Basic":   func() []string { return nil },
		"token":   func() []string { return []string{"Authorization", "Bearer " + login(t, one, one.addr).Token} },
		"session": func() []string { return []string{"Authorization", "", "Cookie", login(t, one, one.addr).cookie} },
	} {
		t.Run(name, func(t *testing.T) {
			var took time.Duration
			// A busy machine is slow now and then, or leaves no time to ask at all; a second
			// wait is always there.
			for range 20 {
				one.shared(t)
				other.shared(t)
				header := append(credentials(), "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin")
				server.Hang()
				since := time.Now()
				a, err := other.try(other.addr, "POST", "/v1/check", body, header...)
				took = time.Since(since)
				server.Resume()
				require.NoError(t, err)
				if name == "session" { // which the other instance cannot look up
					require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
				} else {
					require.Equal(t, http.StatusOK, a.status, a.body)
					require.True(t, a.Degraded)
				}
				if budget <= took && took < budget+margin {
					return
				}
			}
			assert.Fail(t, "it never waited as long as it may, and no longer", "at last %s", took)
		})
	}
}

func TestOnFailureIsWhatTheConfigurationSays(t *testing.T) {
	server := away(t)
	for _, decision := range []string{"allow", "block"} {
		p := start(t, strings.Replace(sharing(server.Addr), "kind: memcached,", "kind: memcached, on_failure: "+decision+",", 1))
		for _, last4 := range []string{"0000", "0001", "0002", "0003", "0004", "0005", "0006"} {
			a := p.check(t, "203.0.113.7", last4)
			assert.Equal(t, decision, a.Decision)
			assert.Contains(t, a.body, `"reasons":["store_failure"]`)
		}
	}
}

func TestOfTwoChecksInFlightOneIsRefusedWhereOneMayBe(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	p := start(t, strings.Replace(sharing(server.Addr), "answer: 10s", "answer: 10s, in_flight: 1", 1))
	p.shared(t)
	server.Hang()
	answers := make(chan answer, 2)
	for _, last4 := range []string{"0000", "0001"} {
		go func() {
			a, err := p.try(p.addr, "POST", "/v1/check", attempt("203.0.113.7", last4))
			assert.NoError(t, err)
			answers <- a
		}()
	}
	refused := <-answers
	assert.Equal(t, http.StatusServiceUnavailable, refused.status, refused.body)
	assert.Contains(t, refused.body, `"overloaded"`)
	server.Resume()
	assert.Equal(t, http.StatusOK, (<-answers).status)
}
