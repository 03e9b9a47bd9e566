package server

import "time"

// A patience is a deadline that is moved when it matters, not for every request:
// moving one costs as much as taking a request apart. What is waited for gets up to
// slack more time than it was given.
type patience struct {
	slack  time.Duration
	wanted time.Time
	set    time.Time // that the connection has
}

// apply moves the deadline to the one that is wanted, unless that which is set will
// do.
func (p *patience) apply(move func(time.Time) error) error {
	if !p.wanted.IsZero() && !p.set.Before(p.wanted) && p.set.Sub(p.wanted) <= p.slack {
		return nil
	}
	if p.set = p.wanted; !p.set.IsZero() {
		p.set = p.set.Add(p.slack)
	}
	return move(p.set)
}

// SetReadDeadline is put in force by the next Read.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reading.wanted = t
	return nil
}

// SetWriteDeadline bounds the writes that follow.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writing.wanted = t
	return c.writing.apply(c.Conn.SetWriteDeadline)
}

// SetDeadline does both.
func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
