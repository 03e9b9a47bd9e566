package slab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"fraudcheck/internal/testbed"
)

func newTable(t require.TestingT, maxBytes int64) *Table {
	table, err := New(maxBytes)
	require.NoError(t, err)
	return table
}

// keyOf spreads numbers over shards and index as keyed hashes do.
func keyOf(n int) (key Key) {
	x := uint64(n)
	for i := range 2 { // splitmix64
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(key[8*i:], z^z>>31)
	}
	return key
}

func (t *Table) put(n int, now uint32, l Label, record []byte) {
	key := keyOf(n)
	t.Edit(&key, now, new([]byte), func([]byte) ([]byte, Label) { return record, l })
}

func (t *Table) get(n int) (record []byte) {
	key := keyOf(n)
	t.Edit(&key, 0, new([]byte), func(kept []byte) ([]byte, Label) {
		record = bytes.Clone(kept)
		return nil, Label{}
	})
	return record
}

var small = []byte("a record of one cell")

func TestATableTakesTheMemoryItIsGiven(t *testing.T) {
	_, err := New(MinBytes - 1)
	require.EqualError(t, err, "expected at least 1MiB")
	for _, maxBytes := range []int64{MinBytes, 3 << 20, 255 << 20, 1 << 40} {
		table := newTable(t, maxBytes)
		require.Equal(t, table.Shards(), int(table.mask)+1)
		require.Zero(t, table.Stats().Bytes, "nothing is taken before it is needed")
		for n := range 1000 {
			table.put(n, 0, Label{Group: 1, Ends: 1}, small)
		}
		require.Equal(t, 1000, table.Stats().Records)
	}
}

func TestATableMapsMemoryAsItNeedsIt(t *testing.T) {
	testbed.SkipRace(t, "fills a table, in one goroutine")
	table := newTable(t, 1<<30)
	a := table.shards[0].cells.arena
	require.Equal(t, stepPages, a.mapped)
	for n := range 400_000 {
		table.put(n, 0, Label{Group: 1, Ends: 1}, small)
	}
	require.Greater(t, a.mapped, stepPages)
	require.Less(t, (a.mapped-stepPages)*pageSize, table.Stats().Bytes, "one step more than it uses at most")
	for n := range 400_000 {
		require.True(t, bytes.Equal(small, table.get(n)))
	}
}

// The child process has a limit of address space that its table would pass.
func TestATableLivesWithTheMemoryThatTheSystemGives(t *testing.T) {
	testbed.SkipShort(t, "fills a table many times")
	testbed.SkipRace(t, "fills a table, in one goroutine")
	if os.Getenv("SLAB_TEST_LIMITED") == "" {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), "SLAB_TEST_LIMITED=1")
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "PASS")
		return
	}
	debug.SetGCPercent(-1) // its workers want threads, and those memory
	table := newTable(t, 1<<30)
	var pages uint64
	statm, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	_, err = fmt.Sscan(string(statm), &pages)
	require.NoError(t, err)
	limit := pages*uint64(os.Getpagesize()) + 40<<20 // two steps more, and a little for Go
	var unlimited unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_AS, &unlimited))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: unlimited.Max}))
	const records = 1_000_000 // more than 64 MB
	for n := range records {
		table.put(n, 0, Label{Group: 1, Ends: 1}, small)
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &unlimited)) // the assertions want memory of their own
	require.Equal(t, small, table.get(records-1))
	stats := table.Stats()
	require.Greater(t, stats.Bytes, 30<<20)
	require.Less(t, stats.Bytes, 60<<20)
	require.EqualValues(t, records-stats.Records, stats.EvictedInWindow[1])
	requireConsistent(t, table)
}

func TestARecordThatIsTooLongIsNotKept(t *testing.T) {
	table := newTable(t, MinBytes)
	longest := bytes.Repeat([]byte("x"), MaxRecord)
	table.put(1, 0, Label{Group: 1, Ends: 1}, longest)
	require.Equal(t, longest, table.get(1))
	table.put(1, 0, Label{Group: 1, Ends: 1}, append(longest, 'x'))
	require.Nil(t, table.get(1), "nor what it replaces, which is out of date")
	table.put(2, 0, Label{Group: 1, Ends: 1}, append(longest, 'x'))
	require.EqualValues(t, 2, table.Stats().EvictedInWindow[1])
	requireConsistent(t, table)
}

