package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

const newHashKey = "battery-0123456789-0123456789-0123456789"

// rekeyed is the configuration with other hash keys; previous may be empty.
func rekeyed(t *testing.T, config, key, previous string) string {
	t.Helper()
	text := "hash_key: " + key + "\n"
	if previous != "" {
		text += "hash_key_previous_file: " + writeFile(t, "previous.key", previous+"\n") + "\n"
	}
	require.Equal(t, 1, strings.Count(config, "hash_key: "+hashKey+"\n"))
	return strings.Replace(config, "hash_key: "+hashKey+"\n", text, 1)
}

// A fleet of two, under attack, gets another hash key, one instance after the other, until
// the old one is gone. Who is blocked stays blocked, who was forgiven stays so, and a login
// lives on.
func TestTheHashKeyChangesUnderAttack(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "starts seven programs")
	server := testbed.StartMemcached(t)
	old := sharing(server.Addr)
	changing, changed := rekeyed(t, old, newHashKey, hashKey), rekeyed(t, old, newHashKey, "")
	a, b := start(t, old), start(t, old)
	caller := login(t, a, a.addr)
	const blocked, forgiven, honest = "203.0.113.7", "203.0.113.8", "203.0.113.9"
	for _, ip := range []string{blocked, forgiven} {
		a.block(t, ip)
	}
	forget := func(at *program, ip string) {
		t.Helper()
		f, err := at.try(at.operators, "DELETE", "/v1/addresses/"+ip, "", "Authorization", basic("desk", analystPassword))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, f.status, f.body)
		for _, p := range []*program{a, b} { // an answer from a copy may run for a second more
			require.Eventually(t, func() bool { return p.settled(t, ip, "4000").Decision == "allow" }, prompt, prompt/1000)
		}
	}
	forget(b, forgiven)

	replace := func(p *program, config string) *program {
		t.Helper()
		next := start(t, config)
		p.signal(t, syscall.SIGTERM)
		code, _ := p.exitCode(t)
		require.Zero(t, code)
		return next
	}
	for step, change := range []func(){
		func() {},
		func() { a = replace(a, changing) },
		func() { b = replace(b, changing) },
		func() { a = replace(a, changed) },
		func() { b = replace(b, changed) },
	} {
		change()
		// Everything that counts is shown anew in each step, and so within the window of
		// the next.
		for i, p := range []*program{a, b} {
			assert.Equal(t, "block", p.settled(t, blocked, fmt.Sprint(2000+10*step+i)).Decision, "step %d", step)
			for card := range 3 {
				got := p.settled(t, honest, fmt.Sprint(3000+card))
				assert.Equal(t, "allow", got.Decision, "an honest shopper with three cards, step %d", step)
			}
			assert.Equal(t, "allow", p.settled(t, forgiven, "4000").Decision, "step %d", step)
		}
		for card := range 6 { // blocks under all keys in use, so that the next step sees it
			b.settled(t, blocked, fmt.Sprint(5000+card))
			a.settled(t, blocked, fmt.Sprint(5000+card))
		}

		burst := fmt.Sprintf("198.51.100.%d", step)
		var passed atomic.Int64
		var all sync.WaitGroup
		for card := range 60 {
			all.Go(func() {
				p := []*program{a, b}[card%2]
				answered, err := p.try(p.addr, "POST", "/v1/check", attempt(burst, fmt.Sprint(1000+card)))
				if assert.NoError(t, err) && answered.Decision != "block" {
					passed.Add(1)
				}
			})
		}
		all.Wait()
		assert.LessOrEqual(t, passed.Load(), int64(5), "step %d", step)
		assert.Positive(t, passed.Load(), "step %d", step)

		for _, p := range []*program{a, b} {
			if step < 3 { // the token was signed before there was a new key
				me := caller.ask(p, "GET", "/v1/me", "", "Authorization", "Bearer "+caller.Token)
				assert.Equal(t, http.StatusOK, me.status, "step %d: %s", step, me.body)
				assert.Equal(t, http.StatusOK, caller.ask(p, "GET", "/v1/me", "", "Cookie", caller.cookie).status, "step %d", step)
			}
		}
		if step == 2 {
			caller = login(t, a, a.addr)
		}
		if step > 2 {
			for _, p := range []*program{a, b} {
				assert.Equal(t, http.StatusOK, caller.ask(p, "GET", "/v1/me", "", "Cookie", caller.cookie).status, "step %d", step)
			}
		}
	}
	out := caller.ask(b, "POST", "/v1/logout", "", "Cookie", caller.cookie)
	assert.Equal(t, http.StatusNoContent, out.status, out.body)
	forget(b, blocked)
}

