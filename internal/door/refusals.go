package door

import (
	"log/slog"
	"sync"
	"time"
)

// refusalWindow is the time that Settings.RefusalLines is for.
const refusalWindow = time.Second

// refusals bounds the log lines of refused requests: a flood of them would push
// everything else out of the log. There is one count for each route and code, which are
// closed sets.
type refusals struct {
	most int                                            // of each kind in a window that are shown
	more func(of refusal, level slog.Level, hidden int) // logs how many were not shown

	mu     sync.Mutex
	counts map[refusal]*refusalCount
}

// A refusal is a kind of refused request.
type refusal struct {
	route  string
	status int
	code   string
}

// A refusalCount counts the requests of one kind since a window began.
type refusalCount struct {
	began  time.Time
	n      int
	hidden int
}

// shows reports whether the lines of a request that was refused now are to be written.
func (r *refusals) shows(of refusal, level slog.Level, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts[of]
	if c == nil {
		if r.counts == nil {
			r.counts = make(map[refusal]*refusalCount)
		}
		c = new(refusalCount)
		r.counts[of] = c
	}
	if c.hidden == 0 && now.Sub(c.began).Abs() >= refusalWindow {
		c.began, c.n = now, 0
	}
	if c.n++; c.n <= r.most {
		return true
	}
	if c.hidden++; c.hidden == 1 {
		time.AfterFunc(max(0, refusalWindow-now.Sub(c.began)), func() { r.endWindow(of, level, c) })
	}
	return false
}

// endWindow logs how many requests were not shown, and begins another window.
func (r *refusals) endWindow(of refusal, level slog.Level, c *refusalCount) {
	r.mu.Lock()
	hidden := c.hidden
	c.began, c.n, c.hidden = time.Now(), 0, 0
	r.mu.Unlock()
	r.more(of, level, hidden)
}