func TestAnEditSplitsAtMostOnePageOfTheIndex(t *testing.T) {
	testbed.SkipRace(t, "fills a table, in one goroutine")
	table := newTable(t, 32<<20)
	pages := func() (n int) {
		for i := range table.shards {
			n += len(table.shards[i].index.pages)
		}
		return n
	}
	before := pages()
	for n := range 100_000 {
		table.put(n, 0, Label{Group: 1, Ends: 1}, small)
		after := pages()
		require.LessOrEqual(t, after, before+1, "at record %d", n)
		before = after
	}
	require.Greater(t, before, 8*table.Shards(), "it has grown")
	require.Equal(t, 100_000, table.Stats().Records)
}

func TestAFaultOfTheCallerLeavesTheTableWhole(t *testing.T) {
	table := newTable(t, MinBytes)
	table.put(1, 0, Label{Group: 1, Ends: 1}, small)
	key := keyOf(1)
	require.Panics(t, func() {
		table.Edit(&key, 0, new([]byte), func([]byte) ([]byte, Label) { panic("fault") })
	})
	require.Equal(t, small, table.get(1))
	requireConsistent(t, table)
}

func TestEditsOfOneRecordFollowOneAnother(t *testing.T) {
	table := newTable(t, MinBytes)
	const goroutines, edits = 8, 1000
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			key := keyOf(7)
			for n := range edits {
				table.Edit(&key, 0, new([]byte), func(kept []byte) ([]byte, Label) {
					var count uint64
					if kept != nil {
						count = binary.LittleEndian.Uint64(kept)
					}
					return binary.LittleEndian.AppendUint64(nil, count+1), Label{Group: 1, Ends: 1}
				})
				table.put(100+g*edits+n, 0, Label{Group: 1, Ends: 1}, small)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, goroutines*edits, binary.LittleEndian.Uint64(table.get(7)))
	requireConsistent(t, table)
}

// requireConsistent compares index, queues and cells of every shard.
func requireConsistent(t require.TestingT, table *Table) {
	for i := range table.shards {
		s := &table.shards[i]
		records, used := 0, 0
		for j := range s.groups {
			g := &s.groups[j]
			for rank, q := range g.queues {
				cells, older := 0, ref(0)
				for r := q.oldest; r != 0; r = s.cells.at(r).newer() {
					c := s.cells.at(r)
					require.Equal(t, r, s.find(c.key()))
					require.Equal(t, older, c.older())
					require.Equal(t, Label{Group: g.id, Rank: Rank(rank), Ends: c.ends()}, c.label())
					if older == 0 {
						require.Equal(t, c.ends(), q.ends)
					}
					cells += cellsFor(c.size())
					records++
					older = r
				}
				require.Equal(t, older, q.newest)
				require.EqualValues(t, cells, q.cells)
				used += cells
			}
		}
		require.Equal(t, s.index.used, records)
		require.Equal(t, s.cells.pages*pageCells, used+s.cells.unused(), "no cell is lost")
	}
}

// A kept record, as a plain model of the table has it.
type modelled struct {
	label  Label
	record string
}

func (m modelled) cells() int { return cellsFor(len(m.record)) }

// cellsOf adds up the cells of the records for which the condition holds.
func cellsOf(all map[Key]modelled, condition func(Key, Label) bool) (n int) {
	for key, m := range all {
		if condition(key, m.label) {
			n += m.cells()
		}
	}
	return n
}

