package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// away is a memcached that is not running yet: there is a port for it.
func away(t *testing.T) *testbed.TestMemcached {
	t.Helper()
	server := testbed.StartMemcached(t)
	server.Kill()
	return server
}

func TestOutageAtTheStart(t *testing.T) {
	t.Parallel()
	const tester, shopper = "203.0.113.7", "203.0.113.8"
	server := away(t)
	instances := startSharing(t, server.Addr, 2)
	one, other := instances[0], instances[1]
	for _, door := range []string{one.addr, one.operators} {
		a, err := one.try(door, "GET", "/readyz", "")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, a.status, "ready without memcached")
	}
	for n, want := range []string{"allow", "allow", "allow", "review", "review", "block", "block"} {
		a := one.check(t, tester, fmt.Sprintf("%04d", n))
		assert.True(t, a.Degraded, "card %d", n+1)
		assert.Equal(t, want, a.Decision, "card %d", n+1)
	}
	assert.Equal(t, "allow", other.check(t, shopper, "0000").Decision)
	assert.Equal(t, "allow", other.check(t, tester, "9000").Decision, "nobody could tell it")
	assert.Equal(t, "7", one.metric(t, `fraudcheck_degraded_checks_total{reason="store"}`))
	assert.Equal(t, "0", one.metric(t, `fraudcheck_store_up{server="`+server.Addr+`"}`))

	one.await(t, one.stderr, `memcached is not used, .*: 127\.0\.0\.1:\d+ refuses connections`)

	server.Start()
	one.shared(t)
	other.shared(t)
	a := one.check(t, tester, "0000")
	assert.False(t, a.Degraded)
	assert.Equal(t, "block", a.Decision, "what was counted alone is brought along")
	one.shows(t, tester, 7)
	a = other.check(t, tester, "9000")
	assert.False(t, a.Degraded)
	assert.Equal(t, "block", a.Decision)
	one.shows(t, tester, 8) // the other's too
	other.shows(t, tester, 8)
	other.shows(t, shopper, 1)
	assert.Equal(t, "1", one.metric(t, `fraudcheck_store_up{server="`+server.Addr+`"}`))
}

// A memcached that hangs takes connections and says nothing: a check waits for as long
// as it may (no longer, see TestACheckWaitsForTheStoreNoLongerThanItsBudget).
func TestOutageOfOneThatHangs(t *testing.T) {
	t.Parallel()
	const tester, budget = "203.0.113.7", 300 * time.Millisecond
	server := testbed.StartMemcached(t)
	settings := strings.Replace(sharing(server.Addr), "budget: 5s", "budget: "+budget.String(), 1)
	one, other := start(t, settings), start(t, settings)
	one.shared(t)
	server.Hang()
	var all sync.WaitGroup
	for card := range 6 {
		all.Go(func() {
			since := time.Now()
			a, err := one.try(one.addr, "POST", "/v1/check", attempt(tester, fmt.Sprintf("%04d", card)))
			assert.NoError(t, err)
			assert.Equal(t, http.StatusOK, a.status, a.body)
			assert.True(t, a.Degraded)
			assert.GreaterOrEqual(t, time.Since(since), budget)
		})
	}
	all.Wait()
	server.Resume()
	assert.Equal(t, "block", one.settled(t, tester, "0000").Decision)
	assert.Equal(t, "block", other.settled(t, tester, "0000").Decision)
	assert.Equal(t, 6, other.settled(t, tester, "0000").Rules[1].Count, "none of the six is lost")
}

func TestForgottenOnAllInstances(t *testing.T) {
	t.Parallel()
	const looked, asked = "203.0.113.7", "203.0.113.8"
	instances := startSharing(t, testbed.StartMemcached(t).Addr, 2)
	one, other := instances[0], instances[1]
	for _, ip := range []string{looked, asked} {
		one.fill(t, ip, 4)
		other.fill(t, ip, 6) // it has a copy, of all
		a := one.asAnalyst(t, "DELETE", "/v1/addresses/"+ip)
		require.Equal(t, http.StatusOK, a.status, a.body)
		assert.JSONEq(t, `{"still_blocked_by":[],"depends_on":[]}`, a.body)
	}
	one.shows(t, looked, 0)
	other.shows(t, looked, 0)
	for _, ip := range []string{looked, asked} { // of the second it has not even heard
		a := other.heard(t, ip, "7777")
		assert.Equal(t, "allow", a.Decision)
		assert.Equal(t, 1, a.Rules[0].Count, "its old copy brings nothing back")
		one.shows(t, ip, 1)
		other.shows(t, ip, 1)
	}
}

func TestForgottenDuringAnOutageIsToldWhenItIsOver(t *testing.T) {
	t.Parallel()
	const tester = "203.0.113.7"
	server := testbed.StartMemcached(t)
	instances := startSharing(t, server.Addr, 2)
	one, other := instances[0], instances[1]
	one.fill(t, tester, 6)
	assert.Equal(t, "block", other.fill(t, tester, 6).Decision)
	server.Kill()

	a := one.asAnalyst(t, "DELETE", "/v1/addresses/"+tester)
	assert.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	assert.Equal(t, "store_unreachable", a.Code)
	assert.NotEmpty(t, a.header.Get("Retry-After"))
	a = one.asAnalyst(t, "GET", "/v1/addresses/"+tester)
	require.Len(t, a.Rules, 2, a.body)
	assert.True(t, a.Degraded)
	assert.Zero(t, a.Rules[0].Count, "forgotten here")
	assert.Equal(t, "block", other.check(t, tester, "0000").Decision, "it cannot have heard")

	server.Start()
	one.shared(t)
	other.shared(t)
	a = other.heard(t, tester, "7777")
	assert.Equal(t, "allow", a.Decision)
	one.shows(t, tester, 1)
	other.shows(t, tester, 1)
}

// Whoever forgets need not have known: what was forgiven once before, and counted
// again since, is forgotten like anything else.
func TestForgottenByAnInstanceThatNeverKnewIt(t *testing.T) {
	t.Parallel()
	const tester = "203.0.113.7"
	server := testbed.StartMemcached(t)
	one := start(t, sharing(server.Addr))
	for range 2 {
		one.fill(t, tester, 6)
		require.Equal(t, http.StatusOK, one.asAnalyst(t, "DELETE", "/v1/addresses/"+tester).status)
	}
	assert.Equal(t, "block", one.fill(t, tester, 6).Decision)
	server.Kill()
	server.Start() // empty; only the first instance still knows
	other := start(t, sharing(server.Addr))
	require.Equal(t, http.StatusOK, other.asAnalyst(t, "DELETE", "/v1/addresses/"+tester).status)

	a := one.heard(t, tester, "7777")
	assert.Equal(t, "allow", a.Decision, "forgotten, by all")
	assert.Equal(t, 1, a.Rules[0].Count)
	one.shows(t, tester, 1)
	other.shows(t, tester, 1)
}
