package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
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

	mostDegraded float64 // share of calls, during; 0 for all

	begin, end, check func() error // each may be nil; check comes when the load is over

	servers   []*memcached
	proxies   []*proxy
	instances []*instance
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
		i.kill()
	}
	for _, p := range s.proxies {
		p.close()
	}
	for _, m := range s.servers {
		m.kill()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *scene) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// memcached starts one.
func (s *scene) memcached(args ...string) (*memcached, error) {
	m, err := startMemcached(s.ctx, filepath.Join(s.dir, fmt.Sprintf("memcached%d", len(s.servers))), args...)
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
	p, err := newProxy(m.addr)
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
			addrs = append(addrs, m.addr)
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

// writeConfig writes the configuration, with further lines, whole or not at all.
func (s *scene) writeConfig(more string) (path string, err error) {
	path = filepath.Join(s.dir, "fraudcheck.yaml")
	text := "hash_key: " + strings.Repeat("0123456789abcdef", 4) + "\n" +
		"auth: {basic: {users: [{username: shop, password: " + s.password + "}]}}\n" +
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
func (s *scene) instance(listen string, files int) (*instance, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	config, err := s.writeConfig("")
	if err != nil {
		return nil, err
	}
	log := filepath.Join(s.dir, fmt.Sprintf("instance%d.log", time.Now().UnixNano()))
	return startInstance(s.ctx, log, s.program, config, listen, files)
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
	i, err := s.instance(s.instances[n].addr, 0)
	if err == nil {
		s.instances[n] = i
	}
	return err
}

// metric reads a number that the first instance shows its operators; 0 for none.
func (s *scene) metric(name string) (n int, err error) {
	client := http.Client{Timeout: callTimeout}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://" + s.instances[0].operators + "/metrics")
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	_, after, _ := strings.Cut(string(text), "\n"+name+" ")
	_, _ = fmt.Sscan(after, &n)
	return n, err
}

// until waits until the condition holds, at most a while.
func (s *scene) until(longest time.Duration, condition func() bool) (bool, error) {
	late := time.Now().Add(longest)
	for !condition() {
		if time.Now().After(late) {
			return false, nil
		}
		if err := pause(s.ctx, pollEvery); err != nil {
			return false, err
		}
	}
	return true, nil
}
