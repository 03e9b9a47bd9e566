package memcached

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"time"
)

// A Result is how an operation ended.
type Result string

// The results that Observe is told.
const (
	OK       Result = "ok"
	Miss     Result = "miss"     // nothing there; for a write, not any more or already
	Conflict Result = "conflict" // changed by another in between
	Fault    Result = "fault"    // a value that no instance with this hash key wrote
	Newer    Result = "newer"    // a value of a newer version, left alone
	Timeout  Result = "timeout"
	Failed   Result = "error"
	Lost     Result = "lost"    // a write on a connection that broke: done or not, reading will tell
	Refused  Result = "refused" // the server answered that it does not do it, for reasons of its own
)

// Two results that an operation returns though Observe was told another one.
const (
	// Doubted is an answer that may come from a memory which is not trusted, whatever
	// it is.
	Doubted Result = "doubted"
	// Late is a Timeout of an operation that had at least half of the budget: this process
	// was too busy to send the command, or to read the reply, and the server is not to
	// blame.
	Late Result = "late"
)

// Results are those that Observe is told.
var Results = []Result{OK, Miss, Conflict, Fault, Newer, Timeout, Failed, Lost, Refused}

// The names of operations.
const (
	opGet   = "get"
	opAdd   = "add"
	opCAS   = "cas"
	opProbe = "probe"
)

// Ops are the operations that Observe is told of. A probe is the watch's.
var Ops = []string{opGet, opAdd, opCAS, opProbe}

// A Trouble is why a server is not used.
type Trouble string

// The troubles, in words for a log line whose subject is the server.
const (
	NoTrouble Trouble = ""
	Hangs     Trouble = "does not answer in time"
	Refuses   Trouble = "refuses connections"
	Breaks    Trouble = "breaks connections off"
	Garbles   Trouble = "says what no memcached says"
	Forgot    Trouble = "lost its memory"
	Unreached Trouble = "cannot be reached"
)

// An Item is what a server holds under a key. The zero Item stands for none.
type Item struct {
	// Value is valid until the next operation of the slot that read it, and until that
	// is released.
	Value []byte
	// Version tells the item from any other that its server holds or held under the key,
	// until the server is restarted. It is what a write over the item needs.
	Version uint64
}

// Found reports whether there is an item.
func (i Item) Found() bool { return i.Version != 0 }

// Get reads the item under the key. judge says what its value is: OK, Fault or Newer. The
// result is that, or Miss, Doubted, Timeout, Late, Refused or Failed. With Fault, too, the
// item is returned, to be written over.
func (x *Slot) Get(key []byte, judge func(value []byte) Result) (item Item, result Result) {
	op := x.begin(opGet)
	err := x.call.command.get(key)
	if err == nil {
		if err = x.ask(); isBroken(err) {
			err = x.ask() // on a new connection: the one it was on is gone
		}
	}
	if op.err = err; err == nil {
		switch reply := &x.call.reply; {
		case reply.start > 0:
			item = Item{Value: reply.value(), Version: reply.version}
			op.result = judge(item.Value)
		case reply.said == saidEnd:
			op.result = Miss
		default:
			op.refused = reply.refused()
		}
	}
	if result = x.end(&op); result != OK && result != Fault {
		item = Item{}
	}
	return item, result
}

// Write puts value where the item of that version is, or for version 0 where there is
// none. expires is as memcached wants it. The result is OK; Miss or Conflict where
// another item is there, or none any more; Lost, Doubted, Timeout, Late, Refused or Failed.
// The value may have been written unless it is OK, Miss or Conflict.
func (x *Slot) Write(key []byte, version uint64, value []byte, expires int32) Result {
	op := x.begin(opAdd)
	if version != 0 {
		op.name = opCAS
	}
	if op.err = x.call.command.write(key, version, value, expires); op.err == nil {
		op.err = x.ask()
	}
	if op.err == nil {
		switch reply := &x.call.reply; reply.said {
		case saidStored:
			op.result = OK
		case saidNotStored, saidNotFound:
			op.result = Miss
		case saidExists:
			op.result = Conflict
		default:
			op.refused = reply.refused()
		}
	}
	return x.end(&op)
}

