package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"fraudcheck/internal/testbed"
)

// startOnMemcached starts a memcached, with these arguments, and an instance that uses
// it.
func (s *trial) startOnMemcached(args ...string) (*testbed.Memcached, error) {
	m, err := s.memcached(args...)
	if err == nil {
		err = s.start()
	}
	return m, err
}

// killed: memcached is killed, and comes back empty when the fault ends.
func killed(s *trial) error {
	m, err := s.startOnMemcached()
	s.begin = func() error {
		m.Kill()
		return nil
	}
	s.end = func() error { return m.Start(s.ctx) }
	return err
}

// restartedEmpty: memcached is killed and comes back empty at once, three times.
func restartedEmpty(s *trial) error {
	m, err := s.startOnMemcached()
	s.begin = func() error {
		const times = 3
		for range times {
			m.Kill()
			if err := m.Start(s.ctx); err != nil {
				return err
			}
			if err := testbed.Pause(s.ctx, s.lasts/times-50*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}
	return err
}

// hung: memcached accepts connections and answers nothing.
func hung(s *trial) error {
	m, err := s.startOnMemcached()
	s.begin = func() error { return m.Hang(s.ctx) }
	s.end = func() error { return m.Resume() }
	return err
}

// withTrouble: the network in front of memcached does this to replies. At least three
// must have been touched, or the fault was none.
func withTrouble(t trouble) func(*trial) error {
	return func(s *trial) error {
		p, err := s.proxied()
		if err != nil {
			return err
		}
		if t.jitter > 0 { // some replies come later than a long budget, too
			t.jitter = max(t.jitter, 2*s.budget)
		}
		s.begin = func() error {
			p.set(t)
			return nil
		}
		s.end = func() error {
			p.set(trouble{})
			if n := p.replies.Load(); n < 3 {
				return fmt.Errorf("the proxy touched %d replies", n)
			}
			return nil
		}
		return s.start()
	}
}

// evicting: other clients fill a small memcached so fast that it evicts records.
func evicting(s *trial) error {
	m, err := s.startOnMemcached("-m", "1", "-I", "512k")
	stop := make(chan struct{})
	s.begin = func() error { return s.flood(m, stop) }
	s.end = func() error {
		defer close(stop)
		// How soon depends on how fast this machine floods, and on which shoppers return.
		var lost int
		if _, err := s.until(testbed.Prompt, func() bool {
			lost, _ = s.metric(`fraudcheck_store_operations_total{op="get",result="miss"}`)
			return lost > 0
		}); err != nil {
			return err
		}
		stats, err := m.Stats()
		if s.note("%.0f evictions, %d of records asked for again", stats["evictions"], lost); err == nil && lost == 0 {
			err = errors.New("memcached evicts no record")
		}
		return err
	}
	return err
}

// flood has another client flood memcached until stop is closed.
func (s *trial) flood(m *testbed.Memcached, stop <-chan struct{}) error {
	c, err := net.Dial("tcp", m.Addr)
	if err != nil {
		return err
	}
	flooded := make(chan struct{})
	s.closers = append(s.closers, func() { _ = c.Close(); <-flooded })
	go func() {
		defer close(flooded)
		flood(c, stop)
	}()
	return nil
}

// flood stores values as large as records of shoppers and of attackers: memcached evicts
// among items of about one size.
func flood(c net.Conn, stop <-chan struct{}) {
	w := bufio.NewWriter(c)
	filler := make([]byte, 90)
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		size := 45 + n%2*45
		fmt.Fprintf(w, "set %s 0 0 %d noreply\r\n%s\r\n", rand.Text(), size, filler[:size])
		if n%200 == 0 {
			if w.Flush() != nil {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// oneOfThree: one of three servers is killed, and only its third of the answers is
// degraded.
func oneOfThree(s *trial) error {
	for range 3 {
		if _, err := s.memcached(); err != nil {
			return err
		}
	}
	lost := s.servers[1]
	s.begin = func() error {
		lost.Kill()
		return nil
	}
	s.end = func() error { return lost.Start(s.ctx) }
	s.mostDegraded = 0.45 // a third, and more when the few attackers happen to be there
	return s.start()
}

// connectionLimit: other clients hold all the connections that memcached accepts. Those
// that the program has go on.
func connectionLimit(s *trial) error {
	m, err := s.startOnMemcached("-c", "64", "-t", "1")
	var held []net.Conn
	release := func() {
		for _, c := range held {
			_ = c.Close()
		}
	}
	s.closers = append(s.closers, release)
	s.begin = func() error {
		for range 256 {
			c, err := net.Dial("tcp", m.Addr)
			if err != nil {
				return err
			}
			held = append(held, c)
		}
		return nil
	}
	s.end = func() error {
		release()
		return nil
	}
	s.check = func() error {
		stats, err := m.Stats()
		n := max(stats["rejected_connections"], stats["listen_disabled_num"])
		if s.note("%.0f connections refused by memcached", n); err == nil && n < 1 {
			err = errors.New("memcached refuses no connection")
		}
		return err
	}
	return err
}
