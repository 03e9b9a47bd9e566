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
)

// A tick is what an address gets one try in.
const tick = 200 * time.Millisecond

// slowly counts tries in the plainest way: tick by tick, and each in the ticks that
// it takes to come back.
type slowly struct {
	now            int64 // ticks
	address, user  map[string]int
	failed         map[string]int64
	burstA, burstU int
	tryA, tryU     int
}

func newSlowly() *slowly {
	return &slowly{
		address: map[string]int{}, user: map[string]int{}, failed: map[string]int64{},
		burstA: 300, burstU: 60 * 25, tryA: 1, tryU: 25,
	}
}

func (s *slowly) pass(ticks int64) {
	for range ticks {
		s.now++
		for a := range s.address {
			s.address[a] = max(0, s.address[a]-1)
		}
		for u := range s.user {
			s.user[u] = max(0, s.user[u]-1)
		}
	}
}

func (s *slowly) take(address, user string, named bool) (wait int64) {
	last, known := s.failed[address]
	known = address == "" || known && s.now-last < int64(time.Hour/tick)
	waitA, waitU := int64(0), int64(0)
	if address != "" {
		waitA = int64(max(0, s.address[address]+s.tryA-s.burstA))
	}
	if named {
		waitU = int64(max(0, s.user[user]+s.tryU-s.burstU))
	}
	if wait = waitA; known {
		wait = max(waitA, waitU)
	}
	if wait > 0 {
		return wait
	}
	if address != "" {
		s.address[address] += s.tryA
		s.failed[address] = s.now
	}
	if named && waitU == 0 {
		s.user[user] += s.tryU
	}
	return 0
}

func TestTriesAreCountedAsOneWouldByHand(t *testing.T) {
	addresses := []string{"", "198.51.100.7", "198.51.100.8", "2001:db8::1"}
	users := []string{"", "checkout", "stranger"}
	rapid.Check(t, func(t *rapid.T) {
		tries, model := newTries(), newSlowly()
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
				now := tries.start.Add(time.Duration(model.now) * tick)
				taken, wait := tries.take(from, name, now)
				if right && wait == 0 {
					tries.giveBack(taken) // as if it had never been
					continue
				}
				require.Equal(t, time.Duration(model.take(address, user, named))*tick, wait)
			}
			model.pass(rapid.SampledFrom([]int64{0, 0, 1, 4, 24, 25, 100, 500, 17999, 18000}).Draw(t, "ticks"))
		}
	})
}

func TestWhatIsKeptOfFailuresIsBounded(t *testing.T) {
	tries := newTries()
	now := tries.start
	address := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(i))))
	}
	for i := range 1_000_000 {
		_, wait := tries.take(address(i), fmt.Append(nil, "user ", i), now)
		require.Zero(t, wait)
	}
	for name, kept := range map[string]buckets{"addresses": tries.addresses, "users": tries.users} {
		assert.Len(t, kept.old, maxBuckets/2, name)
		assert.LessOrEqual(t, len(kept.young), maxBuckets/2, name)
	}
	_, known := tries.addresses.young[tries.hash(address(999_999))]
	assert.True(t, known, "the last is among them")
	assert.Equal(t, bucket{failed: -lately}, tries.addresses.find(tries.hash(address(0)), 0), "the first is not")
}

func TestOneWhoFailsOnIsNotForgotten(t *testing.T) {
	tries := newTries()
	now, guesser := tries.start, netip.MustParseAddr("203.0.113.9")
	for range perAddress.burst {
		_, wait := tries.take(guesser, nil, now)
		require.Zero(t, wait)
	}
	for i := range maxBuckets / 2 {
		tries.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), nil, now)
	}
	_, wait := tries.take(guesser, nil, now)
	assert.Equal(t, perAddress.each, wait)
}

func TestAnIPv6AddressFailsForItsNetwork(t *testing.T) {
	for address, home := range map[string]string{
		"198.51.100.7":        "198.51.100.7/32",
		"::ffff:198.51.100.7": "198.51.100.7/32",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::/64",
		"fe80::1%eth0":        "fe80::/64",
	} {
		assert.Equal(t, home, session.ClientNetwork(netip.MustParseAddr(address)).String())
	}
	assert.False(t, session.ClientNetwork(netip.Addr{}).IsValid())
	tries := newTries()
	assert.Equal(t, tries.hash(netip.MustParseAddr("2001:db8::1")), tries.hash(netip.MustParseAddr("2001:db8::ffff:1")))
	assert.NotEqual(t, tries.hash(netip.MustParseAddr("2001:db8::1")), tries.hash(netip.MustParseAddr("2001:db8:0:1::1")))
	assert.NotEqual(t, tries.hash(netip.MustParseAddr("198.51.100.7")), tries.hash(netip.MustParseAddr("198.51.100.8")))
}

// How a scheme whose answer is dear asks: before it looks.
func TestATryIsGivenBackToWhoWasRight(t *testing.T) {
	k := knock{tries: newTries(), from: netip.MustParseAddr("198.51.100.7")}
	k.now = k.tries.start
	for range 10 * perUser.burst {
		y, err := k.take([]byte("checkout"))
		require.NoError(t, err)
		k.giveBack(y)
	}
	for range perUser.burst {
		assert.Equal(t, Invalid, k.wrong([]byte("checkout"), Invalid))
	}
	_, err := k.take([]byte("checkout"))
	assert.Equal(t, &Later{TooManyFailures, 5 * time.Second}, err)

	k.from = netip.MustParseAddr("198.51.100.8")
	for range 3 {
		y, err := k.take([]byte("checkout"))
		require.NoError(t, err, "from an address where nobody failed")
		k.giveBack(y)
	}
	assert.Equal(t, Invalid, k.wrong([]byte("checkout"), Invalid), "once")
	_, err = k.take([]byte("checkout"))
	assert.Equal(t, &Later{TooManyFailures, 5 * time.Second}, err)
}
