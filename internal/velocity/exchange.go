package velocity

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"fraudcheck/internal/pipeline"
)

// A Result is how an operation on a server ended.
type Result string

// The results.
const (
	OK       Result = "ok"
	Miss     Result = "miss"     // nothing there; for a write, not any more or already
	Conflict Result = "conflict" // changed by another in between
	Fault    Result = "fault"    // a value that no instance with this hash key wrote
	Newer    Result = "newer"    // a value of a newer version, left alone
	Timeout  Result = "timeout"
	Failed   Result = "error"
	Lost     Result = "lost" // a write on a connection that broke: done or not, reading will tell

	// doubted: an answer that may come from a memory which is not trusted, whatever
	// it is. Observe is told what it is.
	doubted Result = "doubted"
	// declined: a write that the server refused, for reasons of its own.
	declined Result = "declined"
)

// A Trouble is why a server is not used.
type Trouble string

// The troubles, in words for a log line that begins with the server.
const (
	NoTrouble Trouble = ""
	Hangs     Trouble = "does not answer in time"
	Refuses   Trouble = "refuses connections"
	Breaks    Trouble = "breaks connections off"
	Garbles   Trouble = "says what no memcached says"
	Forgot    Trouble = "lost its memory"
	Unreached Trouble = "cannot be reached"
)

// exchange applies a batch of updates of one subject to its shared record:
// read, merge with what this instance knows, apply, write if nothing changed
// meanwhile; otherwise again, until the deadline. With OK the server holds what came
// of it.
//
// With telling the server is told of a record because it is not used: it may be one
// that is not well yet, and whose memory is new.
func (m *Memcached) exchange(batch []*Update, deadline time.Time, telling bool) (result Result) {
	u := batch[0]
	s := pick(m.servers, u.key)
	if !telling && !s.usable() {
		return Failed
	}
	x := s.enter(deadline)
	if x == nil {
		return Timeout
	}
	x.telling = telling
	defer func() {
		if fault := recover(); fault != nil { // what the library chokes on must not end the process
			x = nil // who knows what state it is in
			m.Panicked(fault)
			result = Failed
		}
		s.leave(x)
	}()
	key := m.itemKey(u.key)
	known := m.Local.recall(u, &x.local)
	changes := slices.ContainsFunc(batch, (*Update).changes)
	lost := false // whether what was sealed last may have been stored
	for try := 0; try == 0 || time.Now().Before(deadline); try++ {
		if try > 1 {
			time.Sleep(rand.N(time.Duration(try) * 200 * time.Microsecond))
		}
		var item *memcache.Item
		x.shared.reset()
		// A subject this instance has never met is new to all more often than
		// not: writing first saves reading.
		if known || try > 0 || !changes {
			if item, result = m.read(s, x, u.key, key); result != OK && result != Miss && result != Fault {
				return result
			}
		}
		if lost && item != nil && bytes.Equal(item.Value, x.sealed) {
			m.Local.absorb(u, &x.shared)
			return OK // it was, and what the updates found then holds
		}
		x.shared.merge(&x.local, u.subject)
		for _, u := range batch {
			u.apply(&x.shared)
		}
		if !changes {
			if item != nil {
				m.Local.absorb(u, &x.shared)
			}
			return OK
		}
		x.sealed = m.Keys.encode(x.sealed[:0], u.key, &x.shared)
		switch result = m.write(s, x, item, key, expiry(u, &x.shared)); result {
		case OK:
			m.Local.absorb(u, &x.shared)
			return OK
		case Lost:
			if lost {
				return Lost // once is a restart
			}
			lost = true
		case Miss, Conflict:
		default:
			return result
		}
	}
	return Timeout
}

