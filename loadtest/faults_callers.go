package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"fraudcheck/internal/testbed"
)

// extraConns are connections beside those of the load.
type extraConns struct {
	addr  string
	mu    sync.Mutex
	conns []net.Conn
}

// open opens n connections, 16 at a time, and calls greet with each. It returns the first
// error, after all have been tried.
func (c *extraConns) open(n int, greet func(net.Conn) error) error {
	var opening sync.WaitGroup
	failed := make(chan error, n)
	queue := make(chan struct{}, n)
	for range n {
		queue <- struct{}{}
	}
	close(queue)
	for range 16 {
		opening.Go(func() {
			for range queue {
				conn, err := net.DialTimeout("tcp", c.addr, dialTimeout)
				if err == nil {
					c.mu.Lock()
					c.conns = append(c.conns, conn)
					c.mu.Unlock()
					err = greet(conn)
				}
				if err != nil {
					failed <- err
				}
			}
		})
	}
	opening.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// close closes them all.
func (c *extraConns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// startCrowded starts an instance with the embedded store, and prepares connections to it.
func (s *trial) startCrowded() (*extraConns, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	c := &extraConns{addr: s.instances[0].Addr}
	s.closers = append(s.closers, c.close)
	return c, nil
}

// files raises this process's limit of file descriptors to n where that is permitted,
// and returns the limit.
func files(n int) int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1024
	}
	if limit.Cur < uint64(n) {
		higher := syscall.Rlimit{Cur: uint64(n), Max: max(limit.Max, uint64(n))}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
			return n
		}
	}
	return int(min(limit.Cur, uint64(n)))
}

// slowloris: thousands of callers send their request byte by byte and never finish. Each
// connection is cut off after limits.read; the calls of the load must not notice.
func slowloris(s *trial) error {
	n := 3000
	if s.Short {
		n = 1000
	}
	n = min(n, files(n+1000)-1000)
	c, err := s.startCrowded()
	if err != nil {
		return err
	}
	s.begin = func() error {
		err := c.open(n, func(conn net.Conn) error {
			_, err := io.WriteString(conn, "POST /v1/check HTTP/1.1\r\n")
			return err
		})
		if err != nil {
			return err
		}
		s.note("%d slow connections", n)
		stop, stopped := make(chan struct{}), make(chan struct{})
		s.closers = append(s.closers, func() { close(stop); <-stopped })
		go func() {
			defer close(stopped)
			c.trickle(stop)
		}()
		return nil
	}
	s.end = func() error {
		c.close()
		return nil
	}
	return nil
}

// trickle sends a byte of a header on every connection, twice a second.
func (c *extraConns) trickle(stop <-chan struct{}) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		for _, conn := range c.conns {
			_, _ = io.WriteString(conn, "X") // it may have been closed
		}
		c.mu.Unlock()
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// idle: ten thousand connections stay open after one request each. The note says what one
// costs in memory.
func idle(s *trial) error {
	n := 10_000
	if s.Short {
		n = 1000
	}
	n = min(n, files(n+1000)-1000)
	c, err := s.startCrowded()
	if err != nil {
		return err
	}
	s.begin = func() error {
		i := s.instances[0]
		was := i.ResidentKiB()
		if err := c.open(n, healthy); err != nil {
			return err
		}
		s.note("%d idle connections, %.1f KiB of resident memory each", n, float64(i.ResidentKiB()-was)/float64(n))
		return nil
	}
	s.end = func() error {
		c.close()
		return nil
	}
	return nil
}

// healthy asks /healthz and stays connected.
func healthy(conn net.Conn) error { return healthyWithin(conn, callTimeout) }

// healthyWithin asks /healthz and waits that long for the answer.
func healthyWithin(conn net.Conn, longest time.Duration) error {
	_ = conn.SetDeadline(time.Now().Add(longest))
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz: %s", r.Status)
	}
	return nil
}

// overload: a slow memcached brings more calls at once than limits.in_flight. The calls
// above it are shed, and /healthz is answered all the same.
func overload(s *trial) error {
	p, err := s.proxied()
	if err != nil {
		return err
	}
	s.config, s.budget = "limits: {in_flight: 4, answer: 2s}\n", time.Second
	s.callers = 64
	s.begin = func() error {
		p.set(trouble{delay: 20 * time.Millisecond})
		return nil
	}
	s.end = func() error {
		c, err := net.DialTimeout("tcp", s.instances[0].Addr, dialTimeout)
		if err == nil {
			defer c.Close()
			err = healthy(c)
		}
		if err != nil {
			return brokenPromise("not alive under overload: " + err.Error())
		}
		p.set(trouble{})
		return nil
	}
	return s.start()
}

// silent: connections that send nothing would use up the program's file descriptors, at
// the port that at returns. Callers that are connected are served on; new callers and
// operators are served too, because silent connections are closed to make room.
func silent(api string, at func(*testbed.Instance) string) func(*trial) error {
	return func(s *trial) error {
		const files = 256
		s.callers = 16 // all are connected before the fault begins
		i, err := s.instance("", files)
		if err != nil {
			return err
		}
		s.instances = append(s.instances, i)
		c := &extraConns{addr: at(i)}
		s.closers = append(s.closers, c.close)
		s.begin = func() error {
			if err := c.open(2*files, func(net.Conn) error { return nil }); err != nil {
				return err
			}
			// Two seconds: room is made at the accept, not at a time-out.
			for _, fresh := range []struct{ who, addr string }{{"caller", i.Addr}, {"operator", i.Operators}} {
				conn, err := net.DialTimeout("tcp", fresh.addr, dialTimeout)
				if err == nil {
					err = healthyWithin(conn, 2*time.Second)
					_ = conn.Close()
				}
				if err != nil {
					return brokenPromise(fmt.Sprintf("no new %s is served: %v", fresh.who, err))
				}
			}
			closed, err := s.metric(`fraudcheck_connections_closed_for_room_total{door="` + api + `"}`)
			if s.note("%d silent connections closed", closed); err == nil && closed == 0 {
				err = errors.New("there are file descriptors left")
			}
			return err
		}
		s.end = func() error {
			c.close()
			return nil
		}
		return nil
	}
}
