package memcached

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
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
	Lost     Result = "lost" // a write on a connection that broke: done or not, reading will tell
)

// Two results that an operation returns though Observe was told another one.
const (
	// Doubted is an answer that may come from a memory which is not trusted, whatever
	// it is.
	Doubted Result = "doubted"
	// Refused is a command that the server refused, for reasons of its own.
	Refused Result = "refused"
)

// Results are those that Observe is told.
var Results = []Result{OK, Miss, Conflict, Fault, Newer, Timeout, Failed, Lost}

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

// An Item is what a server holds under a key: its value, and what a write over it needs.
// The zero Item stands for none.
type Item struct {
	Value []byte
	from  *memcache.Item
}

// Found reports whether there is an item.
func (i Item) Found() bool { return i.from != nil }

// Version tells the item from any other that its server holds or held under the key,
// until the server is restarted; 0 for none.
func (i Item) Version() uint64 {
	if i.from == nil {
		return 0
	}
	return i.from.CasID
}

// ItemAt is the item of that version under the key.
func ItemAt(key string, version uint64) Item {
	return Item{from: &memcache.Item{Key: key, CasID: version}}
}

// Get reads the item under the key. judge says what its value is: OK, Fault or Newer. The
// result is that, or Miss, Doubted, Timeout, Refused or Failed. With Fault, too, the item
// is returned, to be written over.
func (x *Slot) Get(key string, judge func(value []byte) Result) (item Item, result Result) {
	result = x.do(opGet, func() (err error) {
		item.from, err = x.client.Get(key)
		return err
	}, func() Result {
		item.Value = item.from.Value
		return judge(item.Value)
	})
	if result != OK && result != Fault {
		item = Item{}
	}
	return item, result
}

// Write puts value where item is, or where there is none. expires is as memcached wants
// it. The result is OK; Miss or Conflict where another item is there, or none any more;
// Lost, Doubted, Timeout, Refused or Failed. The value may have been written unless it is
// OK, Miss or Conflict.
func (x *Slot) Write(key string, item Item, value []byte, expires int32) Result {
	if item.from == nil {
		x.item = memcache.Item{Key: key, Value: value, Expiration: expires}
		return x.do(opAdd, func() error { return x.client.Add(&x.item) }, wasDone)
	}
	item.from.Value, item.from.Expiration = value, expires
	return x.do(opCAS, func() error { return x.client.CompareAndSwap(item.from) }, wasDone)
}

func wasDone() Result { return OK }

// do runs one operation and says how it ended; judge looks at an answer that came.
func (x *Slot) do(op string, run func() error, judge func() Result) (result Result) {
	s := x.server
	start := time.Now()
	left := x.deadline.Sub(start)
	err := run()
	writes := op == opAdd || op == opCAS
	if isBroken(err) && !writes {
		err = run() // on a new connection: the one it was on is gone
	}
	said := ""
	switch {
	case err == nil:
		result = judge()
	case isBroken(err) && writes:
		result = Lost
	default:
		if result = resultOf(err); result == Failed {
			said = x.conn.refused()
		}
	}
	ended := time.Now()
	failed := result == Timeout || result == Failed || result == Lost
	switch {
	case said != "":
		s.client.Refused(s.name, said)
		s.report(true, ended)
	case !isOurs(err) && !(result == Timeout && left < s.client.Budget/2) && s.report(!failed, ended):
		s.changed(troubleOf(err))
	}
	s.client.Observe(s.name, op, result, ended.Sub(start))
	switch {
	case said != "":
		return Refused
	case !failed && !x.any && x.conn.doubtful:
		return Doubted
	}
	return result
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
// connection, or from a wait in this process. It says nothing about the server.
func isOurs(err error) bool { return errors.Is(err, errAbandoned) || errors.Is(err, errUnsent) }

// isBroken reports whether the connection ended under the operation.
func isBroken(err error) bool {
	return err != nil && (errors.Is(err, errAbandoned) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// resultOf is how an operation ended that did not succeed.
func resultOf(err error) Result {
	switch err {
	case memcache.ErrCacheMiss, memcache.ErrNotStored:
		return Miss
	case memcache.ErrCASConflict:
		return Conflict
	case errUnsent:
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
