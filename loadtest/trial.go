package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fraudcheck/internal/testbed"
)

// A trial is one fault under load. The fault's prepare function starts the processes and
// sets begin, end and check; the load runs from before begin until tail after end.
type trial struct {
	*runner
	ctx     context.Context
	dir     string        // for the files of its processes
	lasts   time.Duration // from begin to end
	tail    time.Duration // that the load goes on after the end
	callers int           // connections to each instance
	config  string        // lines of configuration beside the usual
	under   []string      // a command with its arguments that runs the program; nil for none
	budget  time.Duration // that the store has; 0 for the default

	card int // the last that a fault showed beside the load

	mostDegraded float64 // share of calls, during; 0 for all

	begin, end, check func() error // each may be nil; check comes when the load is over

	servers    []*testbed.Memcached
	proxies    []*proxy
	instances  []*testbed.Instance
	neighbours []*testbed.Process // that a fault has beside the program
	closers    []func()           // called before the processes are ended
	notes      []string           // for the row: what was measured beside the promises
}

// run calls a step, if the fault has it.
func (s *trial) run(step func() error) error {
	if step == nil {
		return nil
	}
	return step()
}

// close ends everything the trial started, memcached last.
func (s *trial) close() {
	for _, c := range s.closers {
		c()
	}
	for _, i := range s.instances {
		i.Kill()
	}
	for _, p := range s.proxies {
		p.close()
	}
	for _, m := range s.servers {
		m.Kill()
	}
	_ = os.RemoveAll(s.dir)
}

// note adds a remark to the row.
func (s *trial) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// memcached starts a server of its own.
func (s *trial) memcached(args ...string) (*testbed.Memcached, error) {
	m, err := testbed.NewMemcached(s.ctx, s.dir, "", args...)
	if err == nil {
		s.servers = append(s.servers, m)
	}
	return m, err
}

// proxied starts a memcached and a proxy in front of it.
func (s *trial) proxied() (*proxy, error) {
	m, err := s.memcached()
	if err != nil {
		return nil, err
	}
	p, err := newProxy(m.Addr)
	if err == nil {
		s.proxies = append(s.proxies, p)
	}
	return p, err
}

// store returns the store section of the configuration: the proxies if there are any,
// else the servers, else the embedded store.
func (s *trial) store() string {
	var addrs []string
	for _, p := range s.proxies {
		addrs = append(addrs, p.addr)
	}
	if len(addrs) == 0 {
		for _, m := range s.servers {
			addrs = append(addrs, m.Addr)
		}
	}
	if len(addrs) == 0 {
		return "memory: {}"
	}
	store := `kind: memcached, memcached: {servers: ["` + strings.Join(addrs, `", "`) + `"]}`
	if s.budget > 0 {
		store += ", budget: " + s.budget.String()
	}
	return store
}

// configFile is the name of the configuration in the trial's folder.
const configFile = "fraudcheck.yaml"

// writeConfig replaces the configuration file atomically; more is appended to it.
func (s *trial) writeConfig(more string) (path string, err error) {
	path = filepath.Join(s.dir, configFile)
	text := "hash_key: " + strings.Repeat("0123456789abcdef", 4) + "\n" +
		"auth: {basic: {users: [{username: shop, password: " + s.password + "}, {username: analyst, password: " + s.password + ", roles: [analyst]}]}}\n" +
		s.config + more
	if !strings.Contains(text, "\nstore:") {
		text += "store: {" + s.store() + "}\n"
	}
	if s.budget > 0 && !strings.Contains(text, "\nlimits:") {
		text += "limits: {answer: " + (2 * s.budget).String() + "}\n"
	}
	if err = os.WriteFile(path+".new", []byte(text), 0o600); err == nil {
		err = os.Rename(path+".new", path)
	}
	return path, err
}

// instance starts an instance with the trial's configuration and waits until it is ready.
// An empty listen is a free port; files limits the file descriptors of the process, 0
// does not.
func (s *trial) instance(listen string, files int) (*testbed.Instance, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	config, err := s.writeConfig("")
	if err != nil {
		return nil, err
	}
	under := s.under
	if files > 0 {
		under = []string{"/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)}
	}
	return testbed.StartInstance(s.ctx, s.dir, s.command(under, config, listen, "127.0.0.1:0"))
}

// command returns what starts the program, run by under where that is not nil.
func (s *trial) command(under []string, config, listen, operators string) *exec.Cmd {
	all := append(slices.Clip(under), s.program, "--config", config, "--listen", listen, "--operator-listen", operators)
	return exec.Command(all[0], all[1:]...)
}

// start starts an instance and sends it load.
func (s *trial) start() error {
	i, err := s.instance("", 0)
	if err == nil {
		s.instances = append(s.instances, i)
	}
	return err
}

// drains returns how long a stop under load may take. Of two seconds half a second
// (listener.LastRequests) is left for the last requests: a busy machine needs that.
func (s *trial) drains() time.Duration { return max(s.lasts, 2*time.Second) }

// restart replaces an instance that has ended, on the same port.
func (s *trial) restart(n int) error {
	i, err := s.instance(s.instances[n].Addr, 0)
	if err == nil {
		s.instances[n] = i
	}
	return err
}

// metric returns the value of a series of the first instance, 0 when there is none.
// series is as /metrics writes it, with its labels.
func (s *trial) metric(series string) (int, error) {
	m, err := s.instances[0].Metrics()
	return int(m[series]), err
}

// until polls the condition; it returns false when longest has passed before it held. The
// error is that the run was interrupted.
func (s *trial) until(longest time.Duration, condition func() bool) (bool, error) {
	late := time.Now().Add(longest)
	for !condition() {
		if time.Now().After(late) {
			return false, nil
		}
		if err := testbed.Pause(s.ctx, testbed.PollInterval); err != nil {
			return false, err
		}
	}
	return true, nil
}
