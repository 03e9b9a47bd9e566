package velocity

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// cardsPerEmail keeps its records a day, 24 times as long as the default rule.
func cardsPerEmail() Rule {
	r := DefaultRule
	r.Name, r.Per, r.Window = "cards_per_email", "email", 24*time.Hour
	return r
}

// An attacker who invents an e-mail address for each card must not push the record of
// its own IP address out of a full store.
func TestDistinctEmailsDoNotEvictTheirIPAddress(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	testbed.SkipShort(t, "fills a store with e-mail addresses")
	for _, between := range []int{1, 100, 3_000} {
		t.Run(fmt.Sprintf("%d emails per card", between), func(t *testing.T) {
			s := newShop(t, 2<<20, DefaultRule, cardsPerEmail())
			emails := 0
			email := func(ip string, card int) Outcome {
				a := Attempt{Address: netip.MustParseAddr(ip), card: cardIdentity(fmt.Sprintf("%04d", card), 12, 2030)}
				a.texts[FieldAttemptID] = fmt.Sprint(emails)
				a.texts[FieldEmail] = fmt.Sprintf("shopper%d@example.com", emails)
				emails++
				var d Decision
				s.Check(&a, testStart, nil, &d)
				return d.Outcome
			}
			for s.memory.Stats().EvictedInWindow == 0 {
				email("198.51.100.1", 0) // one card: never blocked
			}
			passed := 0
			for card := range 40 {
				if email("203.0.113.7", card) != Block {
					passed++
				}
				for range between - 1 {
					email("198.51.100.1", 0)
				}
			}
			require.Equal(t, DefaultRule.BlockOver, passed, "of 40 cards")
		})
	}
}

// flood fills the store with addresses that show one card each, until it has evicted
// several times what it holds.
func (s *shop) flood(at time.Duration) {
	evicted := s.memory.Stats().EvictedInWindow
	for n := 0; s.memory.Stats().EvictedInWindow < evicted+50_000; n++ {
		for i := range 1000 {
			s.show(n*1000+i, 1, at)
		}
	}
}

func TestAFloodDoesNotEvictWhatIsBlockedOrNearlyBlocked(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	for shown := 3; shown <= 6; shown++ {
		s := newShop(t, 1<<20, DefaultRule)
		for card := range shown {
			s.show(-1, card, 0)
		}
		s.flood(time.Minute)
		require.Equal(t, min(shown+1, 6), s.show(-1, shown, 2*time.Minute))
	}
}

func TestABlockedAddressOutlivesThoseNearlyBlocked(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	s := newShop(t, 1<<20, DefaultRule)
	for card := range 6 {
		s.show(-1, card, 0)
	}
	for n := range 50_000 {
		for card := range 3 {
			s.show(n, card, 0)
		}
	}
	require.NotZero(t, s.memory.Stats().EvictedInWindow)
	require.Equal(t, 6, s.show(-1, 6, 0))
}

// An older copy, on a server or at another instance, would bring back what an analyst
// had forgotten.
func TestAFloodDoesNotEvictWhatWasForgotten(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	s := newShop(t, 1<<20, DefaultRule)
	a := Attempt{Address: netip.MustParseAddr("203.0.113.7")}
	s.Forget(&a, "ip", testStart)
	s.flood(0)
	var u Update
	u.begin(s.Plan(), &s.Plan().subjects[0], keyOf(s.Checker, &a), testStart, read)
	var r Record
	require.NoError(t, r.decode(s.memory.recall(&u, nil)))
	require.NotZero(t, r.generation)
}

func TestARecordThatMergingBlocksOutlivesAFlood(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	s, other := newShop(t, 1<<20, DefaultRule), newShop(t, 1<<20, DefaultRule)
	a := Attempt{Address: netip.MustParseAddr("203.0.113.7")}
	show := func(s *shop, card int) {
		a.card = cardIdentity(fmt.Sprintf("%04d", card), 12, 2030)
		a.texts[FieldAttemptID] = fmt.Sprint(card)
		var d Decision
		s.Check(&a, testStart, nil, &d)
	}
	show(s, 7) // which the other does not know
	for card := range 6 {
		show(other, card)
	}
	var u Update
	u.begin(s.Plan(), &s.Plan().subjects[0], keyOf(s.Checker, &a), testStart, read)
	var r Record
	encoding := other.memory.recall(&u, nil)
	require.NoError(t, r.decode(encoding))
	s.memory.keep(&u, &r, encoding, nil)
	s.flood(0)
	require.NotEmpty(t, s.memory.recall(&u, nil))
}

func TestABlockedAddressOutlivesAFloodAfterARestart(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	before := newShop(t, 1<<20, DefaultRule)
	for card := range 6 {
		before.show(-1, card, 0)
	}
	var snapshot bytes.Buffer
	require.NoError(t, before.memory.Save(&snapshot, testKeys(t)))
	s := newShop(t, 1<<20, DefaultRule)
	require.Equal(t, 1, s.load(t, snapshot.Bytes(), 0))
	s.flood(0)
	require.Equal(t, 6, s.show(-1, 6, 0))
}

func TestEvictionsAreCountedByKind(t *testing.T) {
	testbed.SkipRace(t, "fills a store, in one goroutine")
	s := newShop(t, 1<<20, DefaultRule, cardsPerEmail())
	s.flood(0)
	stats := s.memory.Stats()
	require.NotZero(t, stats.EvictedInWindow)
	require.Equal(t, map[string]uint64{"ip": stats.EvictedInWindow}, stats.EvictedByKind)
}
