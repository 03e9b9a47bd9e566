package listener

import "time"

// roundsPerLimit is how many rounds of the sweeper the shortest limit lasts. A limit is
// exceeded by up to one round, an eighth of it.
const roundsPerLimit = 8

// Sweep ends, until stop is called, what takes longer than its limit in [Settings]. A
// deadline for each thing that a connection does would cost as much as parsing a request;
// a sweep over all of them now and then costs next to nothing.
func (l *Listener) Sweep() (stop func()) {
	s := &l.settings
	every := max(min(s.Read, s.Write, s.Idle)/roundsPerLimit, time.Millisecond)
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
			now := l.tick.Add(1)
			l.open.Range(func(c, _ any) bool {
				c.(*Conn).endOverdue(now, read, write, idle)
				return true
			})
		}
	}()
	return func() { close(done) }
}

// endOverdue ends reading or writing that has taken longer than its limit, all in rounds
// of the sweeper. A deadline in the past makes the blocked Read or Write return.
func (c *Conn) endOverdue(now, read, write, idle int64) {
	limit := read // of a request, from its first byte; of the first one, from the accept
	if c.is(StateIdle) {
		limit = idle
	}
	if now-c.since.Load() > limit {
		c.timedOut.Store(true)
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	if began := c.writing.Load(); began > 0 && now-began > write {
		_ = c.Conn.SetWriteDeadline(time.Unix(1, 0))
	}
}

// Write implements net.Conn and notes since when the bytes have waited to leave.
func (c *Conn) Write(b []byte) (int, error) {
	c.writing.Store(c.tick.Load() + 1)
	n, err := c.Conn.Write(b)
	c.writing.Store(0)
	return n, err
}
