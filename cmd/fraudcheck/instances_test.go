package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Helpers for tests of several instances on one memcached.

const analystPassword = "wrong-donkey-capacitor"

// sharing configures an instance on the memcached at addr. Its time limits are long, so that a
// busy machine does not make answers degraded. A rule in shadow counts further than the
// default rule, whose count ends at six and would hide lost cards.
func sharing(addr string) string {
	return `
listen: 127.0.0.1:0
hash_key: ` + hashKey + `
limits: {answer: 10s}
store: {kind: memcached, budget: 5s, memory: {max_bytes: 16MiB}, memcached: {servers: ["` + addr + `"]}}
rules:
  - {name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}
  - {name: all_cards, per: ip, count: cards, window: 1h, block_over: 1000, mode: shadow}
auth:
  basic:
    users:
      - {username: checkout, password: ` + password + `}
      - {username: desk, password: ` + analystPassword + `, roles: [analyst]}
`
}

// startSharing starts n instances on the memcached at addr, with more configuration.
func startSharing(t *testing.T, addr string, n int, more ...string) (instances []*program) {
	t.Helper()
	for range n {
		instances = append(instances, start(t, sharing(addr)+strings.Join(more, "")))
	}
	return instances
}

// check shows a card; the answer must be a decision, whatever happens to memcached.
func (p *program) check(t *testing.T, ip, last4 string) answer {
	t.Helper()
	a := p.send(t, "POST", "/v1/check", attempt(ip, last4))
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.NotEmpty(t, a.Decision)
	require.NotEmpty(t, a.Rules)
	return a
}

// settled shows a card, which counts once, until the answer is not degraded.
func (p *program) settled(t *testing.T, ip, last4 string) (a answer) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		a, err = p.try(p.addr, "POST", "/v1/check", attempt(ip, last4))
		return err == nil && a.status == http.StatusOK && !a.Degraded
	}, prompt, 20*time.Millisecond)
	require.NotEmpty(t, a.Rules)
	return a
}

// heard shows a card until the instance knows that the address was forgotten elsewhere:
// for a second it may answer from its copy that the address is blocked.
func (p *program) heard(t *testing.T, ip, last4 string) (a answer) {
	t.Helper()
	require.Eventually(t, func() bool {
		a = p.check(t, ip, last4)
		return a.Decision != "block"
	}, prompt, 20*time.Millisecond)
	return a
}

// asAnalyst makes a request to the operators' API as an analyst.
func (p *program) asAnalyst(t *testing.T, method, path string) answer {
	t.Helper()
	a, err := p.try(p.operators, method, path, "", "Authorization", basic("desk", analystPassword))
	require.NoError(t, err)
	return a
}

// written waits until all instances have written their local answers, and this one knows
// that number of cards.
func (p *program) written(t *testing.T, ip string, cards int) {
	t.Helper()
	require.Eventually(t, func() bool {
		a := p.asAnalyst(t, "GET", "/v1/addresses/"+ip)
		return len(a.Rules) == 2 && a.Rules[1].Count == cards
	}, prompt, 20*time.Millisecond)
}

// shows requires that the instance knows that number of cards of the address.
func (p *program) shows(t *testing.T, ip string, cards int) {
	t.Helper()
	a := p.asAnalyst(t, "GET", "/v1/addresses/"+ip)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Len(t, a.Rules, 2)
	assert.Equal(t, min(cards, 6), a.Rules[0].Count, a.body)
	assert.Equal(t, cards, a.Rules[1].Count, a.body)
	assert.False(t, a.Degraded, a.body)
}

// fill shows that number of cards from one address, and returns the last answer.
func (p *program) fill(t *testing.T, ip string, cards int) (last answer) {
	t.Helper()
	for card := range cards {
		last = p.check(t, ip, fmt.Sprintf("%04d", card))
	}
	return last
}

// shared waits until the instance reaches memcached; it uses an address of its own.
func (p *program) shared(t *testing.T) {
	t.Helper()
	p.settled(t, "192.0.2.200", "0000")
}

// metric is one sample of /metrics.
func (p *program) metric(t *testing.T, sample string) string {
	t.Helper()
	a, err := p.try(p.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status)
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(sample) + ` (\S+)$`).FindStringSubmatch(a.body)
	require.NotNil(t, found, "%s in\n%s", sample, a.body)
	return found[1]
}
