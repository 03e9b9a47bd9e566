package main

import "fmt"

// A bar is a limit with a meaning that holds on any machine: a count, or a row's ratio to
// another row of the same run. A row that misses one says so, and is not void for that.
// How a row compares with bare, in checks/s and processor time, depends on what system
// calls cost the machine beside computing: it is a column, and no bar.
type bar struct {
	row, than string // names of rows; than is empty for a count
	of        value
	least     bool // limit is the least, otherwise the most
	limit     float64
	meaning   string
}

func allocs(s *sample) float64 { return s.Allocs }

var bars = []bar{
	// 1.05 commands, and for each batch of them a read that names the server's memory:
	// the busier memcached is, the larger the batches.
	{"memcached tcp honest 64", "", trips, false, 1.5, "commands per check"},
	{"memcached unix honest 64", "", trips, false, 1.5, "commands per check"},
	{"memcached tcp attack 64", "", trips, false, 0.5, "an attack hardly reaches memcached"},
	{"embedded honest 64", "", allocs, false, 2.5, "allocations"},
	{"memcached tcp honest 64", "", allocs, false, 2.5, "allocations"},

	{"embedded attack 64", "embedded honest 64", cpu, false, 1.1, "an attack is no dearer than shoppers"},
	{"memcached tcp attack 64", "memcached tcp honest 64", cpu, false, 0.8, "an attack is cheaper than shoppers"},
	{"embedded honest 256", "embedded honest 64", rate, true, 0.9, "the rate stays with more connections"},
	{"embedded honest 1000", "embedded honest 64", rate, true, 0.9, "the rate stays with more connections"},
	{"memcached tcp honest 256", "memcached tcp honest 64", rate, true, 0.9, "the rate stays with more connections"},
	{"memcached tcp honest 1000", "memcached tcp honest 64", rate, true, 0.9, "the rate stays with more connections"},
	{"embedded socket honest 64", "embedded honest 64", cpu, false, 1, "a socket is cheaper than TCP"},

	{"4 instances hot key 256", "4 instances honest 256", cpu, false, 0.8, "one address at four instances is cheaper than shoppers"},
	{"memcached tcp 1000 shown 64", "memcached tcp 1 shown 64", cpu, false, 1.1, "more cards cost no more"},
	{"rules: 16 retry 64", "rules: 1 retry 64", cpu, false, 1.5, "16 rules"},
	{"embedded 20 consoles 64", "embedded no consoles 64", cpu, false, 1.05, "20 consoles cost the checks little"},
	{"decision log honest 64", "no decision log honest 64", rate, true, 0.95, "the log takes little of the rate"},
	{"decision log honest 64", "no decision log honest 64", cpu, false, 1.1, "and little processor time"},
	{"Basic argon2id honest 64", "Basic clear honest 64", cpu, false, 1.15, "verified once"},
	{"JWT HS256 honest 64", "Basic clear honest 64", cpu, false, 1.15, "verified once"},
	{"JWT RS256 honest 64", "Basic clear honest 64", cpu, false, 1.15, "verified once"},

	{"haproxy honest 64", "embedded honest 64", cpu, true, 2, "embedded is cheaper"},
	{"haproxy honest 64", "memcached tcp honest 64", cpu, true, 1.2, "fraudcheck on memcached is cheaper"},
}

// judge adds a verdict for each bar of the row; rows are those of the run, by name. A bar
// whose other row was not measured is left out.
func (r *row) judge(rows map[string]*row) {
	for _, b := range bars {
		if b.row != r.name() {
			continue
		}
		n := r.median(b.of)
		if b.than != "" {
			than := rows[b.than]
			if than == nil || than.unmeasured() != "" {
				continue
			}
			n = r.relative(than, b.of)
		}
		sign, held := "≤", n <= b.limit
		if b.least {
			sign, held = "≥", n >= b.limit
		}
		verdict := fmt.Sprintf("%s: %.2f", b.meaning, n)
		if b.than != "" {
			verdict += " of " + b.than
		}
		if !held {
			verdict += fmt.Sprintf(" MISSED (%s%v)", sign, b.limit)
		}
		r.verdict = append(r.verdict, verdict)
	}
}

// relative returns the row's ratio to another row: by way of what both are compared with
// right before and after, where that is the same, because the machine's speed changes
// from one minute to the next.
func (r *row) relative(than *row, of value) float64 {
	switch {
	case r.base == than.name():
		return r.ratio(of)
	case r.base == than.base:
		return r.ratio(of) / than.ratio(of)
	}
	return r.median(of) / than.median(of)
}
