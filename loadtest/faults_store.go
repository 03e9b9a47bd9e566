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

// oneMemcached starts one and an instance before it.
func (s *scene) oneMemcached(args ...string) (*testbed.Memcached, error) {
	m, err := s.memcached(args...)
	if err == nil {
		err = s.start()
	}
	return m, err
}

// killed: memcached dies, and comes back later, empty.
func killed(s *scene) error {
	m, err := s.oneMemcached()
	s.begin = func() error {
		m.Kill()
		return nil
	}
	s.end = func() error { return m.Start(s.ctx) }
	return err
}

// restartedEmpty: memcached dies and is back at once, several times.
func restartedEmpty(s *scene) error {
	m, err := s.oneMemcached()
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

// hung: memcached accepts, and answers nothing.
func hung(s *scene) error {
	m, err := s.oneMemcached()
	s.begin = func() error { return m.Hang(s.ctx) }
	s.end = func() error { return m.Resume() }
	return err
}

// troubled: the network before memcached does this.
func troubled(t trouble) func(*scene) error {
	return func(s *scene) error {
		p, err := s.proxied()
		if err != nil {
			return err
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

// evicting: others fill a small memcached so fast that records are thrown out.
func evicting(s *scene) error {
	m, err := s.oneMemcached("-m", "1", "-I", "512k")
	stop := make(chan struct{})
	s.begin = func() error {
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
	s.end = func() error {
		close(stop)
		lost, err := s.metric(`fraudcheck_store_operations_total{op="get",result="miss"}`)
		if err != nil {
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

// flood stores values of the sizes that records of shoppers and of attackers have:
// memcached evicts by size.
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

// oneOfThree: of three servers one dies, and only its third is degraded.
func oneOfThree(s *scene) error {
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
	s.mostDegraded = 0.45 // a third, and by chance some more of the few attackers
	return s.start()
}

// connectionLimit: others hold all the connections that memcached takes.
func connectionLimit(s *scene) error {
	m, err := s.oneMemcached("-c", "64", "-t", "1")
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
