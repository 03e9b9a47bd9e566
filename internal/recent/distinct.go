package recent

import (
	"math"
	"math/bits"
	"sync/atomic"

	"fraudcheck/internal/velocity"
)

// A distinct estimates how many different things were seen lately: a HyperLogLog (Flajolet
// and others, 2007) whose registers keep when they were last seen at each rank, so that any
// window up to now can be asked for, to the second. Its memory is fixed, and nothing needs to
// be cleared: a time that is past counts no more.
//
// The standard error is 1.04/sqrt(registers), 0.8 %. An addition is a look at one word, and a
// store to it where the second is another, so cores seldom wait for each other's.
type distinct struct {
	seen [ranks][registers]atomic.Uint32 // seconds since the Unix epoch, by rank less 1; 0: never
}

const (
	registerBits = 14
	registers    = 1 << registerBits
	ranks        = 33 // of a hash: zeros at the end of what the register's number leaves, and 1
)

// add notes that something with that hash was seen. The hash must be keyed: who knows it can
// make any count.
func (d *distinct) add(hash uint64, now velocity.Time) {
	rank := min(bits.TrailingZeros64(hash>>registerBits), ranks-1)
	if cell, second := &d.seen[rank][hash%registers], secondOf(now); cell.Load() != second {
		cell.Store(second)
	}
}

// within estimates how many different things were seen in the last that many seconds; 0 to
// all.
func (d *distinct) within(seconds uint32, now velocity.Time) float64 {
	var highest [registers]uint8 // rank, by register
	var with [ranks + 1]int      // registers, by highest rank
	until := secondOf(now)
	left := registers
	for rank := ranks; rank > 0 && left > 0; rank-- {
		row := &d.seen[rank-1]
		for i := range row {
			// A time after until was noted by a request that began later: it is recent too.
			if at := row[i].Load(); at != 0 && highest[i] == 0 && (at > until || until-at < seconds) {
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
