package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// shows reads an attempt back from the bytes of its request, as the program does.
func shows(t *testing.T, r *calls.Request, v attempt) (ip, card string) {
	t.Helper()
	r.Put(v.address, v.card)
	body := r.Body()
	var f velocity.Fields
	fields := wire.CheckFields
	if v.outcome {
		fields = wire.OutcomeFields
	}
	require.NoError(t, wire.DecodeJSON(string(body), fields, &f))
	_, err := velocity.ParseAttempt(&f)
	require.NoError(t, err, "%s", body)
	return f.Value(velocity.FieldIP), f.Value(velocity.FieldLast4) + f.Value(velocity.FieldExpMonth) + f.Value(velocity.FieldExpYear)
}

func aRequest() *calls.Request { return calls.NewRequest("127.0.0.1:1", testbed.Basic("u", "p")) }

func TestHonestAttemptsAreNewAddressesAndSomeThatReturn(t *testing.T) {
	const streams, each = 3, 3000
	r := aRequest()
	cardOf := make(map[string]string)
	fresh := 0
	traffic := honest()
	var next []func() attempt
	for n := range streams {
		next = append(next, traffic.stream(n))
	}
	for n := range streams * each {
		v := next[n%streams]()
		ip, card := shows(t, r, v)
		known, seen := cardOf[ip]
		require.Equal(t, !v.fresh, seen, "an address that is new, or is not")
		if seen {
			require.Equal(t, known, card)
		}
		cardOf[ip] = card
		if v.fresh {
			fresh++
		}
		require.False(t, v.attack)
	}
	require.Equal(t, streams*each*19/20, fresh)
	require.Len(t, cardOf, fresh)
}

func TestAnAttackIsNineAttemptsInTenAndNeverTheSameCard(t *testing.T) {
	const streams, each = 3, 3000
	r := aRequest()
	traffic := attack()
	cards, ips := make(map[string]bool), make(map[string]bool)
	for n := range streams {
		next := traffic.stream(n)
		for range each {
			v := next()
			ip, card := shows(t, r, v)
			if v.attack {
				ips[ip] = true
				require.False(t, cards[card])
				cards[card] = true
			} else {
				require.False(t, ips[ip], "an honest shopper with the attacker's address")
			}
		}
	}
	require.Len(t, ips, 1)
	require.Len(t, cards, streams*each*9/10)
	next := attack().stream(0)
	another, _ := shows(t, r, next())
	require.NotContains(t, ips, another, "the next attack comes from elsewhere")
}

func TestRetriesAreOfKnownAddressesWithTheirCard(t *testing.T) {
	r := aRequest()
	traffic := retry()
	next := traffic.stream(0)
	cardOf := make(map[string]string)
	for range traffic.seed {
		v := next()
		ip, card := shows(t, r, v)
		require.True(t, v.fresh)
		require.NotContains(t, cardOf, ip)
		cardOf[ip] = card
	}
	for range 1000 {
		v := next()
		ip, card := shows(t, r, v)
		require.False(t, v.fresh)
		require.Equal(t, cardOf[ip], card)
	}
}

func TestSeedingShowsAllTheCardsThatAreShownAgain(t *testing.T) {
	const conns = 8
	for _, cards := range []int{1, 10, 100} {
		r := aRequest()
		traffic := shown(cards, conns)
		seeded, ips := make(map[string]bool), make(map[string]bool)
		var next []func() attempt
		for n := range conns {
			next = append(next, traffic.stream(n))
			for range traffic.seed {
				ip, card := shows(t, r, next[n]())
				seeded[card], ips[ip] = true, true
			}
		}
		require.Len(t, seeded, cards)
		for n := range 10 * conns {
			ip, card := shows(t, r, next[n%conns]())
			require.True(t, seeded[card] && ips[ip])
		}
		require.Len(t, ips, 1)
	}
}

func TestAnOrderIsACheckAndItsOutcome(t *testing.T) {
	auth := testbed.Basic("u", "p")
	check, declined := calls.NewOrder("h", auth), calls.NewOutcome("h", auth, "declined")
	next, declines := orders().stream(0), 0
	networks := make(map[netip.Prefix]bool)
	for n := range 1000 {
		asked, told := next(), next()
		require.False(t, asked.outcome)
		require.True(t, told.outcome)
		ip, _ := shows(t, check, asked)
		shows(t, declined, told)
		require.Equal(t, string(check.Body()), strings.Replace(string(declined.Body()), `,"outcome":"declined"`, "", 1))
		if told.declined {
			declines++
		}
		if asked.fresh {
			networks[netip.PrefixFrom(netip.MustParseAddr(ip), 24).Masked()] = true
		} else {
			require.Equal(t, 19, n%20)
		}
	}
	require.Equal(t, 1000/declinedOneIn, declines)
	require.Len(t, networks, 950, "each shopper comes from another")
}

func TestDifferentNumbersAreDifferentAddressesAndCards(t *testing.T) {
	r := aRequest()
	ips, shown := make(map[string]bool), make(map[string]bool)
	const octets = 156 // values of one
	edges := []uint32{0, 1, octets - 1, octets, octets * octets, octets*octets*octets - 1, octets * octets * octets, calls.Addresses - 1}
	for _, n := range edges {
		ip, _ := shows(t, r, attempt{address: n})
		ips[ip] = true
	}
	require.Len(t, ips, len(edges))
	edges = []uint32{0, 1, 99, 100, 9_999, 10_000, 29_999, 30_000, calls.Cards - 1}
	for _, n := range edges {
		_, card := shows(t, r, attempt{card: n})
		shown[card] = true
	}
	require.Len(t, shown, len(edges))
}

func TestEachNumberIsUsedOnce(t *testing.T) {
	before := addressCounter.Load()
	a, b := numbers(&addressCounter), numbers(&addressCounter)
	dealt := make(map[uint32]bool)
	for range 3 * blockSize / 2 {
		dealt[a()], dealt[b()] = true, true
	}
	require.Len(t, dealt, 3*blockSize)
	require.NotContains(t, dealt, before-1)
}
