package main

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// A caller makes one call after the other over one connection. A call allocates
// nothing, so that the load costs little of the processors it shares with the target.
type caller struct {
	conn    net.Conn
	request *request
	next    func() attempt
	tally   *tally
	buf     [4096]byte
}

const dialTimeout = 10 * time.Second

func newCaller(addr, auth string, next func() attempt) (*caller, error) {
	conn, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &caller{conn: conn, request: newRequest(addr, auth), next: next, tally: newTally()}, nil
}

var errLate = errors.New("an answer did not come in time")

func late(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errLate
	}
	return err
}

func (c *caller) send(v attempt) error {
	c.request.put(v)
	_, err := c.conn.Write(c.request.bytes)
	return late(err)
}

func (c *caller) receive() (answer, error) {
	for n := 0; n < len(c.buf); {
		more, err := c.conn.Read(c.buf[n:])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return answer{}, late(err)
		}
		n += more
		if a, err := parseAnswer(c.buf[:n]); err != errIncomplete {
			return a, err
		}
	}
	return answer{}, errLong
}

func (c *caller) call() (attempt, answer, error) {
	v := c.next()
	if err := c.send(v); err != nil {
		return v, answer{}, err
	}
	a, err := c.receive()
	return v, a, err
}
