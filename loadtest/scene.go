package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fraudcheck/internal/testbed"
)

// A scene is what one fault needs, and what it does. Its set function starts what
// there is to start, and says what happens at the begin and the end; the load runs
// from before the one until a while after the other.
type scene struct {
	*stage
	ctx     context.Context
	dir     string
	lasts   time.Duration // from begin to end
	tail    time.Duration // that the load goes on after the end
	callers int
	config  string        // lines of configuration beside the usual
	budget  time.Duration // that the store has; 0 for the default

	card int // the last that a fault showed beside the load

	mostDegraded float64 // share of calls, during; 0 for all

	begin, end, check func() error // each may be nil; check comes when the load is over

	servers   []*testbed.Memcached
	proxies   []*proxy
	instances []*testbed.Instance
	closers   []func()
	notes     []string
}

func (s *scene) run(step func() error) error {
	if step == nil {
		return nil
	}
	return step()
}

// close ends all that was started, the store last.
func (s *scene) close() {
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

func (s *scene) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// memcached starts one.
func (s *scene) memcached(args ...string) (*testbed.Memcached, error) {
	m, err := testbed.NewMemcached(s.ctx, s.dir, "", args...)
	if err == nil {
		s.servers = append(s.servers, m)
	}
	return m, err
}

// proxied starts a memcached behind a proxy.
func (s *scene) proxied() (*proxy, error) {
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

// store is the configuration of the store: the proxies, or the servers, or memory.
func (s *scene) store() string {
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

const configFile = "fraudcheck.yaml"

// writeConfig writes the configuration, with further lines, whole or not at all.
func (s *scene) writeConfig(more string) (path string, err error) {
	path = filepath.Join(s.dir, configFile)
	text := "hash_key: " + strings.Repeat("0123456789abcdef", 4) + "\n" +
		"auth: {basic: {users: [{username: shop, password: " + s.password + "}, {username: analyst, password: " + s.password + ", roles: [analyst]}]}}\n" +
		s.config + more
	if !strings.Contains(text, "\nstore:") {
		text += "store: {" + s.store() + "}\n"
	}
	if err = os.WriteFile(path+".new", []byte(text), 0o600); err == nil {
		err = os.Rename(path+".new", path)
	}
	return path, err
}

// instance starts one; listen is empty for a free port, files 0 for as many file
// descriptors as there are.
func (s *scene) instance(listen string, files int) (*testbed.Instance, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	config, err := s.writeConfig("")
	if err != nil {
		return nil, err
	}
	args := []string{"--config", config, "--listen", listen, "--operator-listen", "127.0.0.1:0"}
	cmd := exec.Command(s.program, args...)
	if files > 0 {
		args = append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files), s.program}, args...)
		cmd = exec.Command("/bin/sh", args...)
	}
	return testbed.StartInstance(s.ctx, s.dir, cmd)
}

// start starts an instance that will be called.
func (s *scene) start() error {
	i, err := s.instance("", 0)
	if err == nil {
		s.instances = append(s.instances, i)
	}
	return err
}

// restart replaces an instance that has ended, on the same port.
func (s *scene) restart(n int) error {
	i, err := s.instance(s.instances[n].Addr, 0)
	if err == nil {
		s.instances[n] = i
	}
	return err
}

// metric reads a number that the first instance shows its operators; 0 for none.
func (s *scene) metric(series string) (int, error) {
	m, err := s.instances[0].Metrics()
	return int(m[series]), err
}

// until waits until the condition holds, at most a while.
func (s *scene) until(longest time.Duration, condition func() bool) (bool, error) {
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
