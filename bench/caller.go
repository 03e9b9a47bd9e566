package main

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// A caller makes one call after the other over one connection. A call allocates nothing,
// so that the load costs little of the processors it shares with the target. It never
// connects anew: a connection that ends voids the row.
type caller struct {
	conn    net.Conn
	request *request
	next    func() attempt
	tally   *tally
	buf     [4096]byte // of the answer, which must fit
}

const dialTimeout = 10 * time.Second

// newCaller connects to addr; auth is the Authorization header of its calls.
func newCaller(addr, auth string, next func() attempt) (*caller, error) {
	conn, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &caller{conn: conn, request: newRequest(addr, auth), next: next, tally: newTally()}, nil
}

var errLate = errors.New("an answer did not come in time")

// deadlineError replaces a time-out, whose text differs by connection, by errLate.
func deadlineError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errLate
	}
	return err
}

// send writes the request of an attempt.
func (c *caller) send(v attempt) error {
	c.request.put(v)
	_, err := c.conn.Write(c.request.bytes)
	return deadlineError(err)
}

// receive reads one answer.
func (c *caller) receive() (answer, error) {
	for n := 0; n < len(c.buf); {
		more, err := c.conn.Read(c.buf[n:])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return answer{}, deadlineError(err)
		}
		n += more
		if a, err := parseAnswer(c.buf[:n]); err != errIncomplete {
			return a, err
		}
	}
	return answer{}, errLong
}

// call makes the next call and returns its attempt and answer.
func (c *caller) call() (attempt, answer, error) {
	v := c.next()
	if err := c.send(v); err != nil {
		return v, answer{}, err
	}
	a, err := c.receive()
	return v, a, err
}
