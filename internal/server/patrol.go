package server

import (
	"time"

	"github.com/valyala/fasthttp"
)

// Connections are not given a deadline for each thing they do, which costs as much as
// taking a request apart. A patrol goes round instead, and ends what takes too long;
// it is granted up to an eighth more time than the limits say.

// rounds is how many rounds the shortest limit is made of.
const rounds = 8

// patrol goes round until stop is called.
func (s *Server) patrol() (stop func()) {
	every := max(min(s.Read, s.Write, s.Idle)/rounds, time.Millisecond)
	ticks := func(limit time.Duration) int64 { return int64((limit + every - 1) / every) }
	read, write, idle := ticks(s.Read), ticks(s.Write), ticks(s.Idle)
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now := s.tick.Add(1)
			s.open.Range(func(c, _ any) bool {
				c.(*conn).overdue(now, read, write, idle)
				return true
			})
		}
	}()
	return func() { close(done) }
}

// overdue ends what the connection waits for when that takes longer than its limit,
// in ticks.
func (c *conn) overdue(now, read, write, idle int64) {
	limit := read // of a request, from its first byte; of the first one, from the beginning
	if c.is(fasthttp.StateIdle) {
		limit = idle
	}
	if now-c.since.Load() > limit {
		c.late.Store(true)
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	if began := c.answering.Load(); began > 0 && now-began > write {
		_ = c.Conn.SetWriteDeadline(time.Unix(1, 0))
	}
}

// Write notes since when part of an answer has been waiting to leave.
func (c *conn) Write(b []byte) (int, error) {
	c.answering.Store(c.tick.Load() + 1)
	n, err := c.Conn.Write(b)
	c.answering.Store(0)
	return n, err
}
