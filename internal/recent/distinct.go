package recent

import (
	"math"
	"math/bits"
	"sync"

	"fraudcheck/internal/velocity"
)

// A distinct estimates how many different things were seen lately: a HyperLogLog (Flajolet
// and others, 2007) whose registers keep when they were last seen at each rank, so that any
// window up to now can be asked for, to the second. Its memory is fixed, and nothing needs to
// be cleared: a time that is past counts no more.
//
// The standard error is 1.04/sqrt(registers), 0.8 %. It may be used from many goroutines at once.
type distinct struct {
	mu   sync.Mutex
	seen [ranks][registers]uint32 // seconds since the Unix epoch, by rank less 1; 0: never
}

const (
	registerBits = 14
	registers    = 1 << registerBits
	ranks        = 33 // of a hash: zeros at the end of what the register's number leaves, and 1
)

// add notes that things with those hashes were seen in that second. The hashes must be keyed:
// who knows them can make any count. Their words are spread over memory, so many at once cost
// a fraction of one after the other: the processor fetches them at the same time.
func (d *distinct) add(second uint32, hashes ...uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, hash := range hashes {
		rank := min(bits.TrailingZeros64(hash>>registerBits), ranks-1)
		cell := &d.seen[rank][hash%registers]
		*cell = max(*cell, second)
	}
}

// A batch is hashes for a distinct that were seen in one second. It has an owner's lock.
type batch struct {
	second uint32
	n      int
	hashes [64]uint64
}

func (b *batch) add(d *distinct, hash uint64, second uint32) {
	if b.n == len(b.hashes) || b.second != second {
		b.flush(d)
		b.second = second
	}
	b.hashes[b.n] = hash
	b.n++
}

// flush adds what the batch holds.
func (b *batch) flush(d *distinct) {
	d.add(b.second, b.hashes[:b.n]...)
	b.n = 0
}

// row returns what was seen with a rank, at least 1.
func (d *distinct) row(rank int) [registers]uint32 {
	d.mu.Lock() // for a copy alone, so that no check waits for a sum
	defer d.mu.Unlock()
	return d.seen[rank-1]
}

// within estimates how many different things were seen in the last that many seconds; 0 to
// all.
func (d *distinct) within(seconds uint32, now velocity.Time) float64 {
	var highest [registers]uint8 // rank, by register
	var with [ranks + 1]int      // registers, by highest rank
	until := secondOf(now)
	left := registers
	for rank := ranks; rank > 0 && left > 0; rank-- {
		for i, at := range d.row(rank) {
			// A time after until was noted by a request that began later: it is recent too.
			if at != 0 && highest[i] == 0 && (at > until || until-at < seconds) {
				highest[i] = uint8(rank)
				with[rank]++
				left--
			}
		}
	}
	with[0] = left
	return estimate(&with)
}

func secondOf(t velocity.Time) uint32 { return uint32(t / 1000) }

// estimate is the improved raw estimator of Ertl (New cardinality estimation algorithms for
// HyperLogLog sketches, 2017, algorithm 6): without bias for any count, and without tables.
func estimate(with *[ranks + 1]int) float64 {
	const m = float64(registers)
	z := m * tau(1-float64(with[ranks])/m)
	for rank := ranks - 1; rank >= 1; rank-- {
		z = 0.5 * (z + float64(with[rank]))
	}
	z += m * sigma(float64(with[0])/m)
	return m * m / (2 * math.Ln2 * z) // 0 where z is infinite: nothing was seen
}

// sigma is x + x^2 + 2x^4 + 4x^8 + ..., infinite for 1.
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for before := -1.0; z != before; {
		x *= x
		before = z
		z += x * y
		y += y
	}
	return z
}

// tau is (1 - x - (1-x^(1/2))^2/2 - (1-x^(1/4))^2/4 - ...)/3.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for before := -1.0; z != before; {
		x = math.Sqrt(x)
		before = z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
	}
	return z / 3
}
