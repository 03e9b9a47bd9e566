package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

const (
	exactCards  = 64 // at once, each another, from one address
	exactPasses = 5  // block_over
)

// An exactRound is what 64 concurrent cards of one address heard.
type exactRound struct{ passed, blocked, degraded, failed int }

// showAtOnce shows the cards of one address at the same moment, spread over the
// instances.
func showAtOnce(instances []*program, ip string) (r exactRound) {
	var ready, all sync.WaitGroup
	var mu sync.Mutex
	ready.Add(exactCards)
	for card := range exactCards {
		all.Go(func() {
			p := instances[card%len(instances)]
			ready.Done()
			ready.Wait()
			a, err := p.try(p.addr, "POST", "/v1/check", attempt(ip, fmt.Sprintf("%04d", card)))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil || a.status != 200:
				r.failed++
			case a.Degraded:
				r.degraded++
			case a.Decision == "allow" || a.Decision == "review":
				r.passed++
			case a.Decision == "block":
				r.blocked++
			}
		})
	}
	all.Wait()
	return r
}

func exactAddress(round int) string { return fmt.Sprintf("198.18.%d.%d", round/250, round%250+1) }

// Whoever shows 64 stolen cards at the same moment, to several instances, has
// exactly five of them looked at: no interleaving lets a sixth pass, and none of
// the cards is forgotten.
func TestExactlyBlockOverPassAcrossInstances(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 10
	}
	for _, n := range []int{2, 4} {
		t.Run(fmt.Sprintf("%d instances", n), func(t *testing.T) {
			instances := startSharing(t, testbed.StartMemcached(t).Addr, n)
			began := time.Now()
			passed := 0
			for round := range rounds {
				ip := exactAddress(round)
				r := showAtOnce(instances, ip)
				require.Equal(t, exactRound{passed: exactPasses, blocked: exactCards - exactPasses}, r, "round %d", round)
				passed += r.passed
			}
			for round := range rounds {
				for _, p := range instances {
					p.written(t, exactAddress(round), exactCards)
					p.shows(t, exactAddress(round), exactCards)
				}
			}
			conflicts := 0
			for _, p := range instances {
				for _, reason := range []string{"store", "wait"} {
					assert.Equal(t, "0", p.metric(t, `fraudcheck_degraded_checks_total{reason="`+reason+`"}`))
				}
				var k int
				_, err := fmt.Sscan(p.metric(t, `fraudcheck_store_operations_total{op="cas",result="conflict"}`), &k)
				require.NoError(t, err)
				conflicts += k
			}
			assert.Positive(t, conflicts, "the instances met; otherwise this shows nothing")
			t.Logf("%d rounds: %d of %d passed, none too many, none too few; %d conflicts, %s",
				rounds, passed, rounds*exactCards, conflicts, time.Since(began).Round(time.Millisecond))
		})
	}
}

// The test above would see it if the writes were not conditional.
func TestExactnessIsLostWithoutConditionalWrites(t *testing.T) {
	testbed.SkipShort(t, "many rounds of 64 checks at once")
	const rounds = 30
	addr := careless(t, testbed.StartMemcached(t).Addr)
	instances := startSharing(t, addr, 2)
	over, lost, most := 0, 0, 0
	for round := range rounds {
		r := showAtOnce(instances, exactAddress(round))
		require.Equal(t, exactCards, r.passed+r.blocked, "%+v", r)
		if r.passed > exactPasses {
			over++
		}
		most = max(most, r.passed)
	}
	for _, p := range instances { // which writes what they answered from their copies
		p.signal(t, syscall.SIGTERM)
		code, _ := p.exitCode(t)
		require.Zero(t, code)
	}
	fresh := start(t, sharing(addr))
	for round := range rounds {
		a := fresh.asAnalyst(t, "GET", "/v1/addresses/"+exactAddress(round))
		require.Len(t, a.Rules, 2, a.body)
		if a.Rules[1].Count < exactCards {
			lost++
		}
	}
	t.Logf("%d rounds: too many passed in %d, at most %d; cards were lost in %d", rounds, over, most, lost)
	assert.Positive(t, over+lost)
}

// careless stands before the memcached at addr and makes every conditional write an
// unconditional one; it returns its own address.
func careless(t *testing.T, addr string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	all.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if !assert.NoError(t, err) {
				_ = client.Close()
				return
			}
			keep(client)
			keep(server)
			all.Go(func() {
				_, _ = io.Copy(client, server) // until either goes
				_ = client.Close()
			})
			all.Go(func() {
				err := forward(server, bufio.NewReader(client))
				assert.True(t, errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "reset"), "%v", err)
				_ = server.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return ln.Addr().String()
}

// forward passes commands on until there are no more.
func forward(server io.Writer, client *bufio.Reader) error {
	for {
		line, err := client.ReadString('\n')
		if err != nil {
			return err
		}
		words := strings.Fields(line)
		if len(words) < 5 || words[0] != "cas" && words[0] != "add" {
			if _, err := io.WriteString(server, line); err != nil {
				return err
			}
			continue
		}
		var size int64
		if _, err := fmt.Sscan(words[4], &size); err != nil {
			return err
		}
		value, err := io.ReadAll(io.LimitReader(client, size+2))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(server, "set %s\r\n%s", strings.Join(words[1:5], " "), value); err != nil {
			return err
		}
	}
}
