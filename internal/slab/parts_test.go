package slab

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testCells(t require.TestingT, pages int) cells {
	a, err := newArena(pages)
	require.NoError(t, err)
	return cells{steps: a.steps, arena: a, limit: pages}
}

func testIndex(t require.TestingT, pages int) index {
	a, err := newArena(pages)
	require.NoError(t, err)
	return index{steps: a.steps, arena: a, limit: pages}
}

// unused counts the cells that no record has.
func (c *cells) unused() int {
	n := int(c.end - c.next)
	for chain := c.free; chain != 0; chain = c.at(chain).ref(freeNext) {
		for r := chain; r != 0; r = c.at(r).ref(tailNext) {
			n++
		}
	}
	return n
}

// Cells and index against the plainest model of them.
func TestCellsAndIndexKeepEveryRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, x := testCells(t, 64), testIndex(t, 4)
		model := map[Key]string{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			// Hashes of few values: long probes, and gaps to close.
			key := Key{byte(rapid.IntRange(0, 40).Draw(t, "key"))}
			hash := uint32(key[0]) % 7
			r := x.find(hash, &key, &c)
			require.Equal(t, model[key] != "", r != 0)
			if r != 0 && rapid.Bool().Draw(t, "remove") {
				x.remove(hash, r)
				c.freeRecord(r)
				delete(model, key)
				continue
			}
			if r == 0 {
				r = c.take()
				c.at(r).init(&key)
				for !x.fits(hash) {
					require.True(t, x.split(hash))
				}
				x.insert(hash, r)
			}
			record := strings.Repeat(string(rune('a'+key[0])), rapid.IntRange(1, 300).Draw(t, "size"))
			require.True(t, c.write(r, []byte(record), c.take))
			c.at(r).setLabel(Label{}, len(record))
			model[key] = record
		}
		require.Equal(t, len(model), x.used)
		needed := 0
		for key, record := range model {
			r := x.find(uint32(key[0])%7, &key, &c)
			require.NotZero(t, r)
			require.Equal(t, record, string(c.read(r, new([]byte))))
			needed += cellsFor(len(record))
		}
		require.Equal(t, c.pages*pageCells, needed+c.unused(), "no cell is lost")
	})
}

func TestAnIndexKeepsItsKeysThroughItsSplits(t *testing.T) {
	x, c := testIndex(t, 64), testCells(t, 400)
	random := rand.New(rand.NewPCG(1, 2))
	model := map[ref]Key{}
	for n := range 30_000 {
		key := Key(binary.LittleEndian.AppendUint64(make([]byte, 8), random.Uint64()))
		hash := binary.LittleEndian.Uint32(key[8:])
		for !x.fits(hash) {
			require.True(t, x.split(hash))
		}
		r := c.take()
		c.at(r).init(&key)
		x.insert(hash, r)
		model[r] = key
		if n%3 == 0 { // some leave again
			for r, key := range model {
				x.remove(binary.LittleEndian.Uint32(key[8:]), r)
				delete(model, r)
				c.freeRecord(r)
				break
			}
		}
	}
	require.Greater(t, len(x.pages), 32)
	require.LessOrEqual(t, x.bytes(), 64*pageCost)
	require.Equal(t, len(model), x.used)
	for r, key := range model {
		require.Equal(t, r, x.find(binary.LittleEndian.Uint32(key[8:]), &key, &c))
	}
}

func TestAnIndexTakesNoMoreThanItsRoom(t *testing.T) {
	fill := func(x *index, hash func(n uint32) uint32) (n int) {
		for ; n < 10*x.limit*pageSlots; n++ {
			for h := hash(uint32(n)); !x.fits(h); {
				if !x.split(h) {
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
