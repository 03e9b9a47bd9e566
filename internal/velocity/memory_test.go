package velocity

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

var testStart = TimeOf(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))

// shop is a checker over a memory, with one rule.
type shop struct {
	*Checker
	memory *Memory
	t      require.TestingT
}

func newShop(t require.TestingT, maxBytes int64, rules ...Rule) *shop {
	plan, err := NewPlan(rules, 64)
	require.NoError(t, err)
	memory, err := NewMemory(maxBytes)
	require.NoError(t, err)
	return &shop{NewChecker(plan, testKeys(t), memory), memory, t}
}

// show has the address number n show a card, and returns the first rule's count.
func (s *shop) show(n, card int, at time.Duration) int {
	a := Attempt{
		Address: netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n)))),
		card:    cardIdentity(fmt.Sprintf("%04d", card%10_000), 12, 2030+card/10_000),
		texts:   [len(fields)]string{FieldAttemptID: fmt.Sprint(n, card)},
	}
	var d Decision
	s.Check(&a, testStart+Time(at.Milliseconds()), nil, &d)
	return d.Rules[0].Count
}

func TestMemoryStaysWithinItsBoundAndSaysWhatItForgot(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	const bound = 2 << 20
	s := newShop(t, bound, DefaultRule)
	const addresses = 100_000
	for n := range addresses {
		require.Equal(t, 1, s.show(n, 1, 0))
		if n%1000 == 0 {
			require.LessOrEqual(t, s.memory.Stats().Bytes, bound)
		}
	}
	stats := s.memory.Stats()
	require.LessOrEqual(t, stats.Bytes, bound)
	require.Greater(t, stats.Records, bound/100, "the bound is used")
	require.EqualValues(t, addresses-stats.Records, stats.EvictedInWindow, "kept or counted, nothing else")

	require.Equal(t, 2, s.show(addresses-1, 2, time.Second), "the newest are kept")
	require.Equal(t, 1, s.show(0, 2, time.Second), "the oldest was forgotten")
}

func TestMemoryForgetsNothingInItsWindowWhileThereIsRoom(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	s := newShop(t, 32<<20, DefaultRule)
	for n := range 100_000 {
		s.show(n, 1, 0)
	}
	for n := range 100_000 {
		require.Equal(t, 2, s.show(n, 2, time.Hour-time.Second))
	}
	require.Zero(t, s.memory.Stats().EvictedInWindow)
	require.Equal(t, 100_000, s.memory.Stats().Records)
}

func TestMemoryGivesBackWhatHasEnded(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	s := newShop(t, 1<<20, DefaultRule)
	for hour := range 20 {
		for n := range 5_000 {
			require.Equal(t, 1, s.show(hour*5_000+n, 1, time.Duration(hour)*2*time.Hour))
		}
	}
	require.Zero(t, s.memory.Stats().EvictedInWindow)
	require.Equal(t, 5_000, s.memory.Stats().Records)
}

func TestAnAddressUnderAttackOutlivesAFlood(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	s := newShop(t, 1<<20, DefaultRule)
	for n := range 200_000 {
		if n%500 == 0 {
			require.Equal(t, min(n/500+1, 6), s.show(-1, n/500, 0))
		}
		s.show(n, 1, 0)
	}
	require.NotZero(t, s.memory.Stats().EvictedInWindow)
}

func TestManySmallRecordsFindRoomAfterLargeOnes(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	testbed.SkipShort(t, "fills a store again and again")
	large := DefaultRule
	large.Name, large.Per, large.Count, large.ReviewOver, large.BlockOver = "large", "network", "attempts", 0, 200
	s := newShop(t, 16<<20, DefaultRule, large)
	for n := range 1000 {
		for card := range 200 {
			s.show(n<<8, card, 0)
		}
	}
	require.NotZero(t, s.memory.Stats().Bytes)
	lost := s.memory.Stats().EvictedInWindow
	for n := range 100_000 {
		s.show(n|1<<31, 1, 3*time.Hour)
	}
	require.Equal(t, lost, s.memory.Stats().EvictedInWindow)
	require.Greater(t, s.memory.Stats().Records, 100_000)
}

func TestWhatHasEndedIsNotCountedAsForgotten(t *testing.T) {
	cart := DefaultRule
	cart.Name, cart.Per = "cart", "cart"
	s := newShop(t, 1<<20, DefaultRule, cart)
	var d Decision
	for n := range 5000 {
		a := Attempt{Address: netip.MustParseAddr("203.0.113.7"), card: cardIdentity("4242", 1, 2030)}
		a.texts[FieldCart] = fmt.Sprint(n)
		s.Check(&a, testStart, nil, &d)
	}
	for n := range 9000 {
		s.show(n, 1, 3*time.Hour)
	}
	require.Zero(t, s.memory.Stats().EvictedInWindow)
}

func TestTheBoundHoldsUnderAFloodOfAllSizes(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	testbed.SkipShort(t, "fills a store again and again")
	const bound = 4<<20 + 12345
	large := DefaultRule
	large.Name, large.Per, large.ReviewOver, large.BlockOver = "large", "network", 0, 600
	s := newShop(t, bound, DefaultRule, large)
	for n := range 60_000 {
		s.show(n%7<<8, n, 0) // networks whose records grow to 8 KiB
		s.show(n*257, n, 0)  // and ever new ones
		if n%100 == 0 {
			require.LessOrEqual(t, s.memory.Stats().Bytes, bound)
		}
	}
	stats := s.memory.Stats()
	require.Greater(t, stats.Bytes, bound*3/4, "the bound is used")
	require.NotZero(t, stats.EvictedInWindow)
}
