package velocity

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Each server is watched in the background: ten times a second, and at once when a
// batch of commands did not find the trusted canary, it is asked for its canary, an
// item whose value names the server's memory. That is the probe which closes the
// breaker, and it tells a server that lost its memory, by a restart or a flush, from
// one that has not.
//
//	no canary     the memory is new: the instance that finds it so adds "NAME?0"
//	"NAME?n"      instances tell the server what they know; while one does, it counts n
//	              up. When n has stood for quiet, any of them settles it: "NAME"
//	"NAME"        settled: an instance that has told its part believes the server
//
// Until then an instance answers from its own copy, degraded. quiet is long enough for
// every instance that can reach the server to notice and to begin: so nobody believes a
// new memory before each has told what it knows.
const (
	probeEvery = 100 * time.Millisecond
	quiet      = 5 * probeEvery
)

// A watcher is what the watch knows of one server.
type watcher struct {
	*Memcached
	server *server
	lane   *lane // of its own: it is not to wait for shoppers, nor they for it
	plan   func() *Plan
	now    func() Time

	told  string    // the name of the memory that was told all that matters
	seen  string    // the canary's value while it is not settled
	since time.Time // it has stood
}

// Watch watches every server until Close: without it none is used. plan and now say
// what matters when a server is to be told, and when answers from the copy are to be
// written.
func (m *Memcached) Watch(plan func() *Plan, now func() Time) {
	m.watchServers(plan, now)
	m.watches.Go(func() { m.sweep(plan, now) })
	m.watched.Store(true)
}

func (m *Memcached) watchServers(plan func() *Plan, now func() Time) {
	for _, s := range m.servers {
		w := &watcher{Memcached: m, server: s, lane: s.newLane(), plan: plan, now: now}
		w.lane.telling = true
		m.watches.Go(w.run)
	}
}

// AwaitServers returns when each server is used or was found failing, at the latest
// after d.
func (m *Memcached) AwaitServers(d time.Duration) {
	late := time.NewTimer(d)
	defer late.Stop()
	for _, s := range m.servers {
		select {
		case <-s.tried:
		case <-late.C:
			return
		}
	}
}

func (w *watcher) run() {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		w.probe()
		select {
		case <-w.stop:
			return
		case <-w.server.doubt:
		case <-tick.C:
		}
	}
}

// probe asks for the canary and does what it says is to be done next.
func (w *watcher) probe() {
	defer func() {
		if fault := recover(); fault != nil {
			w.lane = w.server.newLane() // who knows what state it is in
			w.lane.telling = true
			w.Panicked(fault)
		}
	}()
	s := w.server
	value, result := w.read()
	if result == Miss {
		w.distrust()
		value = rand.Text() + "?0"
		result = w.write("add", &memcache.Item{Value: []byte(value)})
	}
	well := result == OK && w.tell(value)
	if s.open.Load() && s.probed(well, time.Now()) || well && s.usable() {
		w.changed(s, NoTrouble)
	}
	if s.usable() || result != OK && result != Miss {
		s.trying.Do(func() { close(s.tried) })
	}
}

// tell brings the server, whose canary has this value, a step nearer to being believed.
// It reports whether the server was told all that it has to know.
func (w *watcher) tell(value string) bool {
	name, _, unsettled := strings.Cut(value, "?")
	if unsettled || name != w.told {
		w.distrust()
	}
	if name != w.told {
		w.told = ""
		if !w.tellAll(name) {
			return false
		}
		w.told, w.seen = name, ""
	}
	if !w.tellBacklog(w.server) {
		if !w.server.backlog.waiting.Load() { // more than it could hold
			w.told = ""
		}
		return false
	}
	switch {
	case !unsettled:
		if !w.server.pipe.Trusted() {
			w.server.pipe.Trust(value)
		}
	case value != w.seen:
		w.seen, w.since = value, time.Now()
	case time.Since(w.since) >= quiet && w.rewrite(value, name):
		w.server.pipe.Trust(name)
	}
	return true
}

// tellAll tells the server all that matters, and meanwhile keeps others from believing
// its memory, unless they do already.
func (w *watcher) tellAll(name string) (whole bool) {
	done := make(chan bool, 1)
	go func() { done <- w.Memcached.tellAll(w.server, w.plan(), w.now()) }()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case whole := <-done:
			return whole
		case <-tick.C:
			w.countUp(name)
		}
	}
}

// countUp makes the canary say that an instance is still telling.
func (w *watcher) countUp(name string) {
	value, result := w.read()
	count, unsettled := strings.CutPrefix(value, name+"?")
	if n, err := strconv.Atoi(count); result == OK && unsettled && err == nil {
		w.rewrite(value, name+"?"+strconv.Itoa(n+1))
	}
}

// distrust has no answer of the server believed.
func (w *watcher) distrust() {
	if w.server.pipe.Distrust() {
		w.changed(w.server, Forgot)
	}
}

// read returns the canary's value.
func (w *watcher) read() (value string, result Result) {
	item, result := w.get()
	if result == OK {
		value = string(item.Value)
	}
	return value, result
}

func (w *watcher) get() (item *memcache.Item, result Result) {
	w.lane.until(time.Now().Add(w.Budget))
	result = w.do(w.server, w.lane, "probe", func() (err error) {
		item, err = w.lane.client.Get(w.prefix + "canary")
		return err
	}, func() Result { return OK })
	return item, result
}

// rewrite writes the canary anew if it still has the value was.
func (w *watcher) rewrite(was, value string) bool {
	item, result := w.get()
	if result != OK || string(item.Value) != was {
		return false
	}
	item.Value = []byte(value)
	return w.write("cas", item) == OK
}

func (w *watcher) write(op string, item *memcache.Item) Result {
	item.Key = w.prefix + "canary"
	w.lane.until(time.Now().Add(w.Budget))
	return w.do(w.server, w.lane, "probe", func() error {
		if op == "add" {
			return w.lane.client.Add(item)
		}
		return w.lane.client.CompareAndSwap(item)
	}, func() Result { return OK })
}
