package operator

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fraudcheck/internal/door"
	"fraudcheck/internal/wire"
)

// scrapeInterval is the least time between two looks at the metrics.
const scrapeInterval = 100 * time.Millisecond

// scrapes lets scrapes that come together share one look at the metrics, so that a crowd
// of them takes the processors from no check. None gets what was seen before it came: it
// waits for the next look, for scrapeInterval at most.
type scrapes struct {
	mu   sync.Mutex
	next *look     // that those who come now wait for; nil: nobody waits
	last time.Time // when the last look began

	looking sync.Mutex
}

// A look at the metrics belongs to the scrapes that waited for it.
type look struct {
	begun   chan struct{}              // closed when it begins
	answers map[string]*responseBuffer // by what the scrape asks for; scrapes.looking guards it
}

// wait returns the next look once it may begin.
func (s *scrapes) wait() *look {
	s.mu.Lock()
	if l := s.next; l != nil {
		s.mu.Unlock()
		<-l.begun
		return l
	}
	l := &look{begun: make(chan struct{}), answers: make(map[string]*responseBuffer)}
	s.next = l
	pause := time.Until(s.last.Add(scrapeInterval))
	s.mu.Unlock()
	time.Sleep(pause)
	s.mu.Lock()
	s.next, s.last = nil, time.Now()
	s.mu.Unlock()
	close(l.begun)
	return l
}

// metrics answers GET /metrics in the text format of Prometheus, or another that Accept
// asks for.
func (a *API) metrics(q *door.Request) *wire.Problem {
	l := a.scrapes.wait()
	a.scrapes.looking.Lock()
	defer a.scrapes.looking.Unlock()
	r := requestOf("/metrics", q)
	asked := fmt.Sprint(r.Header, r.URL.RawQuery)
	b := l.answers[asked]
	if b == nil {
		b = respond(promhttp.HandlerFor(a.Metrics.Registry, promhttp.HandlerOpts{}), r)
		l.answers[asked] = b
	}
	return b.answer(q)
}