// The embedded store takes the records of its snapshot over from one key to the next.
func TestTheHashKeyChangesOverRestarts(t *testing.T) {
	t.Parallel()
	config, _ := remembering(t)
	stop := func(p *program) {
		t.Helper()
		p.signal(t, syscall.SIGTERM)
		code, _ := p.exitCode(t)
		require.Zero(t, code)
	}
	p := start(t, config)
	p.block(t, "203.0.113.7")
	stop(p)
	for range 2 { // the second time from a snapshot that both keys' records are in
		p = start(t, rekeyed(t, config, newHashKey, hashKey))
		p.await(t, p.stderr, `Remembering \d+ records? from the snapshot`)
		for card := range 6 {
			assert.Equal(t, "block", p.decide(t, "203.0.113.7", fmt.Sprint(2000+card)))
		}
		assert.Equal(t, "allow", p.decide(t, "203.0.113.8", "2000"))
		stop(p)
	}
	p = start(t, rekeyed(t, config, newHashKey, ""))
	assert.Equal(t, "block", p.decide(t, "203.0.113.7", "3000"))
	assert.Equal(t, "allow", p.decide(t, "203.0.113.8", "2000"))
}

func TestThePreviousHashKeyIsJudged(t *testing.T) {
	for name, tt := range map[string]struct{ config, wrong string }{
		"short":              {rekeyed(t, guarded, newHashKey, "short"), "hash_key_previous_file: wrong value; expected at least 32 bytes"},
		"the same":           {rekeyed(t, guarded, newHashKey, newHashKey), "hash_key_previous_file: wrong value; expected another key than the hash key"},
		"without a hash key": {strings.Replace(rekeyed(t, guarded, newHashKey, hashKey), "hash_key: "+newHashKey+"\n", "", 1), "hash_key_file: missing; expected the new hash key, where hash_key_previous_file names the one before it"},
		"not there":          {guarded + "hash_key_previous_file: " + filepath.Join(t.TempDir(), "nothing") + "\n", "hash_key_previous_file: cannot read "},
	} {
		for _, verb := range []string{"serve", "check-config"} {
			_, stderr, code := command(verb, "--config", writeFile(t, "fraudcheck.yaml", tt.config))
			assert.Equal(t, 1, code, "%s: %s", name, verb)
			assert.Contains(t, stderr, tt.wrong, "%s: %s", name, verb)
		}
	}
}

func TestCheckConfigSaysWhenThePreviousHashKeyMayGo(t *testing.T) {
	for config, want := range map[string]string{
		guarded: "1h0m0s",
		guarded + "rules: [{name: a, per: ip, count: cards, window: 48h, block_over: 3}, {name: b, per: ip, count: cards, window: 1m, block_over: 3}]\n": "48h0m0s",
		guarded + "rules: [{name: a, per: ip, count: cards, window: 1m, block_over: 3, hold: 2h}]\n":                                                     "2h0m0s",
		sharing("127.0.0.1:1"): "24h0m0s", // auth.tokens.refresh_ttl
	} {
		stdout, stderr, code := configCheck(t, "--config", writeFile(t, "fraudcheck.yaml", rekeyed(t, config, newHashKey, hashKey)))
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "# hash_key_previous_file may be taken out once every instance has run with it for "+want+"\n")
		assert.NotContains(t, stdout, hashKey)
	}
	stdout, _, _ := configCheck(t, "--config", writeFile(t, "fraudcheck.yaml", guarded))
	assert.NotContains(t, stdout, "may be taken out")
}