// read gets the record into x.shared. A value that is none is a fault: it counts as
// nothing, and the item comes back to be replaced by what is known.
func (m *Memcached) read(s *server, x *lane, key Key, itemKey string) (item *memcache.Item, result Result) {
	result = m.do(s, x, "get", func() (err error) {
		item, err = x.client.Get(itemKey)
		return err
	}, func() Result {
		switch err := m.Keys.decode(&x.shared, key, item.Value); {
		case errors.Is(err, ErrNewer):
			return Newer
		case err != nil:
			return Fault
		}
		return OK
	})
	if result != OK && result != Fault {
		item = nil
	}
	return item, result
}

// write puts what was sealed where item was, or where nothing was.
func (m *Memcached) write(s *server, x *lane, item *memcache.Item, key string, expires int32) Result {
	stored := func() Result { return OK }
	if item == nil {
		x.item = memcache.Item{Key: key, Value: x.sealed, Expiration: expires}
		return m.do(s, x, "add", func() error { return x.client.Add(&x.item) }, stored)
	}
	item.Value, item.Expiration = x.sealed, expires
	return m.do(s, x, "cas", func() error { return x.client.CompareAndSwap(item) }, stored)
}

// do runs one operation and tells how it ended; judge looks at an answer that came.
func (m *Memcached) do(s *server, x *lane, op string, run func() error, judge func() Result) (result Result) {
	start := time.Now()
	left := x.deadline.Sub(start)
	err := run()
	writes := op == "add" || op == "cas"
	if broken(err) && !writes {
		err = run() // on a new connection: the one it was on is gone
	}
	refused := ""
	switch {
	case err == nil:
		result = judge()
	case broken(err) && writes:
		result = Lost
	default:
		if result = resultOf(err); result == Failed {
			refused = x.conn.Refused()
		}
	}
	ended := time.Now()
	// What another's command did to the connection, or this process kept waiting,
	// says nothing new about the server; nor does an answer that had little time to come.
	ours := errors.Is(err, pipeline.ErrAbandoned) || errors.Is(err, pipeline.ErrUnsent) ||
		result == Timeout && left < m.Budget/2
	failed := result == Timeout || result == Failed || result == Lost
	switch {
	case refused != "": // that record's trouble
		m.Refused(s.name, refused)
		s.report(true, ended)
	case !ours && s.report(!failed, ended):
		m.changed(s, troubleOf(err))
	}
	m.Observe(s.name, op, result, ended.Sub(start))
	if !failed && !x.telling && x.conn.Doubtful() {
		return doubted
	}
	if refused != "" {
		return declined
	}
	return result
}

// changed tells what is wrong with the server, or that it is used again; the first
// trouble is told, until it is over.
func (m *Memcached) changed(s *server, trouble Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (s.trouble == NoTrouble) != (trouble == NoTrouble) {
		s.trouble = trouble
		m.Changed(s.name, trouble)
	}
}

// troubleOf is what a server does whose operation ended with err.
func troubleOf(err error) Trouble {
	switch {
	case resultOf(err) == Timeout:
		return Hangs
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist): // a socket that is not there
		return Refuses
	case errors.Is(err, pipeline.ErrReply):
		return Garbles
	case broken(err), errors.Is(err, io.ErrUnexpectedEOF):
		return Breaks
	}
	return Unreached
}

// resultOf is how an operation ended that did not succeed.
func resultOf(err error) Result {
	switch err {
	case memcache.ErrCacheMiss, memcache.ErrNotStored:
		return Miss
	case memcache.ErrCASConflict:
		return Conflict
	case pipeline.ErrUnsent:
		return Timeout
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return Timeout
	}
	return Failed
}

// broken reports whether the connection ended under the operation.
func broken(err error) bool {
	return err != nil && (errors.Is(err, pipeline.ErrAbandoned) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// expiry is when the server may drop u's record, as memcached wants it: seconds
// from now, or beyond 30 days a point in time.
func expiry(u *Update, r *Record) int32 {
	retain := r.retain(u.subject)
	const most = 30 * 24 * 3600
	seconds := int64(retain+ahead)/1000 + 1
	if at := int64(u.now)/1000 + seconds; seconds > most && at <= math.MaxInt32 {
		return int32(at)
	}
	return int32(min(seconds, most))
}
