package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"fraudcheck/internal/testbed"
)

// A target is put under load: one or several processes that answer checks, and the
// memcached that they share, if any.
type target struct {
	name      string
	roots     []int // process ids
	addrs     []string
	instances []*testbed.Instance // the processes that are fraudcheck
	store     *testbed.Memcached
	auth      string // the Authorization header of callers
}

// pids returns the processes and all their descendants, without memcached.
func (t *target) pids() (pids []int, err error) {
	for _, root := range t.roots {
		tree, err := testbed.Tree(root)
		if err != nil {
			return nil, err
		}
		pids = append(pids, tree...)
	}
	return pids, nil
}

// A lab builds and starts targets. Each runs from its first use until the end, so that a
// later round finds it as the earlier ones left it: with all their records.
type lab struct {
	dir      string
	program  string
	password string
	running  map[string]*target // by name
	stops    []func()
}

const user = "bench" // a user that peers accept

// newLab makes a lab whose program build writes to the path it is given.
func newLab(ctx context.Context, password string, build builder) (*lab, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, program: filepath.Join(dir, "fraudcheck"), password: password, running: make(map[string]*target)}
	// FRAUDCHECK_ variables of this shell must not configure what is measured.
	testbed.ClearEnvironment()
	if err := build(ctx, l.program); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// auth returns the Authorization header of the user that every target knows.
func (l *lab) auth() string { return testbed.Basic(user, l.password) }

// close stops all processes, the last one first.
func (l *lab) close() {
	for n := range l.stops {
		l.stops[len(l.stops)-1-n]()
	}
	_ = os.RemoveAll(l.dir)
}

// target returns the target of that name; the first call starts it.
func (l *lab) target(name string, start func(t *target) error) (*target, error) {
	if t := l.running[name]; t != nil {
		return t, nil
	}
	t := &target{name: name, auth: l.auth()}
	if err := start(t); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	l.running[name] = t
	return t, nil
}

// file returns a new path in the lab's folder.
func (l *lab) file(name string) string {
	return filepath.Join(l.dir, fmt.Sprintf("%d-%s", len(l.stops), name))
}

// track notes a process of the target, to be measured, put under load and stopped.
func (l *lab) track(t *target, p *testbed.Process, addr string) {
	t.roots, t.addrs = append(t.roots, p.PID()), append(t.addrs, addr)
	l.stops = append(l.stops, p.Stop)
}

// startBare starts this program again, as the bare answer.
func (l *lab) startBare(ctx context.Context, t *target) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	addr, err := testbed.FreeAddr()
	if err != nil {
		return err
	}
	p, err := testbed.Start(l.dir, exec.Command(self, "-bare", addr))
	if err != nil {
		return err
	}
	l.track(t, p, addr)
	return p.Await(ctx, testbed.Prompt, func() bool { return listens(addr) })
}

// A setup is how fraudcheck is configured; what it does not say is the default.
type setup struct {
	logLevel  string // empty for the default
	store     string // memory, tcp or unix
	instances int
	socket    bool   // callers connect to a unix socket
	rules     string // empty for the default
	pack      bool   // the rules are those of deploy/rules
	scheme    scheme // nil for a user with a hashed password
	storeMiB  int    // what memcached, or the embedded store, may take; 0: enough for the tables

	decisionLog bool // it is written
}

// startFraudcheck writes a configuration, starts memcached where the setup needs one, and
// then the instances, all with the same configuration.
func (l *lab) startFraudcheck(ctx context.Context, t *target, s setup) error {
	// SHA-256 costs one hash a credential and no slow verification at the first call.
	if s.scheme == nil {
		s.scheme = password("sha256", func(p string) (string, error) { return fmt.Sprintf("%x", sha256.Sum256([]byte(p))), nil })
	}
	believed, shown, err := s.scheme(l)
	if err != nil {
		return err
	}
	t.auth = shown
	config := fmt.Sprintf("hash_key: %064x\nauth: {%s}\n", sha256.Sum256([]byte("hash key "+l.password)), believed)
	if s.logLevel != "" {
		config += "log: {level: " + s.logLevel + "}\n"
	}
	if s.rules != "" {
		config += "rules:\n" + s.rules
	}
	if s.pack {
		rules, err := recommendedRules(ctx)
		if err != nil {
			return err
		}
		config += rules
	}
	if s.decisionLog {
		config += "decision_log: {path: " + l.file("decisions") + ", max_bytes: 1GiB}\n"
	}
	// Room for all addresses of all rounds; taken as it is needed.
	store, memcachedMiB := "memory: {max_bytes: 4GiB}", 1024
	if s.storeMiB > 0 {
		store, memcachedMiB = fmt.Sprintf("memory: {max_bytes: %dMiB}", s.storeMiB), s.storeMiB
	}
	if s.store != "memory" {
		socket := ""
		if s.store == "unix" {
			socket = l.file("memcached.sock")
		}
		m, err := testbed.NewMemcached(ctx, l.dir, socket, "-m", strconv.Itoa(memcachedMiB), "-c", "4096")
		if err != nil {
			return err
		}
		t.store, l.stops = m, append(l.stops, m.Stop)
		store += `, kind: memcached, memcached: {servers: ["` + m.Addr + `"]}`
	}
	config += "store: {budget: 1s, " + store + "}\n" // as patience
	path, err := l.configure(ctx, config)
	if err != nil {
		return err
	}
	for range s.instances {
		socket := ""
		if s.socket {
			socket = l.file("check.sock")
		}
		i, err := testbed.StartQuietInstance(ctx, l.dir, l.program, path, socket)
		if err != nil {
			return err
		}
		t.instances = append(t.instances, i)
		l.track(t, i.Process, i.Addr)
	}
	return nil
}

// patience lets a check wait longer for its turn than a checkout would: what is measured
// is what fresh answers cost, however slow the machine is.
const patience = "limits: {answer: 2s}\n"

// configure writes a configuration file, with patience where the program knows that
// setting: an earlier build may not.
func (l *lab) configure(ctx context.Context, config string) (path string, err error) {
	path = l.file("fraudcheck.yaml")
	for _, text := range []string{config + patience, config} {
		if err = os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		if exec.CommandContext(ctx, l.program, "check-config", "--config", path).Run() == nil {
			break
		}
	}
	return path, nil
}

// listens reports whether a process accepts connections at the TCP address.
func listens(addr string) bool {
	c, err := net.Dial("tcp", addr)
	return err == nil && c.Close() == nil
}
