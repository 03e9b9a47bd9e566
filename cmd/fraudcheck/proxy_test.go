package main

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// The worst accident: the checkout sends the public address of the shop's own proxy, so that
// all shoppers are one, and blocked. It is alarmed at 200 attempts, and one run of the command
// that the log gives lets all of them buy, whichever instance they meet.
func TestAShopBehindOnePublicProxyIsFreedByTheCommandInTheLog(t *testing.T) {
	t.Parallel()
	instances := startSharing(t, testbed.StartMemcached(t).Addr, 2, "log: {ip: full}\n")
	const proxy = "203.0.113.7"
	for _, p := range instances {
		p.shared(t)
	}
	share := func(p *program) float64 {
		value, err := strconv.ParseFloat(p.metric(t, "fraudcheck_top_subject_share"), 64)
		require.NoError(t, err)
		return value
	}
	blocked := 0
	attempts := func(from, to int) {
		for n := from; n < to; n++ {
			for i, p := range instances {
				if p.check(t, proxy, fmt.Sprintf("%04d", 2*n+i)).Decision == "block" {
					blocked++
				}
			}
		}
	}
	attempts(0, 190)
	for _, p := range instances {
		assert.Zero(t, share(p), "fewer than 200 checks are no alarm")
	}
	attempts(190, 200)
	for _, p := range instances {
		require.Eventually(t, func() bool { return share(p) > 0.9 }, prompt, 50*time.Millisecond, "a second after 200 attempts at an instance")
	}
	assert.Equal(t, 395, blocked, "the shop is down: five cards have passed")

	command := instances[0].await(t, instances[0].stderr,
		`WARNING .*let them buy until then: curl -u YOU -X PUT http://(\S+?)(/v1/addresses/203\.0\.113\.7/override) -H 'Content-Type: application/json' -d '(\{[^']*\})'`)
	require.Equal(t, instances[0].operators, command[1])
	began := time.Now()
	a, err := instances[0].try(command[1], "PUT", command[2], command[3], "Authorization", basic("desk", analystPassword), "Content-Type", "application/json")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status, a.body)
	for i, p := range instances {
		for card := range 20 {
			assert.Equal(t, "allow", p.check(t, proxy, fmt.Sprintf("%04d", 5000+card)).Decision, "instance %d", i)
		}
	}
	assert.Less(t, time.Since(began), 5*time.Second, "it is a second and the time of 40 checks")
	for i, p := range instances {
		require.Eventually(t, func() bool { return share(p) < 0.01 }, prompt, 50*time.Millisecond, "instance %d: no alarm any more", i)
	}
}
