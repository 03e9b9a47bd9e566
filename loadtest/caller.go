package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"
)

const (
	dialTimeout = 5 * time.Second  // longest that connecting may take
	callTimeout = 10 * time.Second // longest that an answer may take
	avoided     = time.Second      // how long an endpoint is avoided after it said that it closes
	maxIdle     = 30 * time.Second // a connection idle for longer may be closed by the server just now
)

// A caller makes one call at a time over a kept-alive connection to each endpoint,
// which it uses in turn. Client libraries repeat calls by themselves; this caller does
// not, so that a lost call is seen. Like any good caller it closes after an answer with
// "Connection: close" and then avoids that endpoint for a while, and it tries another
// one when a connection is refused, or closed before the first byte of an answer.
type caller struct {
	endpoints []endpoint
	at        int    // index of the endpoint used last
	head      []byte // the request up to the length of its body
	buf       []byte // the request that is being sent
	reply     fasthttp.Response
}

// An endpoint is a port of an instance and the connection to it, if there is one.
type endpoint struct {
	addr       string
	conn       net.Conn
	in         *bufio.Reader
	used       time.Time
	avoidUntil time.Time // until then it is avoided
}

// An answer is how a call ended: with err, or with a status.
type answer struct {
	err      error // no answer
	refused  bool  // err says that the connection was refused
	status   int
	retry    bool   // has Retry-After
	decision string // allow, review or block; empty for none
	degraded bool
	moved    int // endpoints that did not take the call
}

// errUnanswered says that the connection was closed before the first byte of an answer.
var errUnanswered = errors.New("closed without an answer")

// newCaller makes the caller of number n, which begins at another endpoint than its
// neighbours; auth is the Authorization header. It connects with the first call.
func newCaller(endpoints []string, auth string, n int) *caller {
	c := &caller{at: n % len(endpoints)}
	for _, addr := range endpoints {
		c.endpoints = append(c.endpoints, endpoint{addr: addr})
	}
	c.head = []byte("POST /v1/check HTTP/1.1\r\nHost: " + endpoints[0] + "\r\nAuthorization: " + auth +
		"\r\nContent-Type: application/json\r\nContent-Length: ")
	return c
}

// call sends a check with that body and returns how it ended. It moves to another
// endpoint only where the call cannot have been carried out: the connection was refused,
// or closed before the first byte of an answer.
func (c *caller) call(body []byte) (a answer) {
	var s *endpoint
	for a.moved = 0; ; a.moved++ {
		s = c.turn()
		err := c.exchange(s, body)
		if err == nil {
			break
		}
		s.close()
		s.avoidUntil = time.Now().Add(avoided)
		refused := notConnected(err)
		if a.moved+1 == len(c.endpoints) || !refused && !errors.Is(err, errUnanswered) {
			a.err, a.refused = err, refused
			return a
		}
	}
	if c.reply.ConnectionClose() {
		s.close()
		s.avoidUntil = time.Now().Add(avoided)
	}
	a.status = c.reply.StatusCode()
	a.retry = len(c.reply.Header.Peek(fasthttp.HeaderRetryAfter)) > 0
	text := c.reply.Body()
	for _, d := range [...]string{"allow", "review", "block"} {
		if bytes.Contains(text, []byte(`"decision":"`+d+`"`)) {
			a.decision = d
		}
	}
	a.degraded = bytes.Contains(text, []byte(`"degraded":true`))
	return a
}

// notConnected reports whether the connection was refused.
func notConnected(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// turn returns the next endpoint, one that is not avoided if there is any.
func (c *caller) turn() *endpoint {
	for range c.endpoints {
		c.at = (c.at + 1) % len(c.endpoints)
		if time.Now().After(c.endpoints[c.at].avoidUntil) {
			break
		}
	}
	return &c.endpoints[c.at]
}

// exchange makes one call over the endpoint's connection, and connects where there is
// none. The answer is in c.reply.
func (c *caller) exchange(s *endpoint, body []byte) error {
	if s.conn != nil && (time.Since(s.used) > maxIdle || closedByServer(s.conn)) {
		s.close()
	}
	if s.conn == nil {
		conn, err := net.DialTimeout("tcp", s.addr, dialTimeout)
		if err != nil {
			return err
		}
		s.conn, s.in = conn, bufio.NewReader(conn)
	}
	s.used = time.Now()
	_ = s.conn.SetDeadline(s.used.Add(callTimeout))
	c.buf = strconv.AppendInt(append(c.buf[:0], c.head...), int64(len(body)), 10)
	c.buf = append(append(c.buf, "\r\n\r\n"...), body...)
	// The error of a write is kept: the server may have answered before it closed.
	_, sent := s.conn.Write(c.buf)
	if _, err := s.in.Peek(1); err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			return err
		}
		return fmt.Errorf("%w (%w)", errUnanswered, errors.Join(sent, err))
	}
	return c.reply.Read(s.in)
}

// closedByServer reports whether the server has closed the connection, as any client
// finds out before it uses one again.
func closedByServer(c net.Conn) (gone bool) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = !errors.Is(err, unix.EAGAIN) // nothing to read is all there should be
	})
	return gone || err != nil
}

// close closes all connections.
func (c *caller) close() {
	for i := range c.endpoints {
		c.endpoints[i].close()
	}
}

// close closes the connection, if there is one; the next call connects again.
func (s *endpoint) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
