package velocity

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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
	s.Check(&a, testStart+Time(at.Milliseconds()), &d)
	return d.Rules[0].Count
}

func TestMemoryStaysWithinItsBoundAndSaysWhatItForgot(t *testing.T) {
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
	s := newShop(t, 1<<20, DefaultRule)
	for n := range 200_000 {
		if n%500 == 0 {
			require.Equal(t, min(n/500+1, 6), s.show(-1, n/500, 0))
		}
		s.show(n, 1, 0)
	}
	require.NotZero(t, s.memory.Stats().EvictedInWindow)
}

func TestTheRecordNearestToItsEndIsForgottenFirst(t *testing.T) {
	day := DefaultRule
	day.Name, day.Per, day.Window = "day", "account", 24*time.Hour
	s := newShop(t, 1<<20, DefaultRule, day)
	var d Decision
	for n := range 1000 {
		a := Attempt{Address: netip.MustParseAddr("203.0.113.7"), card: cardIdentity("4242", 1, 2030)}
		a.texts[FieldAccount] = fmt.Sprint(n)
		s.Check(&a, testStart, &d)
	}
	for n := range 50_000 {
		s.show(n, 1, 0)
	}
	for n := range 1000 {
		a := Attempt{Address: netip.MustParseAddr("203.0.113.7"), card: cardIdentity("4243", 1, 2030)}
		a.texts[FieldAccount] = fmt.Sprint(n)
		s.Check(&a, testStart, &d)
		require.Equal(t, 2, d.Rules[1].Count, "a day's record is worth more than an hour's")
	}
}

func TestMemoryTakesWhatItIsGiven(t *testing.T) {
	_, err := NewMemory(MinMemoryBytes - 1)
	require.Error(t, err)
	for _, maxBytes := range []int64{MinMemoryBytes, 3 << 20, 255 << 20, 1 << 40} {
		m, err := NewMemory(maxBytes)
		require.NoError(t, err)
		require.Equal(t, len(m.shards), int(m.mask)+1)
		require.Less(t, m.Stats().Bytes, MinMemoryBytes, "nothing is taken before it is needed")
	}
}

func testCells(t require.TestingT, pages int) cells {
	a, err := newArena(pages)
	require.NoError(t, err)
	return cells{arena: a, limit: pages}
}

func testIndex(t require.TestingT, pages int) index {
	a, err := newArena(pages)
	require.NoError(t, err)
	return index{arena: a, limit: pages}
}

// Cells and index against the plainest model of them.
func TestCellsAndIndexKeepEveryRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, x := testCells(t, 64), testIndex(t, 4)
		model := map[Key]string{}
		room := c.take
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			// Hashes of few values: long probes, and gaps to close.
			key := Key{byte(rapid.IntRange(0, 40).Draw(t, "key"))}
			hash := uint32(key[0]) % 7
			r := x.find(hash, key, &c)
			require.Equal(t, model[key] != "", r != 0)
			if r != 0 && rapid.Bool().Draw(t, "remove") {
				x.remove(hash, r)
				c.give(r)
				delete(model, key)
				continue
			}
			if r == 0 {
				r = room()
				c.at(r).init(key, 1)
				for !x.fits(hash) {
					require.True(t, x.grow(hash))
				}
				x.insert(hash, r)
			}
			record := strings.Repeat(string(rune('a'+key[0])), rapid.IntRange(1, 300).Draw(t, "size"))
			c.write(r, []byte(record), room)
			model[key] = record
		}
		require.Equal(t, len(model), x.used)
		needed := 0
		for key, record := range model {
			r := x.find(uint32(key[0])%7, key, &c)
			require.NotZero(t, r)
			require.Equal(t, record, string(c.read(r, new([]byte))))
			needed += 1 + (max(0, len(record)-(cellSize-headData))+cellSize-tailData-1)/(cellSize-tailData)
		}
		free := 0
		for r := c.free; r != 0; r = c.at(r).ref(tailNext) {
			free++
		}
		free += int(c.end - c.next)
		require.Equal(t, c.pages*pageCells, needed+free, "no cell is lost")
	})
}

func TestManySmallRecordsFindRoomAfterLargeOnes(t *testing.T) {
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
		s.Check(&a, testStart, &d)
	}
	for n := range 9000 {
		s.show(n, 1, 3*time.Hour)
	}
	require.Zero(t, s.memory.Stats().EvictedInWindow)
}

func TestAnUpdateSplitsAtMostOnePageOfTheIndex(t *testing.T) {
	s := newShop(t, 32<<20, DefaultRule)
	pages := func() (n int) {
		for i := range s.memory.shards {
			n += len(s.memory.shards[i].index.pages)
		}
		return n
	}
	before := pages()
	for n := range 100_000 {
		s.show(n, 1, 0)
		after := pages()
		require.LessOrEqual(t, after, before+1, "at address %d", n)
		before = after
	}
	require.Greater(t, before, 8*len(s.memory.shards), "it has grown")
	require.Equal(t, 100_000, s.memory.Stats().Records)
	for n := range 100_000 {
		require.Equal(t, 2, s.show(n, 2, 0))
	}
}

func TestTheBoundHoldsUnderAFloodOfAllSizes(t *testing.T) {
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
	for i := range s.memory.shards {
		sh := &s.memory.shards[i]
		linked := 0
		for _, a := range sh.ages {
			for r := a.oldest; r != 0; r = sh.cells.at(r).newer() {
				require.Equal(t, r, sh.find(sh.cells.at(r).key()))
				linked++
			}
		}
		require.Equal(t, sh.index.used, linked, "what is found will end, and what ends was found")
	}
}

func TestAnIndexKeepsItsKeysThroughItsSplits(t *testing.T) {
	x, c := testIndex(t, 64), testCells(t, 400)
	random := rand.New(rand.NewPCG(1, 2))
	model := map[ref]Key{}
	for n := range 30_000 {
		key := Key(binary.LittleEndian.AppendUint64(make([]byte, 8), random.Uint64()))
		hash := binary.LittleEndian.Uint32(key[8:])
		for !x.fits(hash) {
			require.True(t, x.grow(hash))
		}
		r := c.take()
		c.at(r).init(key, 1)
		x.insert(hash, r)
		model[r] = key
		if n%3 == 0 { // some leave again
			for r, key := range model {
				x.remove(binary.LittleEndian.Uint32(key[8:]), r)
				delete(model, r)
				c.give(r)
				break
			}
		}
	}
	require.Greater(t, len(x.pages), 32)
	require.LessOrEqual(t, x.bytes(), 64*pageCost)
	require.Equal(t, len(model), x.used)
	for r, key := range model {
		require.Equal(t, r, x.find(binary.LittleEndian.Uint32(key[8:]), key, &c))
	}
}

func TestAnIndexTakesNoMoreThanItsRoom(t *testing.T) {
	fill := func(x *index, hash func(n uint32) uint32) (n int) {
		for ; n < 10*x.limit*pageSlots; n++ {
			for h := hash(uint32(n)); !x.fits(h); {
				if !x.grow(h) {
					return n
				}
			}
			x.insert(hash(uint32(n)), ref(n+1))
		}
		return n
	}
	even := testIndex(t, 4)
	require.Equal(t, 4*pageFull, fill(&even, func(n uint32) uint32 { return n<<30 | n>>2 }))
	require.LessOrEqual(t, even.bytes(), 4*pageCost)

	alike := testIndex(t, 4)
	require.Equal(t, pageFull, fill(&alike, func(n uint32) uint32 { return n }), "no split helps")
	require.LessOrEqual(t, alike.bytes(), 4*pageCost)
}