// Random traffic of all groups, ranks and sizes on a small table, against a map.
func TestEvictionFollowsItsRules(t *testing.T) {
	testbed.SkipRace(t, "fills a table, in one goroutine")
	evictions := 0
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(t, MinBytes)
		model := map[Key]modelled{}
		now := uint32(1000)
		evicted := uint64(0)
		for step := range rapid.IntRange(50, 150).Draw(t, "steps") {
			now += uint32(rapid.IntRange(0, 3).Draw(t, "seconds"))
			label := Label{
				Group: byte(rapid.IntRange(1, 3).Draw(t, "group")),
				Rank:  Rank(rapid.IntRange(0, Ranks-1).Draw(t, "rank")),
			}
			label.Ends = now + uint32(label.Group)*200
			key := keyOf(int(label.Group)*1000 + rapid.IntRange(0, 300).Draw(t, "key"))
			size := rapid.SampledFrom([]int{1, 28, 29, 100, 3_000, 20_000, 50_000}).Draw(t, "size")
			record := strings.Repeat(string(rune('a'+step%26)), size)
			table.Edit(&key, now, new([]byte), func(kept []byte) ([]byte, Label) {
				require.Equal(t, model[key].record, string(kept))
				return []byte(record), label
			})

			require.LessOrEqual(t, table.Stats().Bytes, MinBytes)
			before := maps.Clone(model)
			delete(before, key)
			model[key] = modelled{label, record}
			have := map[Key]modelled{}
			table.Visit(0, func(key *Key, label Label, record []byte) {
				require.Equal(t, model[*key].label, label)
				require.True(t, model[*key].record == string(record))
				have[*key] = model[*key]
			})
			require.Contains(t, have, key, "what was just kept is there")
			for gone, m := range before {
				if _, ok := have[gone]; ok {
					continue
				}
				if m.label.Ends <= now {
					continue
				}
				evicted++
				evictions++
				group := cellsOf(before, func(_ Key, l Label) bool { return l.Group == m.label.Group })
				for other := byte(1); other <= 3; other++ {
					require.LessOrEqual(t, cellsOf(have, func(k Key, l Label) bool {
						return k != key && l.Group == other && l.Group != m.label.Group
					}), group, "a group that has more gives first")
				}
				for lower := range m.label.Rank {
					require.LessOrEqual(t, cellsOf(have, func(k Key, l Label) bool {
						return k != key && l.Group == m.label.Group && l.Rank == lower
					}), group/4, "a lower rank gives first, down to a quarter")
				}
			}
			counted := uint64(0)
			for _, n := range table.Stats().EvictedInWindow {
				counted += n
			}
			require.Equal(t, evicted, counted)
			model = have
		}
		requireConsistent(t, table)
	})
	require.NotZero(t, evictions, "the table was full")
}

func TestARecordOfHighRankOutlivesAFlood(t *testing.T) {
	testbed.SkipRace(t, "fills a table, in one goroutine")
	for rank := Rank(1); rank < Ranks; rank++ {
		table := newTable(t, MinBytes)
		table.put(0, 0, Label{Group: 1, Rank: rank, Ends: 1}, small)
		for n := range 100_000 {
			table.put(n+1, 0, Label{Group: 1, Rank: rank - 1, Ends: 1}, small)
		}
		require.NotNil(t, table.get(0))
	}
}

// Who fills the memory with records of high rank must not make the table forget every
// new one before its rank can rise.
func TestAFloodOfHighRankLeavesRoomForNewRecords(t *testing.T) {
	testbed.SkipRace(t, "fills a table, in one goroutine")
	table := newTable(t, MinBytes)
	for n := range 100_000 {
		table.put(-n, 0, Label{Group: 1, Rank: 2, Ends: 1}, small)
	}
	const others = 2000 // fewer than a quarter of the cells
	for n := range 10 * others {
		table.put(n, 0, Label{Group: 1, Ends: 1}, small)
		table.put(-200_000-n, 0, Label{Group: 1, Rank: 2, Ends: 1}, small)
		if n >= others {
			require.NotNil(t, table.get(n-others))
		}
	}
}

func TestAGroupKeepsItsShareWhateverTheOthersDo(t *testing.T) {
	testbed.SkipRace(t, "fills a table, in one goroutine")
	table := newTable(t, MinBytes)
	const few = 1000
	for n := range few {
		table.put(n, 0, Label{Group: 1, Ends: 1}, small)
	}
	for n := range 100_000 {
		table.put(few+n, 0, Label{Group: 2, Rank: 2, Ends: 1000}, small)
	}
	for n := range few {
		require.NotNil(t, table.get(n))
	}
	require.Zero(t, table.Stats().EvictedInWindow[1])
	require.NotZero(t, table.Stats().EvictedInWindow[2])
}

func TestWhatHasEndedGivesItsMemoryFirst(t *testing.T) {
	table := newTable(t, MinBytes)
	for n := range 2000 {
		table.put(n, 0, Label{Group: 1, Rank: 2, Ends: 10}, small)
	}
	const others = 12_000 // both together do not fit
	for n := range others {
		table.put(2000+n, 10, Label{Group: 2, Ends: 20}, small)
	}
	require.Empty(t, table.Stats().EvictedInWindow)
	require.GreaterOrEqual(t, table.Stats().Records, others)
	require.Nil(t, table.get(0))
}
