package main

import (
	"fmt"
	"regexp"
)

// A bar is a limit for the rows whose names match: at least, or at most. Bars hold what a
// change must not lose; a row that misses one says so, and is not void for that.
type bar struct {
	rows  *regexp.Regexp
	what  string
	of    func(*row) float64 // the number that is limited, of the medians
	least bool               // limit is the least, otherwise the most
	limit float64
}

func rateRatio(r *row) float64 { return r.ratio(rate) }
func cpuRatio(r *row) float64  { return r.ratio(cpu) }

// Ratios are to the bare answer under the same load; trips are commands to memcached per
// check, and latencies ms.
var bars = []bar{
	{regexp.MustCompile(`^embedded honest `), "checks/s", rateRatio, true, 0.80},
	{regexp.MustCompile(`^embedded honest `), "CPU", cpuRatio, false, 1.40},
	{regexp.MustCompile(`^embedded INFO honest `), "checks/s", rateRatio, true, 0.65},
	{regexp.MustCompile(`^embedded INFO honest `), "CPU", cpuRatio, false, 1.70},
	{regexp.MustCompile(`^memcached tcp honest `), "checks/s", rateRatio, true, 0.55},
	{regexp.MustCompile(`^memcached tcp honest `), "CPU", cpuRatio, false, 2.8},
	{regexp.MustCompile(`^memcached tcp attack `), "checks/s", rateRatio, true, 0.75},
	{regexp.MustCompile(`^memcached tcp attack `), "CPU", cpuRatio, false, 1.6},
	{regexp.MustCompile(`^memcached (tcp|unix) honest `), "trips", func(r *row) float64 { return r.median(trips) }, false, 1.1},
	{regexp.MustCompile(`^memcached (tcp|unix) attack `), "trips", func(r *row) float64 { return r.median(trips) }, false, 0.25},
	{regexp.MustCompile(`^(embedded|memcached).* (honest|attack|retry) `), "p99", func(r *row) float64 { return r.median(p99) }, false, 100},
}

// judge adds a verdict for each bar of the row.
func (r *row) judge() {
	for _, b := range bars {
		if !b.rows.MatchString(r.name()) {
			continue
		}
		n, sign := b.of(r), "≤"
		held := n <= b.limit
		if b.least {
			sign, held = "≥", n >= b.limit
		}
		verdict := "held"
		if !held {
			verdict = "missed"
		}
		r.verdict = append(r.verdict, fmt.Sprintf("bar %s %s%v %s", b.what, sign, b.limit, verdict))
	}
}