// ask makes the slot's call. After an error the slot has another one, with the same
// command.
func (x *Slot) ask() error {
	x.call.deadline, x.call.last = x.deadline, time.Time{}
	if x.telling {
		x.call.deadline, x.call.last = time.Now().Add(x.server.client.Budget), x.deadline
	}
	x.server.pipe.send(x.call)
	err := x.call.wait()
	if err != nil {
		x.call = x.call.renew()
	}
	return err
}

// begin begins an operation of the slot.
func (x *Slot) begin(name string) operation {
	op := beginOperation(name, x.deadline)
	if x.telling {
		op.left = x.server.client.Budget
	}
	return op
}

// end ends it.
func (x *Slot) end(op *operation) Result {
	result := x.server.end(op)
	switch {
	case isLate(op.err) && op.left >= x.server.client.Budget/2:
		return Late
	case op.err == nil && result != Refused && !x.any && x.call.doubtful:
		return Doubted
	}
	return result
}

// An operation is what Observe is told of, and how it ended: result, with err or refused
// where there is none.
type operation struct {
	name    string
	start   time.Time
	left    time.Duration // until its deadline
	result  Result
	err     error
	refused string // what the server said that refused it
}

func beginOperation(name string, deadline time.Time) operation {
	now := time.Now()
	return operation{name: name, start: now, left: deadline.Sub(now)}
}

// end tells the breaker, the client and Observe how the operation ended, and returns it.
func (s *Server) end(op *operation) Result {
	ended := time.Now()
	if op.err != nil {
		op.result = resultOf(op.err)
		if isBroken(op.err) && (op.name == opAdd || op.name == opCAS) {
			op.result = Lost
		}
	}
	switch {
	case op.refused != "":
		op.result = Refused
		s.client.Refused(s.name, op.refused)
		s.report(true, ended)
	case isOurs(op.err), op.result == Timeout && op.left < s.client.Budget/2:
	case s.report(op.err == nil, ended):
		s.changed(troubleOf(op.err))
	}
	s.client.Observe(s.name, op.name, op.result, ended.Sub(op.start))
	return op.result
}

// changed tells what is wrong with the server, or that it is used again; of troubles the
// first is told, until it is over.
func (s *Server) changed(trouble Trouble) {
	s.troubleMu.Lock()
	defer s.troubleMu.Unlock()
	if (s.trouble == NoTrouble) != (trouble == NoTrouble) {
		s.trouble = trouble
		s.client.Changed(s.name, trouble)
	}
}

// isOurs reports whether the error comes from what another's command did to the
// connection, from a wait in this process, or from the key. It says nothing about the
// server.
func isOurs(err error) bool {
	return errors.Is(err, errAbandoned) || isLate(err) || errors.Is(err, errTogether) || errors.Is(err, errKey)
}

// isLate reports whether the deadline came because this process was late.
func isLate(err error) bool { return errors.Is(err, errUnsent) || errors.Is(err, errLate) }

// isBroken reports whether the connection ended under the operation.
func isBroken(err error) bool {
	return err != nil && (errors.Is(err, errAbandoned) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// resultOf is how an operation ended that was not answered.
func resultOf(err error) Result {
	if isLate(err) || errors.Is(err, errTogether) {
		return Timeout
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return Timeout
	}
	return Failed
}

// troubleOf is what a server does whose operation ended with err.
func troubleOf(err error) Trouble {
	switch {
	case resultOf(err) == Timeout:
		return Hangs
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist): // a socket that is not there
		return Refuses
	case errors.Is(err, errReply):
		return Garbles
	case isBroken(err), errors.Is(err, io.ErrUnexpectedEOF):
		return Breaks
	}
	return Unreached
}
