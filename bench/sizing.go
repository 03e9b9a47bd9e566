package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// sizingColumns are what machines are sized by. checks/core is how many checks a second
// one processor of an instance carries, and then one of memcached; commands and bytes are
// per check.
var sizingColumns = []column{
	{"CPU µs", 7, func(r *row) string { return number(r.median(cpu), 1) }},
	{"min-max", 11, func(r *row) string {
		all := each(r.samples, cpu)
		return number(slices.Min(all), 1) + "-" + number(slices.Max(all), 1)
	}},
	{"checks/core", 11, func(r *row) string { return perCore(r.median(cpu)) }},
	{"mc µs", 6, func(r *row) string { return number(r.median(storeCPU), 2) }},
	{"checks/core", 11, func(r *row) string { return perCore(r.median(storeCPU)) }},
	{"commands", 8, func(r *row) string { return number(r.median(trips), 2) }},
	{"mc in B", 7, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.ToStore }), 0) }},
	{"mc out B", 8, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.Stored }), 0) }},
	{"in B", 5, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.Sent }), 0) }},
	{"out B", 5, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.Received }), 0) }},
	{"others", 6, func(r *row) string {
		return number(100*slices.Max(each(r.samples, func(s *sample) float64 { return s.Others })), 0) + " %"
	}},
}

func storeCPU(s *sample) float64 { return s.StoreCPU }

// perCore returns how many checks of µs processor time a second holds.
func perCore(µs float64) string { return number(1e6/µs, 0) }

// columns returns those of the cell's table.
func (c *cell) columns() []column {
	if c.sizing {
		return sizingColumns
	}
	return columns
}

// slowRate is the checks a second at which hardly two commands to memcached meet, so that
// each has its system call.
const slowRate = 1000

// sizingCells returns the rows that machines are sized by: no row is compared with
// another.
func sizingCells() (all []cell) {
	add := func(table, target string, start starter, from func() *traffic, conns, rate int) {
		c := cell{table: table, target: target, start: start, from: from, does: from().name, conns: conns, rate: rate, sizing: true}
		if rate > 0 {
			c.does = fmt.Sprintf("%d/s", rate)
		}
		c.base = c.name()
		all = append(all, c)
	}
	for _, from := range []func() *traffic{honest, retry, attack} {
		add(sizeDefault, "embedded", quietMemory.start, from, 64, 0)
		add(sizeDefault, "memcached", quietTCP.start, from, 64, 0)
	}
	add(sizeDefault, "memcached", quietTCP.start, honest, 64, slowRate)
	four := quietTCP
	four.instances = 4
	add(sizeDefault, "4 instances", four.start, honest, 64, 0)
	add(sizeDefault, "4 instances", four.start, hotKey, 64, 0)
	memory, tcp := quietMemory, quietTCP
	memory.pack, tcp.pack = true, true
	for _, from := range []func() *traffic{shoppers, orders, attackOnOrders} {
		add(sizePack, "embedded, pack", memory.start, from, 64, 0)
		add(sizePack, "memcached, pack", tcp.start, from, 64, 0)
	}
	return all
}

// shoppers is honest under the recommended rules.
func shoppers() *traffic {
	t := honest()
	t.name, t.orders = "shoppers", true
	return t
}

// Of declinedOneIn checks one is declined by the issuer.
const declinedOneIn = 10

// orders is shoppers of a checkout that tells the outcome of each check. What is measured
// per check is that of the check and its outcome.
func orders() *traffic {
	t := shoppers()
	t.name = "orders"
	t.seed = 2
	t.stream = func(int) func() attempt {
		next := honestAttempts()
		var last attempt
		calls := 0
		return func() attempt {
			if calls++; calls%2 == 1 {
				last = next()
				return last
			}
			return attempt{address: last.address, card: last.card, outcome: true, declined: calls/2%declinedOneIn == 0}
		}
	}
	return t
}

// attackOnOrders is attack under the recommended rules: each new card is a record. Of two
// attempts at once one may be the last that the address allows, and the other the last
// that the cart allows: then fewer pass than each of them would let.
func attackOnOrders() *traffic {
	t := attack()
	t.orders = true
	t.judge = func(t *tally) string {
		if t.passed > blockOver {
			return t.wrongAttack()
		}
		return t.wrongHonest(1)
	}
	return t
}

// recommendedRules returns the rules section that deploy/rules recommends.
func recommendedRules(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the source: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "deploy", "rules", "recommended.yaml"))
	return string(text), err
}
