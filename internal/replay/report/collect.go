// Package report shows a replay as one HTML page, without scripts: for people who choose a
// threshold, and for those whom they have to convince.
package report

import (
	"cmp"
	"encoding/base32"
	"slices"
	"strings"
	"time"

	"fraudcheck/internal/replay"
	"fraudcheck/internal/velocity"
)

// most is how many subjects are followed. Those that are blocked after that many others are
// counted and not followed.
const most = 100_000

// A Collector takes what a report shows beside the result: when was blocked, whom and for how
// long. Its memory is bounded.
type Collector struct {
	hours    map[int64]*[velocity.Block + 1]int64 // by hours since 1970
	subjects map[subjectKey]*subject
	beyond   int64 // blocked attempts of subjects that are not followed
}

// A subjectKey is a subject that a rule of the configuration blocks.
type subjectKey struct {
	rule    int
	subject velocity.Key
}

// A subject's block begins with an attempt that is blocked and ends when the rule would
// clear, unless another attempt is blocked before.
type subject struct {
	firstRow   int64
	attempts   int64 // that were blocked
	labelled   int64 // of them
	blocks     int
	began, end velocity.Time
	longest    velocity.Time
}

// NewCollector returns an empty one.
func NewCollector() *Collector {
	return &Collector{hours: map[int64]*[velocity.Block + 1]int64{}, subjects: map[subjectKey]*subject{}}
}

// Add takes a row.
func (c *Collector) Add(j *replay.Judged) {
	hour := int64(j.At) / time.Hour.Milliseconds()
	counts := c.hours[hour]
	if counts == nil {
		counts = new([velocity.Block + 1]int64)
		c.hours[hour] = counts
	}
	counts[j.Judgement.Outcome]++
	if j.Judgement.Outcome != velocity.Block || j.Judgement.Above {
		return
	}
	for rule, key := range j.Subjects {
		r := &j.Judgement.Results[rule]
		if r.Rule == nil || r.Outcome != velocity.Block || r.Rule.Mode != velocity.Enforce {
			continue
		}
		k := subjectKey{rule, key}
		s := c.subjects[k]
		if s == nil {
			if len(c.subjects) == most {
				c.beyond++
				continue
			}
			s = &subject{firstRow: j.Row}
			c.subjects[k] = s
		}
		s.add(j, r)
	}
}

func (s *subject) add(j *replay.Judged, r *velocity.RuleResult) {
	if s.blocks == 0 || j.At >= s.end {
		s.blocks++
		s.began = j.At
	}
	s.end = j.At + velocity.Time(r.ClearsIn)*1000
	s.longest = max(s.longest, s.end-s.began)
	s.attempts++
	if j.Fraud {
		s.labelled++
	}
}

// A blockedSubject is a line of the table of subjects.
type blockedSubject struct {
	ID       string // stands for it in this replay only
	Rule     string
	Row      int64 // of its first attempt that is blocked
	Attempts int64
	Labelled int64
	Blocks   int
	Longest  time.Duration
}

// blocked are the subjects that were blocked, those with the most attempts first.
func (c *Collector) blocked(rules []replay.Cell) (all []blockedSubject) {
	for k, s := range c.subjects {
		id := strings.ToLower(base32.StdEncoding.EncodeToString(k.subject[:5]))
		all = append(all, blockedSubject{id, rules[k.rule].Name, s.firstRow, s.attempts, s.labelled, s.blocks, time.Duration(s.longest) * time.Millisecond})
	}
	slices.SortFunc(all, func(a, b blockedSubject) int {
		return cmp.Or(cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Row, b.Row), cmp.Compare(a.Rule, b.Rule))
	})
	return all
}

// An hour is what was decided within one or more hours.
type hour struct {
	From                 time.Time
	Allow, Review, Block int64
}

// perHour are the hours of the history, at most that many: of a longer one several together.
// each is how many.
func (c *Collector) perHour(limit int) (hours []hour, each int) {
	if len(c.hours) == 0 {
		return nil, 1
	}
	first, last := int64(1)<<62, int64(-1)<<62
	for h := range c.hours {
		first, last = min(first, h), max(last, h)
	}
	each = int((last-first)/int64(limit)) + 1
	hours = make([]hour, (last-first)/int64(each)+1)
	for i := range hours {
		hours[i].From = time.UnixMilli((first + int64(i*each)) * time.Hour.Milliseconds()).UTC()
	}
	for h, counts := range c.hours {
		into := &hours[(h-first)/int64(each)]
		into.Allow += counts[velocity.Allow]
		into.Review += counts[velocity.Review]
		into.Block += counts[velocity.Block]
	}
	return hours, each
}

// lengths are the limits of the classes of blocks by their length.
var lengths = []struct {
	below time.Duration
	Name  string
}{
	{10 * time.Minute, "below 10 min"}, {time.Hour, "10 min to 1 h"}, {2 * time.Hour, "1 to 2 h"}, {6 * time.Hour, "2 to 6 h"},
	{24 * time.Hour, "6 to 24 h"}, {7 * 24 * time.Hour, "1 to 7 days"}, {1 << 62, "longer"},
}

// longest counts the subjects by their longest block.
func longest(all []blockedSubject) []int64 {
	counts := make([]int64, len(lengths))
	for _, s := range all {
		for i, l := range lengths {
			if s.Longest < l.below {
				counts[i]++
				break
			}
		}
	}
	return counts
}
