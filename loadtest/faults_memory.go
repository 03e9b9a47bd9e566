package main

import (
	"errors"
	"fmt"
	"net/http"
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
		if err := s.floodEmails(40_000); err != nil {
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
