package memcached

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"
)

const (
	probeEvery = 100 * time.Millisecond
	// retryEvery is the period of the probes while the server does not answer. It is as
	// long as the usual budget: one probe or another waits for the server all the time,
	// so what came up during a hang is told as soon as that ends.
	retryEvery = 50 * time.Millisecond
	// quietPeriod is how long no instance may have been telling a new memory anything,
	// before it is believed. It is long enough for each instance that can reach the
	// server to notice and to begin.
	quietPeriod = 5 * probeEvery
	// unsettled parts the name of a memory that is not believed yet from a number.
	unsettled = "?"
)

// A watcher asks one server for its canary. See the package's # Memory.
type watcher struct {
	*Server
	prober *prober
	tell   func(s *Server, all bool, stop <-chan struct{}) (whole bool)

	told  string    // the name of the memory that was told everything that matters
	seen  string    // the canary's value while it is unsettled
	since time.Time // when that was first seen
}

func (w *watcher) run() {
	for {
		start := time.Now()
		result := w.probe()
		pause := time.NewTimer(pauseAfter(result, time.Since(start)))
		select {
		case <-w.client.stop:
			pause.Stop()
			return
		case <-w.doubt:
			pause.Stop()
		case <-pause.C:
		}
	}
}

// pauseAfter is how long to wait after a probe that ended so and took so long; at once
// where it is not positive.
func pauseAfter(result Result, took time.Duration) time.Duration {
	if result == Timeout {
		return retryEvery - took
	}
	return probeEvery - took
}

// probe asks for the canary and does what it says is to be done next. It returns how
// asking, or setting a new canary, ended.
func (w *watcher) probe() (result Result) {
	defer func() {
		if fault := recover(); fault != nil {
			w.prober = newProber(w.Server) // that one is in an unknown state
			w.client.Panicked(fault)
		}
	}()
	item, result := w.prober.read()
	if result == Miss {
		w.distrust()
		item.Value = []byte(rand.Text() + unsettled + "0")
		result = w.prober.add(item)
	}
	answered := time.Now()
	told := result == OK && w.advance(string(item.Value))
	if w.open.Load() && w.probed(result == OK, told, answered) || told && w.Trusted() {
		w.changed(NoTrouble)
	}
	if w.Trusted() || result == Timeout || result == Failed {
		w.closeOnce.Do(func() { close(w.tried) })
	}
	return result
}

// advance brings the server, whose canary has this value, a step nearer to being
// believed. It reports whether the server was told all that it has to know.
func (w *watcher) advance(value string) bool {
	name, _, isNew := strings.Cut(value, unsettled)
	if isNew || name != w.told {
		w.distrust()
	}
	if name != w.told {
		w.told, w.seen = "", ""
		if !w.tellAll(name) {
			return false
		}
		w.told = name
	}
	if w.tell != nil && !w.tell(w.Server, false, w.client.stop) {
		return false
	}
	switch {
	case !isNew:
		if !w.pipe.isTrusted() {
			w.pipe.trust(value)
		}
	case value != w.seen:
		w.seen, w.since = value, time.Now()
	case time.Since(w.since) >= quietPeriod && w.rewrite(value, name):
		w.pipe.trust(name)
	}
	return true
}

// tellAll tells the server everything that matters. Meanwhile it counts the canary up,
// so that no instance settles it.
func (w *watcher) tellAll(name string) (whole bool) {
	if w.tell == nil {
		return true
	}
	done := make(chan bool, 1)
	go func() {
		defer func() {
			if fault := recover(); fault != nil {
				w.client.Panicked(fault)
				done <- false
			}
		}()
		done <- w.tell(w.Server, true, w.client.stop)
	}()
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

func (w *watcher) countUp(name string) {
	item, result := w.prober.read()
	value := string(item.Value)
	count, isNew := strings.CutPrefix(value, name+unsettled)
	if n, err := strconv.Atoi(count); result == OK && isNew && err == nil {
		w.rewrite(value, name+unsettled+strconv.Itoa(n+1))
	}
}

// distrust has no answer of the server believed.
func (w *watcher) distrust() {
	if w.pipe.distrust() {
		w.changed(Forgot)
	}
}

// rewrite gives the canary another value if it still has the value was.
func (w *watcher) rewrite(was, value string) bool {
	item, result := w.prober.read()
	if result != OK || string(item.Value) != was {
		return false
	}
	item.Value = []byte(value)
	return w.prober.replace(item) == OK
}
