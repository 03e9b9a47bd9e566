package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fraudcheck/internal/testbed"
)

// What one instance knows must hold at the other, or its answers say that they are
// degraded. The addresses of these faults are seen by one instance alone until the
// other is asked.

// twoInstances starts two instances on one memcached.
func (s *trial) twoInstances() (m *testbed.Memcached, err error) {
	if m, err = s.memcached(); err != nil {
		return nil, err
	}
	for range 2 {
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// watchedAddresses returns n addresses that the load does not use.
func watchedAddresses(n int) (ips []string) {
	for i := range n {
		ips = append(ips, fmt.Sprintf("198.51.100.%d", i+1))
	}
	return ips
}

// watched is how many addresses a fault of this kind is judged by.
const watched = 20

// A showing is how many addresses were answered what.
type showing struct{ passed, blocked, degraded int }

// show shows one new card from each address at the instance. Degraded answers are
// counted as such, whatever they decide.
func (s *trial) show(i *testbed.Instance, ips []string) (seen showing, err error) {
	c := newCaller([]string{i.Addr}, testbed.Basic("shop", s.password), 0)
	defer c.close()
	for _, ip := range ips {
		s.card++
		a := c.call(attempt(ip, s.card))
		switch {
		case a.err != nil:
			return seen, a.err
		case a.status != http.StatusOK:
			return seen, fmt.Errorf("answered %d", a.status)
		case a.degraded:
			seen.degraded++
		case a.decision == "block":
			seen.blocked++
		default:
			seen.passed++
		}
	}
	return seen, nil
}

// blockAt shows as many cards from each address at the instance as make it blocked.
func (s *trial) blockAt(i *testbed.Instance, ips []string) error {
	const cards = 6 // the last one is blocked by the default rule
	c := newCaller([]string{i.Addr}, testbed.Basic("shop", s.password), 0)
	defer c.close()
	for _, ip := range ips {
		var last answer
		for range cards {
			s.card++
			last = c.call(attempt(ip, s.card))
		}
		if last.err != nil || last.decision != "block" {
			return fmt.Errorf("%s is not blocked after %d cards: %q %v", ip, cards, last.decision, last.err)
		}
	}
	return nil
}

// awaitUndegraded waits until the instance answers about an address of its own
// undegraded: it believes the store again.
func (s *trial) awaitUndegraded(i *testbed.Instance) error {
	var last showing
	ok, err := s.until(longestWait, func() bool {
		seen, err := s.show(i, []string{"192.0.2.1"})
		last = seen
		return err == nil && seen.degraded == 0
	})
	if err == nil && !ok {
		return brokenPromise(fmt.Sprintf("still degraded after %s: %+v", longestWait, last))
	}
	return err
}

// blockedAt shows a card from each address at the instance once it answers undegraded:
// none may pass.
func (s *trial) blockedAt(i *testbed.Instance, ips []string) error {
	if err := s.awaitUndegraded(i); err != nil {
		return err
	}
	seen, err := s.show(i, ips)
	if err != nil {
		return err
	}
	s.note("at the other instance %d of %d blocked, %d degraded", seen.blocked, len(ips), seen.degraded)
	if seen.passed > 0 {
		return brokenPromise(fmt.Sprintf("%d of %d blocked addresses pass at the other instance, undegraded", seen.passed, len(ips)))
	}
	return nil
}

// learnedWhileHung: addresses become blocked at one instance while memcached hangs.
// Once it is well they are blocked at the other.
func learnedWhileHung(s *trial) error {
	m, err := s.twoInstances()
	ips := watchedAddresses(watched)
	s.begin = func() error {
		if err := m.Hang(s.ctx); err != nil {
			return err
		}
		return s.blockAt(s.instances[0], ips)
	}
	s.end = func() error { return m.Resume() }
	s.check = func() error { return s.blockedAt(s.instances[1], ips) }
	return err
}

// losingMemory lets memcached lose its memory, several times, without being away for
// long: each time the other instance is asked at once about addresses that were blocked
// before, and says block or that it is degraded.
func losingMemory(lose func(*trial, *testbed.Memcached) error) func(*trial) error {
	return func(s *trial) error {
		m, err := s.twoInstances()
		s.begin = func() error {
			const times = 3
			var all showing
			ips := watchedAddresses(times * watched)
			for n := range times {
				// New addresses each time: those of the last loss may have come back to
				// memcached.
				these := ips[n*watched:][:watched]
				if err := s.awaitUndegraded(s.instances[0]); err != nil {
					return err
				}
				if err := s.blockAt(s.instances[0], these); err != nil {
					return err
				}
				if err := lose(s, m); err != nil {
					return err
				}
				seen, err := s.show(s.instances[1], these)
				if err != nil {
					return err
				}
				all = showing{all.passed + seen.passed, all.blocked + seen.blocked, all.degraded + seen.degraded}
				if err := testbed.Pause(s.ctx, s.lasts/times-50*time.Millisecond); err != nil {
					return err
				}
			}
			s.note("at the other instance %d of %d blocked, %d degraded", all.blocked, len(ips), all.degraded)
			if all.passed > 0 {
				return brokenPromise(fmt.Sprintf("%d of %d blocked addresses pass at the other instance, undegraded", all.passed, len(ips)))
			}
			return nil
		}
		s.check = func() error { return s.blockedAt(s.instances[1], watchedAddresses(3*watched)) }
		return err
	}
}

// restartFast replaces memcached by an empty one as fast as can be: connections break,
// and are accepted again before the program looks.
func restartFast(s *trial, m *testbed.Memcached) error {
	m.Kill()
	return m.Start(s.ctx)
}

// flush empties memcached, which goes on with all its connections.
func flush(_ *trial, m *testbed.Memcached) error {
	reply, err := m.Ask("flush_all")
	if err == nil && reply != "OK\r\n" {
		err = fmt.Errorf("flush_all: %q", reply)
	}
	return err
}

// letGoThenLost: an analyst lets addresses go at one instance that both know as blocked,
// and then memcached loses its memory. They stay let go.
func letGoThenLost(letGo func(*trial, *testbed.Instance, string) error) func(*trial) error {
	return func(s *trial) error {
		m, err := s.twoInstances()
		ips := watchedAddresses(watched)
		s.begin = func() error {
			if err := s.blockAt(s.instances[0], ips); err != nil {
				return err
			}
			if seen, err := s.show(s.instances[1], ips); err != nil || seen.blocked < len(ips) {
				return fmt.Errorf("the other instance does not know the blocked: %+v %v", seen, err)
			}
			var all errgroup.Group // each is answered when every instance honours it
			for _, ip := range ips {
				all.Go(func() error { return letGo(s, s.instances[0], ip) })
			}
			if err := all.Wait(); err != nil {
				return err
			}
			for _, i := range s.instances {
				if seen, err := s.show(i, ips); err != nil || seen.blocked > 0 {
					return brokenPromise(fmt.Sprintf("still blocked once that was answered: %+v %v", seen, err))
				}
			}
			return restartFast(s, m)
		}
		s.check = func() error { return s.passEverywhere(ips) }
		return err
	}
}

// passEverywhere shows a card from each address at both instances: none may be blocked.
func (s *trial) passEverywhere(ips []string) error {
	// The other first: asked by the one that knows, memcached would know too.
	for n, i := range slices.Backward(s.instances) {
		if err := s.awaitUndegraded(i); err != nil {
			return err
		}
		seen, err := s.show(i, ips)
		if err != nil {
			return err
		}
		s.note("%d of %d pass at instance %d", seen.passed, len(ips), n)
		if seen.blocked > 0 {
			return brokenPromise(fmt.Sprintf("%d of %d addresses that were let go are blocked again at instance %d", seen.blocked, len(ips), n))
		}
	}
	return nil
}

// forget has an analyst forget the address at the instance.
func (s *trial) forget(i *testbed.Instance, ip string) error {
	return s.asAnalyst(i, http.MethodDelete, "/v1/addresses/"+ip, "")
}

// override has an analyst allow the address at the instance for an hour.
func (s *trial) override(i *testbed.Instance, ip string) error {
	return s.asAnalyst(i, http.MethodPut, "/v1/addresses/"+ip+"/override", `{"decision":"allow","for":"1h","reason":"a trial"}`)
}

// asAnalyst asks the operators' port, which must answer 200.
func (s *trial) asAnalyst(i *testbed.Instance, method, path, body string) error {
	r, err := http.NewRequestWithContext(s.ctx, method, "http://"+i.Operators+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.SetBasicAuth("analyst", s.password)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %v", method, path, answer.Status, err)
	}
	return nil
}
