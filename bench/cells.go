package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// A cell is a row of the tables: an experiment that every round repeats. Its name is
// unique.
type cell struct {
	table  string // title of the table that it stands in
	target string // name of the process under load; cells of one target share it
	start  starter
	from   func() *traffic // makes new traffic for each round
	does   string          // the traffic, in the table
	conns  int             // connections
	rate   int             // calls a second; 0 for a closed loop
	beside crowd           // who else asks meanwhile
	base   string          // name of the cell that it is compared with
	sizing bool            // its table has the columns of sizing
}

func (c *cell) name() string { return fmt.Sprintf("%s %s %d", c.target, c.does, c.conns) }

// A starter starts a target, once for all rounds.
type starter func(context.Context, *lab, *target) error

// The tables.
const (
	closed      = "closed loop: each connection calls as soon as it was answered"
	open        = "open loop: 10,000 checks/s, latency from the instant a call was due"
	hot         = "four instances on one memcached: one address, 256 connections"
	byCards     = "memcached tcp, one address that shows its cards again: by cards shown"
	byRules     = "memcached tcp, one address that shows its card again: by rules"
	byLog       = "the decision log: embedded store, without it and with it"
	byCrowd     = "analysts at the console, and programs that read the stream: open loop as above"
	bySchemes   = "schemes: embedded store, credentials verified before, compared with a password in clear"
	otherStacks = "other stacks, the same calls"
	sizeDefault = "to size by: the default rule"
	sizePack    = "to size by: the recommended rules, with card_id, cart and attempt_id"
)

// pacedRate is the calls a second of the open loop.
const pacedRate = 10_000

func startBare(ctx context.Context, l *lab, t *target) error { return l.startBare(ctx, t) }

func (s setup) start(ctx context.Context, l *lab, t *target) error {
	return l.startFraudcheck(ctx, t, s)
}

var (
	quietMemory = setup{logLevel: "WARNING", store: "memory", instances: 1}
	quietTCP    = setup{logLevel: "WARNING", store: "tcp", instances: 1}
	quietUnix   = setup{logLevel: "WARNING", store: "unix", instances: 1}
	// Callers on the same machine, over a unix socket.
	socketMemory = setup{logLevel: "WARNING", store: "memory", instances: 1, socket: true}
	socketUnix   = setup{logLevel: "WARNING", store: "unix", instances: 1, socket: true}
)

// ownCells returns the rows of fraudcheck, in the order of the tables. Each is compared
// with one that differs in one thing: the store, the traffic, the number of cards, rules
// or instances, the scheme.
func ownCells() (all []cell) {
	add := func(c cell) { all = append(all, c) }
	for _, conns := range []int{64, 256, 1000} {
		base := fmt.Sprintf("bare honest %d", conns)
		row := func(name string, start starter, does string, from func() *traffic) {
			add(cell{table: closed, target: name, start: start, from: from, does: does, conns: conns, base: base})
		}
		row("bare", startBare, "honest", honest)
		row("embedded", quietMemory.start, "honest", honest)
		row("embedded INFO", setup{store: "memory", instances: 1}.start, "honest", honest)
		row("memcached tcp", quietTCP.start, "honest", honest)
		row("memcached unix", quietUnix.start, "honest", honest)
		row("embedded socket", socketMemory.start, "honest", honest)
		row("both sockets", socketUnix.start, "honest", honest)
		if conns == 1000 {
			continue
		}
		row("embedded", quietMemory.start, "attack", attack)
		row("memcached tcp", quietTCP.start, "attack", attack)
		row("embedded", quietMemory.start, "retry", retry)
		row("memcached tcp", quietTCP.start, "retry", retry)
	}
	paced := func(name string, start starter, from func() *traffic) {
		add(cell{table: open, target: name, start: start, from: from, does: "paced", conns: 64, rate: pacedRate, base: "bare paced 64"})
	}
	paced("bare", startBare, honest)
	paced("embedded", quietMemory.start, honest)
	paced("memcached tcp", quietTCP.start, honest)

	for _, of := range []struct {
		does   string
		beside crowd
	}{{"no consoles", crowd{}}, {"20 consoles", crowd{20, page}}, {"20 streams", crowd{20, program}}} {
		add(cell{table: byCrowd, target: "embedded", start: quietMemory.start, from: honest, does: of.does, conns: 64, rate: pacedRate, beside: of.beside, base: "embedded no consoles 64"})
	}

	four := setup{logLevel: "WARNING", store: "tcp", instances: 4}.start
	add(cell{table: hot, target: "4 instances", start: four, from: honest, does: "honest", conns: 256, base: "4 instances honest 256"})
	add(cell{table: hot, target: "4 instances", start: four, from: hotKey, does: "hot key", conns: 256, base: "4 instances honest 256"})

	for _, n := range []int{1, 10, 100, 1000} {
		add(cell{table: byCards, target: "memcached tcp", start: quietTCP.start, from: func() *traffic { return shown(n, 64) },
			does: fmt.Sprintf("%d shown", n), conns: 64, base: "memcached tcp 1 shown 64"})
	}
	for _, n := range []int{1, 4, 16} {
		ruled := setup{logLevel: "WARNING", store: "tcp", instances: 1, rules: rulesOf(n)}.start
		add(cell{table: byRules, target: fmt.Sprintf("rules: %d", n), start: ruled, from: func() *traffic { return shown(1, 64) },
			does: "retry", conns: 64, base: "rules: 1 retry 64"})
	}
	for _, name := range []string{"no decision log", "decision log"} {
		logged := setup{logLevel: "WARNING", store: "memory", instances: 1, decisionLog: name == "decision log"}.start
		add(cell{table: byLog, target: name, start: logged, from: honest, does: "honest", conns: 64, base: "no decision log honest 64"})
	}
	for _, g := range schemes {
		guarded := setup{logLevel: "WARNING", store: "memory", instances: 1, scheme: g.scheme}.start
		add(cell{table: bySchemes, target: g.name, start: guarded, from: honest, does: "honest", conns: 64, base: "Basic clear honest 64"})
	}
	return all
}

// rulesOf returns count rules, at most 16, on one address: four elements and retentions,
// each with four windows. The rule on attempts is in shadow, because each call of this
// traffic is a new attempt.
func rulesOf(count int) string {
	var b strings.Builder
	kinds := []string{"count: cards", "count: attempts, mode: shadow", "count: declined_cards", "count: cards, retention: idle"}
	for n := range count {
		fmt.Fprintf(&b, "  - {name: rule%d, per: ip, %s, window: %dh, block_over: 5}\n", n, kinds[n%4], 1+n/4)
	}
	return b.String()
}

// match returns the cells whose name matches.
func match(all []cell, only string) (matching []cell, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	for _, c := range all {
		if pattern.MatchString(c.name()) {
			matching = append(matching, c)
		}
	}
	if len(matching) == 0 {
		return nil, fmt.Errorf("-only: no cell matches %q", only)
	}
	return matching, nil
}

// choose returns the cells whose name matches, and those they are compared with.
func choose(all []cell, only string) (chosen []cell, err error) {
	matching, err := match(all, only)
	if err != nil {
		return nil, err
	}
	needed := make(map[string]bool)
	for _, c := range matching {
		needed[c.name()], needed[c.base] = true, true
	}
	for _, c := range all {
		if needed[c.name()] {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}
