package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fraudcheck/internal/testbed"
)

// A peer is another stack that answers the same question: a folder in bench/peers with
// a program named start, which is called with a port and a folder for its files. It stays
// in the foreground and answers POST /v1/check on 127.0.0.1 with a JSON object that
// has "decision": allow, review or block, to the user bench with the password in
// PEER_PASSWORD; it ends on SIGTERM. Exit code 77 says that it cannot run on this
// machine, and the last line on its standard error why.

const (
	cannotRun    = 77
	startTimeout = 3 * time.Minute // longest that a peer may take to start, since it may have to be built
)

// peersHere returns the start programs, sorted by the names of the peers.
func peersHere(ctx context.Context) ([]string, error) {
	here := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "fraudcheck/bench")
	here.Stderr = os.Stderr
	dir, err := here.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find bench/peers: %w", err)
	}
	return filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "peers", "*", "start"))
}

// peerCells returns rows of fraudcheck and the peers, under the same two kinds of
// traffic.
func peerCells(starts []string) (all []cell) {
	row := func(name string, start starter, does string, from func() *traffic) {
		all = append(all, cell{table: otherStacks, target: name, start: start, from: from, does: does, conns: 64, base: "bare honest 64"})
	}
	row("bare", startBare, "honest", honest)
	row("embedded", quietMemory.start, "honest", honest)
	row("embedded", quietMemory.start, "attack", attack)
	row("memcached tcp", quietTCP.start, "honest", honest)
	row("memcached tcp", quietTCP.start, "attack", attack)
	for _, path := range starts {
		name := filepath.Base(filepath.Dir(path))
		start := func(ctx context.Context, l *lab, t *target) error { return l.startPeer(ctx, t, path) }
		row(name, start, "honest", func() *traffic { return inexact(honest()) })
		row(name, start, "attack", func() *traffic { return inexact(attack()) })
	}
	return all
}

// inexact returns the traffic for a peer, which need not be exact nor report counts: only
// that honest shoppers pass is judged.
func inexact(c *traffic) *traffic {
	c.judge = func(t *tally) string { return t.wrongHonest(0) }
	return c
}

// startPeer starts a peer and waits until it answers a check with 200.
func (l *lab) startPeer(ctx context.Context, t *target, path string) error {
	addr, err := testbed.FreeAddr()
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(addr)
	dir := l.file(t.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	start := exec.Command(path, port, dir)
	start.Env = []string{"PEER_PASSWORD=" + l.password}
	p, err := testbed.Start(l.dir, start)
	if err != nil {
		return err
	}
	l.track(t, p, addr)
	status := 0
	err = p.Await(ctx, startTimeout, func() bool {
		status = l.answers(addr)
		return status != 0
	})
	switch {
	case err != nil && p.ExitCode() == cannotRun:
		return skipped(lastLine(p))
	case err == nil && status != 200:
		return fmt.Errorf("a check is answered %d", status)
	}
	return err
}

// lastLine returns the last line of a process's standard error.
func lastLine(p *testbed.Process) string {
	lines := p.LastLines()
	return lines[strings.LastIndexByte(lines, '\n')+1:]
}

// answers returns the status of a check at the address, 0 when none comes.
func (l *lab) answers(addr string) int {
	c, err := newCaller(addr, l.auth(), honestAttempts(), false)
	if err != nil {
		return 0
	}
	defer c.Conn.Close()
	if err := c.Conn.SetDeadline(time.Now().Add(testbed.Prompt)); err != nil {
		return 0
	}
	_, a, err := c.call()
	if err != nil {
		return 0
	}
	return a.Status
}

// A skipped error says why a peer cannot run on this machine.
type skipped string

// Error returns the reason.
func (s skipped) Error() string { return string(s) }

// reasonToSkip returns why a peer cannot run here; empty for other errors.
func reasonToSkip(err error) string {
	s, _ := errors.AsType[skipped](err)
	return string(s)
}
