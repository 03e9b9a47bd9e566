package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"fraudcheck/internal/testbed"
)

// starved: the embedded store is full, and a flood of distinct e-mail addresses, whose
// rule keeps them for longer, needs its room. Blocked addresses stay blocked.
func starved(s *trial) error {
	s.config = "store: {memory: {max_bytes: 1MiB}}\nrules:\n" +
		"  - {name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}\n" +
		"  - {name: cards_per_email, per: email, count: cards, window: 24h, review_over: 3, block_over: 5}\n"
	if err := s.start(); err != nil {
		return err
	}
	ips := watchedAddresses(watched)
	s.begin = func() error {
		if err := s.blockAt(s.instances[0], ips); err != nil {
			return err
		}
		n := 40_000
		if s.Short {
			n = 16_000
		}
		if err := s.floodEmails(n); err != nil {
			return err
		}
		m, err := s.instances[0].Metrics()
		if err != nil {
			return err
		}
		// Otherwise the fault was none: nothing had to be forgotten.
		if evicted, _ := m.Sum("fraudcheck_store_evicted_in_window_total"); evicted < 1000 {
			return errors.New("the store is not full")
		}
		seen, err := s.show(s.instances[0], ips)
		if err != nil {
			return err
		}
		s.note("%d of %d blocked", seen.blocked, len(ips))
		if seen.passed > 0 {
			return brokenPromise(fmt.Sprintf("%d of %d blocked addresses pass", seen.passed, len(ips)))
		}
		return nil
	}
	return nil
}

// usedOn returns a broken promise where memcached is not asked any more.
func (s *trial) usedOn() error {
	m, err := s.instances[0].Metrics()
	if up, there := m.Sum("fraudcheck_store_up"); err == nil && (!there || up != 1) {
		return brokenPromise("memcached is not used any more")
	}
	refused := 0.0
	for series, n := range m {
		if strings.HasPrefix(series, "fraudcheck_store_operations_total{") && strings.Contains(series, `result="refused"`) {
			refused += n
		}
	}
	if s.note("%.0f writes refused", refused); err == nil && refused == 0 {
		err = errors.New("memcached refuses no write")
	}
	return err
}

// recordRefused: memcached takes no item of more than 1 KiB, and one address comes to
// have a larger record. That concerns this address alone.
func recordRefused(s *trial) error {
	s.config = "rules:\n" +
		"  - {name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}\n" +
		"  - {name: many_cards, per: ip, count: cards, window: 1h, block_over: 1000, mode: shadow}\n"
	small, err := testbed.SmallItems(s.ctx, s.dir)
	if err != nil {
		return err
	}
	if _, err := s.startOnMemcached(small...); err != nil {
		return err
	}
	s.mostDegraded = 0.25 // those of the attackers, whose records grow too
	s.begin = func() error {
		i, ips := s.instances[0], watchedAddresses(1)
		if err := s.blockAt(i, ips); err != nil {
			return err
		}
		for range 300 {
			if seen, err := s.show(i, ips); err != nil || seen.passed > 0 {
				return fmt.Errorf("%d pass: %w", seen.passed, err)
			}
		}
		// What it was shown while it was answered locally is written within a second.
		refused := func() bool {
			n, _ := s.metric(`fraudcheck_store_operations_total{op="cas",result="refused"}`)
			return n > 0
		}
		if _, err := s.until(testbed.Prompt, refused); err != nil {
			return err
		}
		return s.usedOn()
	}
	return nil
}

// full: other clients fill a memcached that evicts nothing (-M), so that it refuses new
// records. It is asked on for those that it has, and takes new ones once there is room.
func full(s *trial) error {
	m, err := s.startOnMemcached("-M", "-m", "1", "-I", "512k")
	stop := make(chan struct{})
	s.begin = func() error { return s.flood(m, stop) }
	s.end = func() error {
		defer close(stop)
		if err := s.usedOn(); err != nil {
			return err
		}
		return flush(s, m)
	}
	return err
}

// floodEmails checks n cards, each of an e-mail address and a shopper of its own, by 16
// callers at once.
func (s *trial) floodEmails(n int) error {
	var flooding sync.WaitGroup
	failed := make(chan error, 16)
	for worker := range cap(failed) {
		flooding.Go(func() {
			c := newCaller([]string{s.instances[0].Addr}, testbed.Basic("shop", s.password), 0)
			defer c.close()
			for k := worker; k < n; k += cap(failed) {
				body := fmt.Appendf(nil, `{"ip":"fd00:0:0:%x::1","last4":"4242","exp_month":12,"exp_year":2030,"email":"shopper%d@example.com"}`, k&0xffff, k)
				if a := c.call(body); a.err != nil || a.status != http.StatusOK {
					failed <- fmt.Errorf("flooding: status %d: %v", a.status, a.err)
					return
				}
			}
		})
	}
	flooding.Wait()
	close(failed)
	return <-failed
}
