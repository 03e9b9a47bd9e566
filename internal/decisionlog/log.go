// Package decisionlog writes what was decided to files, one JSON object a line (NDJSON), for
// analysis and for trying rules on one's own history.
//
// # Files
//
// Lines are appended to the file "decisions" in a folder. With the first line of a day (UTC)
// the lines before it are put away as decisions.YYYY-MM-DD. A line is in the file of the day
// of its time, but for requests that took over midnight. Files are 0600, and are kept for a
// number of days and within a number of bytes.
//
// # Lines
//
// Every line has these members, in this order:
//
//	v         1, the version of this format; a member may be added without another one
//	seq       a number of the line: one more than that of the line before it, over restarts too
//	time      when the request came, by the instance's clock: RFC 3339, UTC, milliseconds
//	instance  the name of the instance
//	kind      check, outcome, forget, override, login_ended, reload or gap
//
// A reader passes over kinds that it does not know: a later version may have more.
//
// A check and an outcome have all of these; a forget and an override subjects, key and
// caller:
//
//	attempt   the short id of the attempt_id, the same as in the program's log
//	card      "later" or "now" where the request said it, otherwise absent
//	subjects  an object of what the request showed, each by its id: ip, network, card, email,
//	          device, cart, account; and expiry, where one stood beside a card_id. ip is the
//	          network of ipv6_prefix bits, email the mailbox, card the card_id or else last
//	          four digits and expiry, as rules count them
//	key       which key the ids are made with: eight letters and digits
//	ipv6_prefix  with how many bits of an IPv6 address, where that is not 64
//	caller    the name of the caller, in the form of the program's log
//
// A check has, before subjects, decision, reasons, rules (of each that was evaluated name,
// outcome, mode and count) and degraded, as its answer had them. An outcome has outcome,
// reason where it was declined, and at where it was told: when the issuer answered.
//
// A forget has what, the kind of the subject that was forgotten, among subjects; an override
// what, allow, block or remove, and until where it was set; a reload what, SIGHUP or file. A
// login_ended has caller, and what: the six characters that end the tag of the login's lines
// in the program's log, a keyed hash.
//
// A gap has lost: how many events were not written since the line before it. null says that
// nobody knows: the run before did not end cleanly. A run that ends cleanly ends with a gap
// that lost 0. A line that is no JSON is the torn end of a run that was killed, or of what a
// full disk took; a gap follows it.
//
// # What does not stand in it
//
// No IP address, card, e-mail address or other value of a request, nor a hash of one that
// can be looked up without the key: see [velocity.LogIDs].
//
// # Cost
//
// A check waits for no disk: it copies what it showed into a bounded queue in memory. A
// goroutine makes ids and lines of it, and writes them at least ten times a second. What
// finds the queue full, or cannot be written, is counted, and a gap says so once lines can be
// written again.
package decisionlog

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// FileName is the name of the file that lines are appended to.
const FileName = "decisions"

const (
	queueEvents  = 8192                   // that wait for the writer; each may hold on to a request's body
	fullBatch    = 512                    // events that wake the writer before delay is over
	delay        = 100 * time.Millisecond // that an event waits for others, so that they share a write
	lookInterval = time.Second            // how often the file is looked after, and lost events are told
	closeTimeout = time.Second            // that Close gives a disk that blocks
)

// Settings are what a log is made from. All but Failed and Panicked are needed.
type Settings struct {
	Dir      string // the folder of the files; it is created when it does not exist
	Days     int    // that files are kept
	MaxBytes int64  // of all files, at least 1 MiB
	Instance string // the name of this instance
	IDs      *velocity.LogIDs
	Now      func() velocity.Time // the instance's clock
	Plan     func() *velocity.Plan
	Caller   func(name string) string // the form of a caller's name that is logged
	// Failed is called with the error of each write that failed, Panicked with a panic that
	// was recovered and cost a batch of events; both by one goroutine at a time.
	Failed   func(error)
	Panicked func(fault any)
	// Shared, if set, is called by Open where another process writes to the folder.
	Shared func()
}

// A Log writes the decision log. Watch and Dropped may be called from many goroutines at
// once. A nil Log has dropped nothing.
type Log struct {
	dropped atomic.Uint64 // events that were not written since the start

	mu      sync.Mutex
	pending batch
	missed  uint64 // events that found the queue full since pending was taken
	closed  bool

	wake chan struct{} // holds a token when there may be something to do
	full chan struct{} // likewise, when a batch is full or the log is closed
	done chan struct{}
}

// Open opens the log and starts writing. When the last run in this folder did not end
// cleanly, it begins with a gap that says so. The error says why the folder cannot be used.
func Open(s Settings) (*Log, error) {
	l := &Log{wake: make(chan struct{}, 1), full: make(chan struct{}, 1), done: make(chan struct{})}
	w, err := newWriter(s, &l.dropped)
	if err != nil {
		return nil, err
	}
	go l.run(w)
	return l, nil
}

// Watch is an event.Watcher. It copies the event and never waits for the disk.
func (l *Log) Watch(e *event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.pending.entries)
	if l.closed || n == queueEvents {
		l.missed++
		l.dropped.Add(1)
		return
	}
	l.pending.add(e)
	switch n + 1 {
	case 1:
		signal(l.wake)
	case fullBatch:
		signal(l.full)
	}
}

// Dropped returns how many events were not written since the start.
func (l *Log) Dropped() uint64 {
	if l == nil {
		return 0
	}
	return l.dropped.Load()
}

// Close writes what is queued and ends the run, for which it waits at most a second. Events
// after it are dropped.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	signal(l.wake)
	signal(l.full)
	late := time.NewTimer(closeTimeout)
	defer late.Stop()
	select {
	case <-l.done:
	case <-late.C:
	}
}

// signal leaves a token, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes what is queued, a batch at a time, until the log is closed.
func (l *Log) run(w *writer) {
	defer close(l.done)
	defer w.file.Close()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	wait := time.NewTimer(delay)
	defer wait.Stop()
	var b batch
	for {
		select {
		case <-look.C:
			w.look()
		case <-l.wake:
			wait.Reset(delay)
			select {
			case <-wait.C:
			case <-l.full:
			}
			runtime.Gosched() // what is decided just now comes into the same batch
		}
		var missed uint64
		var last bool
		b, missed, last = l.take(b)
		w.write(&b)
		w.lost += missed
		if last {
			w.end()
			return
		}
	}
}

// take exchanges the pending batch for b, emptied. missed is how many events came after it
// and found no room; last says that nothing will follow.
func (l *Log) take(b batch) (taken batch, missed uint64, last bool) {
	b.reset()
	l.mu.Lock()
	defer l.mu.Unlock()
	taken, missed = l.pending, l.missed
	l.pending, l.missed = b, 0
	return taken, missed, l.closed
}
