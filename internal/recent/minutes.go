package recent

import (
	"sync"
	"time"

	"fraudcheck/internal/velocity"
)

// Counts are totals of checks since the start of the process, or of a part of it.
type Counts struct {
	By       [3]uint64 // decisions, by velocity.Outcome
	Degraded uint64
	Rules    []RuleCounts
}

// RuleCounts are what one rule said of checks.
type RuleCounts struct {
	RuleKey
	By      [3]uint64 // by velocity.Outcome
	Skipped uint64    // the attempt lacked its subject
}

// A RuleKey is what tells the counts of rules apart: a rule that a reload enforces counts
// anew.
type RuleKey struct {
	Name string
	Mode velocity.Mode
}

// A Minute is what was decided in one minute.
type Minute struct {
	Start            velocity.Time
	Counts                    // Rules only of those that were in force
	Addresses, Cards int      // how many different ones, estimated within 3 %
	Took             []uint64 // checks by the time to their decision: see [TookBound]
}

// minutesKept is how many minutes there are, the present one included.
const minutesKept = 60

const minute = velocity.Time(60_000)

// Minutes are the last 60 minutes of this instance. A minute ends when Tick is first called
// after it, so what came in between, a second or less, counts for the minute before. It may
// be used from many goroutines at once.
type Minutes struct {
	Traffic *Traffic
	counts  func() Counts

	mu      sync.Mutex
	ended   []Minute // the newest last
	begin   velocity.Time
	totals  Counts // when the present minute began
	took    histogram
	ofRules map[RuleKey]RuleCounts // totals, as last seen, also of rules that have gone
}

// NewMinutes begins at now. counts returns totals.
func NewMinutes(traffic *Traffic, counts func() Counts, now velocity.Time) *Minutes {
	m := &Minutes{Traffic: traffic, counts: counts, ofRules: make(map[RuleKey]RuleCounts)}
	m.start(now, counts(), traffic.totalTook())
	return m
}

// start begins the minute of now.
func (m *Minutes) start(now velocity.Time, totals Counts, took histogram) {
	m.begin, m.totals, m.took = now-now%minute, totals, took
	for _, r := range totals.Rules {
		m.ofRules[r.RuleKey] = r
	}
}

// Tick ends the present minute if that is over at now. It is called about once a second.
func (m *Minutes) Tick(now velocity.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick(now)
}

func (m *Minutes) tick(now velocity.Time) {
	if now-now%minute <= m.begin {
		return
	}
	totals, took := m.counts(), m.Traffic.totalTook()
	if len(m.ended) == minutesKept {
		m.ended = append(m.ended[:0], m.ended[1:]...)
	}
	m.ended = append(m.ended, m.minute(now, &totals, &took))
	m.start(now, totals, took)
}

// minute is the present minute, with these totals.
func (m *Minutes) minute(now velocity.Time, totals *Counts, took *histogram) Minute {
	since := uint32(max(now-m.begin, 0)/1000) + 1
	one := Minute{Start: m.begin, Counts: Counts{Degraded: totals.Degraded - m.totals.Degraded},
		Addresses: int(m.Traffic.within(&m.Traffic.addresses, since, now) + 0.5), Cards: int(m.Traffic.within(&m.Traffic.cards, since, now) + 0.5)}
	for o := range one.By {
		one.By[o] = totals.By[o] - m.totals.By[o]
	}
	for _, r := range totals.Rules {
		before := m.ofRules[r.RuleKey]
		r.Skipped -= before.Skipped
		for o := range r.By {
			r.By[o] -= before.By[o]
		}
		one.Rules = append(one.Rules, r)
	}
	for i, n := range took {
		if n -= m.took[i]; n > 0 {
			one.Took = append(one.Took, make([]uint64, i-len(one.Took))...)
			one.Took = append(one.Took, n)
		}
	}
	return one
}

// Last returns the minutes of the last hour, the oldest first; the last one is the present
// minute, as far as it has come. Minutes before the start, or in which the machine slept, are
// left out.
func (m *Minutes) Last(now velocity.Time) (last []Minute) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick(now)
	for _, one := range m.ended {
		if one.Start > m.begin-minutesKept*minute {
			last = append(last, one)
		}
	}
	totals, took := m.counts(), m.Traffic.totalTook()
	return append(last, m.minute(now, &totals, &took))
}

// SumRules adds up what each rule said in these minutes.
func SumRules(minutes []Minute) map[RuleKey]RuleCounts {
	sums := make(map[RuleKey]RuleCounts)
	for i := range minutes {
		for _, r := range minutes[i].Rules {
			sum := sums[r.RuleKey]
			sum.RuleKey, sum.Skipped = r.RuleKey, sum.Skipped+r.Skipped
			for o := range r.By {
				sum.By[o] += r.By[o]
			}
			sums[r.RuleKey] = sum
		}
	}
	return sums
}

// TookBound returns the least time that the i-th number of a Took counts; the one after it is
// the first time that it does not.
func TookBound(i int) time.Duration { return boundOf(i) }

// Quantile returns the time within which the share q of the checks, 0 to 1, were decided, an
// eighth off at most; 0 for no checks.
func Quantile(took []uint64, q float64) time.Duration {
	var all, seen uint64
	for _, n := range took {
		all += n
	}
	for i, n := range took {
		if seen += n; n > 0 && float64(seen) >= q*float64(all) {
			// Where in the bucket it lies, as if its times were spread evenly.
			into := 1 - (float64(seen)-q*float64(all))/float64(n)
			least := boundOf(i)
			return least + time.Duration(into*float64(boundOf(i+1)-least))
		}
	}
	return 0
}
