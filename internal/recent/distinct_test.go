package recent

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
)

const start = velocity.Time(1_800_000_000_000)

// The estimate is within 3 % of the truth for any number of things, each seen any number of
// times.
func TestADistinctCountIsWithinThreeInAHundred(t *testing.T) {
	testbed.SkipRace(t, "one goroutine counts millions")
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		d := new(distinct)
		n := 0
		for _, upTo := range []int{0, 1, 2, 10, 100, 1000, 5000, 10_000, 20_000, 40_000, 80_000, 200_000, 1_000_000} {
			for ; n < upTo; n++ {
				d.add(secondOf(start), random.Uint64())
			}
			assert.InDelta(t, float64(upTo), d.within(600, start), max(0.5, 0.03*float64(upTo)), "%d, seed %d", upTo, seed)
		}
	}
}

// A window slides to the second, also where things come again and again.
func TestADistinctCountSlides(t *testing.T) {
	testbed.SkipRace(t, "one goroutine")
	rapid.Check(t, func(t *rapid.T) {
		d := new(distinct)
		last := map[uint64]velocity.Time{}
		now := start
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now += velocity.Time(rapid.SampledFrom([]int{1000, 7000, 60_000, 299_000, 599_000, 600_000}).Draw(t, "pause"))
			from, things := rapid.Uint64Range(0, 3).Draw(t, "from"), rapid.IntRange(0, 3000).Draw(t, "things")
			for i := range things {
				hash := mixed(from<<32 + uint64(i))
				d.add(secondOf(now), hash)
				last[hash] = now
			}
			for _, seconds := range []uint32{1, 60, 600} {
				exact := 0
				for _, at := range last {
					if now-at < velocity.Time(seconds)*1000 {
						exact++
					}
				}
				estimated := d.within(seconds, now)
				if math.Abs(estimated-float64(exact)) > max(3, 0.04*float64(exact)) {
					t.Fatalf("%d in %d s, estimated %.1f", exact, seconds, estimated)
				}
			}
		}
	})
}

// mixed makes a hash of a number (SplitMix64).
func mixed(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

func TestADistinctCountIsSharedByManyGoroutines(t *testing.T) {
	d := new(distinct)
	var adding sync.WaitGroup
	for part := range 8 {
		adding.Go(func() {
			for i := range 10_000 {
				d.add(secondOf(start), mixed(uint64(part*5000+i))) // half of them the next part's too
			}
		})
	}
	adding.Wait()
	assert.InEpsilon(t, 45_000, d.within(600, start), 0.03)
}
