// Package calls makes checks over kept-alive connections at next to no cost: prepared
// bytes in which only digits change, answers that are scanned, and no allocation. The
// load of bench and of loadtest shares the machine with the program that it measures.
package calls

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// A Caller makes one check after the other over one connection. It never connects anew:
// after an error it is of no more use. It is for one goroutine, but one may send and
// another receive.
type Caller struct {
	Conn           net.Conn
	Sent, Received int // bytes
	request        *Request
	approved       *Request // nil where the caller tells no outcomes
	declined       *Request
	buf            [4096]byte // of the answer, which must fit
}

const dialTimeout = 10 * time.Second

// Dial connects to addr, which is host:port or the path of a unix socket; auth is the
// Authorization header of the calls.
func Dial(addr, auth string) (*Caller, error) {
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &Caller{Conn: conn, request: NewRequest(hostOf(addr), auth)}, nil
}

// DialOrders is Dial for a caller that tells what the recommended rules count: see
// [NewOrder].
func DialOrders(addr, auth string) (*Caller, error) {
	c, err := Dial(addr, auth)
	if err != nil {
		return nil, err
	}
	host := hostOf(addr)
	c.request = NewOrder(host, auth)
	c.approved, c.declined = NewOutcome(host, auth, "approved"), NewOutcome(host, auth, "declined")
	return c, nil
}

// hostOf returns the Host header of requests to addr.
func hostOf(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "localhost"
	}
	return addr
}

// ErrLate says that no answer came within the deadline of the connection.
var ErrLate = errors.New("an answer did not come in time")

// deadlineError replaces a time-out, whose text differs by connection, by ErrLate.
func deadlineError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrLate
	}
	return err
}

// Send writes the request of an attempt: see [Request.Put].
func (c *Caller) Send(address, card uint32) error { return c.send(c.request, address, card) }

func (c *Caller) send(r *Request, address, card uint32) error {
	r.Put(address, card)
	n, err := c.Conn.Write(r.bytes)
	c.Sent += n
	return deadlineError(err)
}

// Receive reads one answer.
func (c *Caller) Receive() (Answer, error) {
	for n := 0; n < len(c.buf); {
		more, err := c.Conn.Read(c.buf[n:])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return Answer{}, deadlineError(err)
		}
		n += more
		c.Received += more
		if a, err := parseAnswer(c.buf[:n]); err != errIncomplete {
			return a, err
		}
	}
	return Answer{}, errLong
}

// Call sends an attempt and reads its answer.
func (c *Caller) Call(address, card uint32) (Answer, error) {
	if err := c.Send(address, card); err != nil {
		return Answer{}, err
	}
	return c.Receive()
}

// Outcome tells what became of the attempt, and reads the answer. The caller is one of
// [DialOrders].
func (c *Caller) Outcome(address, card uint32, declined bool) (Answer, error) {
	r := c.approved
	if declined {
		r = c.declined
	}
	if err := c.send(r, address, card); err != nil {
		return Answer{}, err
	}
	return c.Receive()
}
