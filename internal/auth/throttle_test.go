package auth

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/testbed"
)

// A tick is the time in which a client network gets one attempt.
const tick = 200 * time.Millisecond

// A tickModel counts attempts in the plainest way: it keeps them tick by tick, each for
// the ticks that it takes to come back.
type tickModel struct {
	now            int64 // ticks
	address, user  map[string]int
	failed         map[string]int64
	burstA, burstU int
	tryA, tryU     int
}

func newTickModel() *tickModel {
	return &tickModel{
		address: map[string]int{}, user: map[string]int{}, failed: map[string]int64{},
		burstA: 300, burstU: 60 * 25, tryA: 1, tryU: 25,
	}
}

func (m *tickModel) pass(ticks int64) {
	for range ticks {
		m.now++
		for a := range m.address {
			m.address[a] = max(0, m.address[a]-1)
		}
		for u := range m.user {
			m.user[u] = max(0, m.user[u]-1)
		}
	}
}

func (m *tickModel) charge(address, user string, named bool) (wait int64) {
	last, known := m.failed[address]
	known = address == "" || known && m.now-last < int64(time.Hour/tick)
	waitA, waitU := int64(0), int64(0)
	if address != "" {
		waitA = int64(max(0, m.address[address]+m.tryA-m.burstA))
	}
	if named {
		waitU = int64(max(0, m.user[user]+m.tryU-m.burstU))
	}
	if wait = waitA; known {
		wait = max(waitA, waitU)
	}
	if wait > 0 {
		return wait
	}
	if address != "" {
		m.address[address] += m.tryA
		m.failed[address] = m.now
	}
	if named && waitU == 0 {
		m.user[user] += m.tryU
	}
	return 0
}

func TestTheThrottleAgreesWithAPlainModel(t *testing.T) {
	testbed.SkipRace(t, "a model, in one goroutine")
	addresses := []string{"", "198.51.100.7", "198.51.100.8", "2001:db8::1"}
	users := []string{"", "checkout", "stranger"}
	rapid.Check(t, func(t *rapid.T) {
		throttle, model := newThrottle(), newTickModel()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			address := rapid.SampledFrom(addresses).Draw(t, "address")
			user := rapid.SampledFrom(users).Draw(t, "user")
			named := rapid.Bool().Draw(t, "named")
			for range rapid.IntRange(1, 100).Draw(t, "times") {
				var from netip.Addr
				if address != "" {
					from = netip.MustParseAddr(address)
				}
				var name []byte
				if named {
					name = []byte(user)
				}
				right := rapid.IntRange(0, 9).Draw(t, "right") == 0
				now := throttle.start.Add(time.Duration(model.now) * tick)
				taken, wait := throttle.charge(from, name, now)
				if right && wait == 0 {
					throttle.refund(taken) // as if it had never been
					continue
				}
				require.Equal(t, time.Duration(model.charge(address, user, named))*tick, wait)
			}
			model.pass(rapid.SampledFrom([]int64{0, 0, 1, 4, 24, 25, 100, 500, 17999, 18000}).Draw(t, "ticks"))
		}
	})
}

func TestMetersAreBounded(t *testing.T) {
	testbed.SkipRace(t, "fills the meters, in one goroutine")
	throttle := newThrottle()
	now := throttle.start
	address := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(i))))
	}
	const last = 4*maxMeters + 1
	for i := range last + 1 {
		if _, wait := throttle.charge(address(i), fmt.Append(nil, "user ", i), now); wait != 0 {
			require.Zero(t, wait)
		}
	}
	for name, kept := range map[string]meters{"networks": throttle.networks, "users": throttle.users} {
		assert.Len(t, kept.old, maxMeters/2, name)
		assert.LessOrEqual(t, len(kept.young), maxMeters/2, name)
	}
	_, known := throttle.networks.young[throttle.hash(address(last))]
	assert.True(t, known, "the last is among them")
	assert.Equal(t, meter{failed: -failedFor}, throttle.networks.find(throttle.hash(address(0)), 0), "the first is not")
}

func TestANetworkThatKeepsFailingIsNotForgotten(t *testing.T) {
	throttle := newThrottle()
	now, guesser := throttle.start, netip.MustParseAddr("203.0.113.9")
	for range perNetwork.burst {
		_, wait := throttle.charge(guesser, nil, now)
		require.Zero(t, wait)
	}
	for i := range maxMeters / 2 {
		throttle.charge(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), nil, now)
	}
	_, wait := throttle.charge(guesser, nil, now)
	assert.Equal(t, perNetwork.interval, wait)
}

func TestAnIPv6AddressIsChargedToItsNetwork(t *testing.T) {
	for address, home := range map[string]string{
		"198.51.100.7":        "198.51.100.7/32",
		"::ffff:198.51.100.7": "198.51.100.7/32",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::/64",
		"fe80::1%eth0":        "fe80::/64",
	} {
		assert.Equal(t, home, session.ClientNetwork(netip.MustParseAddr(address)).String())
	}
	assert.False(t, session.ClientNetwork(netip.Addr{}).IsValid())
	throttle := newThrottle()
	assert.Equal(t, throttle.hash(netip.MustParseAddr("2001:db8::1")), throttle.hash(netip.MustParseAddr("2001:db8::ffff:1")))
	assert.NotEqual(t, throttle.hash(netip.MustParseAddr("2001:db8::1")), throttle.hash(netip.MustParseAddr("2001:db8:0:1::1")))
	assert.NotEqual(t, throttle.hash(netip.MustParseAddr("198.51.100.7")), throttle.hash(netip.MustParseAddr("198.51.100.8")))
}

// A scheme whose answer is costly charges before it looks.
func TestARightAnswerIsRefunded(t *testing.T) {
	g := NewGuard(new(Policy))
	r := &Request{from: netip.MustParseAddr("198.51.100.7"), At: g.throttle.start}
	for range 10 * perUser.burst {
		y, err := g.charge(r, []byte("checkout"))
		require.NoError(t, err)
		g.throttle.refund(y)
	}
	for range perUser.burst {
		assert.Equal(t, Invalid, g.chargeFailure(r, []byte("checkout"), Invalid))
	}
	_, err := g.charge(r, []byte("checkout"))
	assert.Equal(t, &Later{TooManyFailures, 5 * time.Second}, err)

	r.from = netip.MustParseAddr("198.51.100.8")
	for range 3 {
		y, err := g.charge(r, []byte("checkout"))
		require.NoError(t, err, "from an address where nobody failed")
		g.throttle.refund(y)
	}
	assert.Equal(t, Invalid, g.chargeFailure(r, []byte("checkout"), Invalid), "once")
	_, err = g.charge(r, []byte("checkout"))
	assert.Equal(t, &Later{TooManyFailures, 5 * time.Second}, err)
}
