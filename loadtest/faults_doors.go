package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fraudcheck/internal/testbed"
)

// acceptErrors: the kernel has no memory for new connections (ENOBUFS), at both ports.
// Callers that are connected are served on, and the others once it has.
func acceptErrors(s *trial) error {
	s.callers = 8 // all are connected before the fault begins
	if err := s.start(); err != nil {
		return err
	}
	i := s.instances[0]
	var tracer *testbed.Process
	var conns []net.Conn
	s.closers = append(s.closers, func() {
		for _, c := range conns {
			_ = c.Close()
		}
		if tracer != nil {
			tracer.Stop() // and lets go of the program
		}
	})
	s.begin = func() (err error) {
		tracer, err = testbed.Start(s.dir, exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-p", strconv.Itoa(i.PID()),
			"-e", "trace=accept4", "-e", "inject=accept4:error=ENOBUFS"))
		if err != nil {
			return err
		}
		failing := func() bool { // until strace is there, connections are accepted
			for _, addr := range []string{i.Addr, i.Operators} {
				c, err := net.DialTimeout("tcp", addr, dialTimeout)
				if err != nil {
					return false
				}
				conns = append(conns, c)
				_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
			}
			return strings.Count(i.Stderr.String(), "cannot accept connections, trying again") == 2
		}
		ok, err := s.until(testbed.Prompt, failing)
		if err == nil && !ok {
			err = errors.New("no accept fails")
		}
		return err
	}
	s.end = func() error {
		tracer.Stop()
		for _, c := range conns {
			_ = c.SetDeadline(time.Now().Add(callTimeout))
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return brokenPromise("a connection is not accepted any more: " + err.Error())
			}
			_ = r.Body.Close()
		}
		m, err := i.Metrics()
		if n, _ := m.Sum("fraudcheck_accept_errors_total"); err == nil {
			s.note("%.0f accepts failed, %d connections waited", n, len(conns))
		}
		return err
	}
	return nil
}

// scraped: each second sixteen scrapers and two hundred analysts, who look up five
// addresses each, ask at once. That degrades few checks.
func scraped(s *trial) error {
	if _, err := s.startOnMemcached(); err != nil {
		return err
	}
	s.mostDegraded = 0.05
	s.begin = func() error {
		const scrapers, analysts, each = 16, 200, 5
		i, over := s.instances[0], time.Now().Add(s.lasts)
		var asking sync.WaitGroup
		var asked atomic.Int64
		failed := make(chan error, scrapers+analysts)
		for n := range scrapers + analysts {
			paths := []string{"/metrics"}
			if n >= scrapers {
				paths = paths[:0]
				for look := range each {
					paths = append(paths, fmt.Sprintf("/v1/addresses/2001:db8:%x:%x::1", n, look))
				}
			}
			asking.Go(func() {
				for second := time.Now(); time.Now().Before(over); _ = testbed.Pause(s.ctx, time.Until(second)) {
					second = second.Add(time.Second)
					for _, path := range paths {
						if err := s.asAnalyst(i, http.MethodGet, path, ""); err != nil {
							failed <- err
							return
						}
						asked.Add(1)
					}
				}
			})
		}
		asking.Wait()
		s.note("%d questions answered", asked.Load())
		close(failed)
		return <-failed
	}
	return nil
}

// guessedAt: passwords of the callers' user are guessed from the callers' own address,
// and a reload brings a new hash of the same password. No right password is refused.
func guessedAt(s *trial) error {
	if err := s.start(); err != nil {
		return err
	}
	s.begin = func() error {
		i, over := s.instances[0], time.Now().Add(s.lasts)
		hashing := exec.CommandContext(s.ctx, s.program, "hash-password")
		hashing.Stdin = strings.NewReader(s.password + "\n")
		hash, err := hashing.Output()
		if err != nil {
			return err
		}
		var guessing sync.WaitGroup
		defer guessing.Wait()
		var guesses, slowed atomic.Int64
		for n := range 4 {
			guessing.Go(func() {
				for guess := 0; time.Now().Before(over) || slowed.Load() == 0 && guess < 1000; guess++ {
					c := newCaller([]string{i.Addr}, testbed.Basic("shop", fmt.Sprint("guess ", n, guess)), 0)
					if a := c.call(attempt("192.0.2.1", n)); a.status == http.StatusTooManyRequests {
						slowed.Add(1)
					}
					c.close()
					guesses.Add(1)
				}
			})
		}
		path := filepath.Join(s.dir, configFile)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		hashed := "username: shop, encryption: argon2id, password: '" + strings.TrimSpace(string(hash)) + "'"
		text = []byte(strings.Replace(string(text), "username: shop, password: "+s.password, hashed, 1))
		if err := os.WriteFile(path+".new", text, 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
		if err := i.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		if _, err := i.AwaitOutput(s.ctx, i.Stderr, regexp.MustCompile("Configuration reloaded")); err != nil {
			return err
		}
		guessing.Wait()
		if s.note("%d guesses, %d of them slowed", guesses.Load(), slowed.Load()); slowed.Load() == 0 {
			return errors.New("guessing is not slowed")
		}
		return nil
	}
	return nil
}

// earlyHangup: an instance that is started again gets a SIGHUP every millisecond, from
// the moment on at which it ignores the first. It starts all the same. (Before that the
// Go runtime is not there yet, and the signal does what it does to every process.)
func earlyHangup(s *trial) error {
	s.budget = time.Second // memcached works; a busy machine must not make answers degraded
	if _, err := s.startOnMemcached(); err != nil {
		return err
	}
	s.begin = func() error {
		old := s.instances[0]
		old.Kill()
		p, err := testbed.Start(s.dir, s.command(nil, filepath.Join(s.dir, configFile), old.Addr, old.Operators))
		if err != nil {
			return err
		}
		i := &testbed.Instance{Process: p, Addr: old.Addr, Operators: old.Operators}
		s.instances[0] = i
		ignored := func() bool {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
			return err == nil && regexp.MustCompile(`(?m)^SigIgn:\s+[0-9a-f]*[13579bdf]$`).Match(text)
		}
		if ok, err := s.until(testbed.Prompt, ignored); err != nil || !ok {
			return fmt.Errorf("SIGHUP is not ignored: %w", err)
		}
		hangups := 0
		ok, err := s.until(testbed.Prompt, func() bool {
			for range 5 { // of the time between two looks
				_ = i.Signal(syscall.SIGHUP) // it may have ended
				hangups++
				_ = testbed.Pause(s.ctx, time.Millisecond)
			}
			return i.Ready()
		})
		s.note("%d hang-ups", hangups)
		if err == nil && !ok {
			err = brokenPromise("a hang-up ends the start:\n" + i.LastLines())
		}
		return err
	}
	return nil
}
