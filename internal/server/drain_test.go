package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/server"
	"fraudcheck/internal/velocity"
)

// A turnstile holds every check inside the server until it is let go.
type turnstile struct {
	inside chan struct{} // one for each that came in
	let    chan struct{} // one lets one go, closed lets all
}

func newTurnstile(s *server.Settings) *turnstile {
	w := &turnstile{inside: make(chan struct{}, 16), let: make(chan struct{})}
	now := s.Now
	s.Now = func(reading time.Time) velocity.Time {
		w.inside <- struct{}{}
		<-w.let
		return now(reading)
	}
	return w
}

// requireInside waits until one more request is held.
func (w *turnstile) requireInside(t testing.TB) {
	t.Helper()
	select {
	case <-w.inside:
	case <-time.After(patience):
		require.FailNow(t, "no request came in")
	}
}

// openHeld opens a door with a turnstile that is let go when the test ends.
func openHeld(t *testing.T, change ...func(*server.Settings)) (*door, *turnstile) {
	t.Helper()
	var w *turnstile
	d := open(t, append(change, func(s *server.Settings) { w = newTurnstile(s) })...)
	t.Cleanup(func() { // before the door's own
		select {
		case <-w.let:
		default:
			close(w.let)
		}
	})
	return d, w
}

func TestAServerThatIsFullRefusesTheNext(t *testing.T) {
	d, w := openHeld(t, func(s *server.Settings) { s.InFlight = 1 })
	first, second := d.dial(t), d.dial(t)
	first.send(check("203.0.113.7", 1))
	w.requireInside(t)

	for _, request := range []string{check("203.0.113.8", 1), raw("POST /v1/outcomes", someCard, asCheckout)} {
		a := second.ask(request)
		requireProblem(t, a, 503, "overloaded", "")
		assert.Equal(t, "1", a.header.Get("Retry-After"))
		assert.False(t, a.close, "it may try again at once")
	}
	assert.Equal(t, 200, second.ask(raw("GET /healthz", "")).status, "it is alive all the same")
	assert.Equal(t, 200, second.ask(raw("GET /readyz", "")).status, "and ready")
	assert.Equal(t, 404, second.ask(raw("GET /nowhere", "")).status)

	w.let <- struct{}{}
	assert.Equal(t, 1, first.next("POST").count(t))

	second.send(check("203.0.113.7", 2))
	w.requireInside(t)
	w.let <- struct{}{}
	assert.Equal(t, 2, second.next("POST").count(t), "there is room again")
}

func TestAPanicCostsOneAnswer(t *testing.T) {
	for _, fault := range []any{"choked on 4242", errors.New("choked on 4242")} {
		panics := true
		d := open(t, func(s *server.Settings) {
			now := s.Now
			s.Now = func(reading time.Time) velocity.Time {
				if panics {
					panic(fault)
				}
				return now(reading)
			}
		})
		l := d.dial(t)
		a := l.ask(check("203.0.113.7", 1))
		requireProblem(t, a, 500, "internal", "")
		assert.False(t, a.close)
		a = l.ask(raw("POST /v1/outcomes", `{"ip":"203.0.113.7","card_id":"pm_1","outcome":"declined"}`, asCheckout))
		requireProblem(t, a, 500, "internal", "")

		panics = false
		assert.Equal(t, 1, l.ask(check("203.0.113.7", 1)).count(t), "the connection goes on")

		var failures []logLine
		for _, line := range d.log.all() {
			if line.level >= slog.LevelError {
				failures = append(failures, line)
			}
		}
		require.Len(t, failures, 2, "one line for each panic")
		assert.Contains(t, failures[0].attrs["stack"], "TestAPanicCostsOneAnswer", "it tells where")
		assert.NotContains(t, d.log.text(), "choked")
		assert.NotContains(t, d.log.text(), "4242")
	}
}

func TestAPanicIsFoundInALogOfErrorsOnly(t *testing.T) {
	var errorLog logbook
	d := open(t, func(s *server.Settings) {
		s.Log = slog.New(errorsOnly{&errorLog})
		s.Now = func(time.Time) velocity.Time { panic("choked") }
	})
	require.Equal(t, 500, d.ask(t, check("203.0.113.7", 1)).status)
	require.Len(t, errorLog.all(), 1)
	assert.Regexp(t, `^127\.0\.0\.1-`, errorLog.all()[0].attrs["tag"], "it tells who")
}

// A drain with a request on its way: nobody new is sent here, and nobody who is
// here is lost.
func TestADrainAnswersWhatIsInFlight(t *testing.T) {
	leaks := noLeaks()
	t.Run("drain", func(t *testing.T) {
		d, w := openHeld(t)
		held, other := d.dial(t), d.dial(t)
		require.Equal(t, 200, other.ask(raw("GET /readyz", "")).status)
		held.send(check("203.0.113.7", 1))
		w.requireInside(t)

		drained := make(chan error, 1)
		go func() { drained <- d.drain(patience) }()
		a := other.ask(raw("GET /readyz", ""))
		for a.status == 200 { // Drain has not begun
			a = other.ask(raw("GET /readyz", ""))
		}
		requireProblem(t, a, 503, "overloaded", "")
		assert.True(t, a.close, "its caller goes elsewhere")
		other.requireEnd()

		late := d.dial(t) // by somebody who has not heard yet
		late.send(check("203.0.113.7", 2))
		w.requireInside(t)
		w.let <- struct{}{}
		w.let <- struct{}{}
		counts := 0
		for _, l := range []*line{held, late} {
			a = l.next("POST")
			assert.Equal(t, 200, a.status)
			assert.True(t, a.close)
			counts += a.count(t)
			l.requireEnd()
		}
		assert.Equal(t, 1+2, counts)

		require.NoError(t, <-drained)
		d.requireClosed(t)
		_, err := net.Dial("tcp", d.addr)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	goleak.VerifyNone(t, leaks...)
}

func TestADrainEndsWhenItsTimeDoes(t *testing.T) {
	leaks := noLeaks()
	t.Run("drain", func(t *testing.T) {
		d, w := openHeld(t)
		l := d.dial(t)
		l.send(check("203.0.113.7", 1))
		w.requireInside(t)
		assert.ErrorIs(t, d.drain(blink), context.DeadlineExceeded)

		w.let <- struct{}{}
		assert.Equal(t, 200, l.next("POST").status, "late, but not lost")
		d.requireClosed(t)
	})
	goleak.VerifyNone(t, leaks...)
}

// A drain ends as soon as nothing is in flight: a caller that keeps a connection
// for later, used before or not, is none to wait for.
func TestADrainWaitsForNoIdleConnection(t *testing.T) {
	tests := []struct {
		name string
		use  string
	}{
		{"used", raw("GET /healthz", "")},
		{"not used yet", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			l := d.dial(t)
			if tt.use != "" {
				require.Equal(t, 200, l.ask(tt.use).status)
			} else {
				// The server takes connections in order: it has the first when the second is answered.
				require.Equal(t, 200, d.ask(t, raw("GET /healthz", "", "Connection: close")).status)
			}
			require.NoError(t, d.drain(3*time.Second))
			d.requireClosed(t)
			l.requireEnd()
		})
	}
}

// Nobody who connects at the very moment of a stop is reset: the call is answered,
// or the connection refused.
func TestADrainResetsNobodyWhoConnects(t *testing.T) {
	const stops, callers = 6, 4
	var answered, refused atomic.Int64
	t.Run("stops", func(t *testing.T) {
		for range stops {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				d := open(t)
				var calling sync.WaitGroup
				for range callers {
					calling.Go(func() {
						for {
							switch err := callAnew(d.addr); {
							case err == nil:
								answered.Add(1)
							case errors.Is(err, syscall.ECONNREFUSED):
								refused.Add(1)
								return
							default:
								assert.NoError(t, err)
								return
							}
						}
					})
				}
				err := d.drain(400 * time.Millisecond) // they keep it from ending before
				calling.Wait()
				assert.True(t, err == nil || errors.Is(err, context.DeadlineExceeded), err)
			})
		}
	})
	assert.EqualValues(t, stops*callers, refused.Load())
	assert.Positive(t, answered.Load(), "they came before the stop as well")
}

// callAnew calls on a new connection.
func callAnew(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, raw("GET /healthz", "")); err != nil {
		return err
	}
	_, err = http.ReadResponse(bufio.NewReader(c), nil)
	return err
}

func TestADrainWaitsForARequestHalfSent(t *testing.T) {
	d := open(t)
	l := d.dial(t)
	require.Equal(t, 200, l.ask(raw("GET /healthz", "")).status)
	first, rest, _ := strings.Cut(check("203.0.113.7", 1), "fraudcheck.test")
	l.send(first)
	drained := make(chan error, 1)
	go func() { drained <- d.drain(patience) }()
	for err := error(nil); err == nil; { // until nobody is let in any more
		var c net.Conn
		if c, err = net.Dial("tcp", d.addr); err == nil {
			err = c.Close()
		}
	}
	l.send("fraudcheck.test" + rest)
	a := l.next("POST")
	assert.Equal(t, 200, a.status)
	assert.True(t, a.close)
	require.NoError(t, <-drained)
}

func TestADrainWithNobodyThere(t *testing.T) {
	d := open(t)
	require.Equal(t, 200, d.ask(t, raw("GET /healthz", "", "Connection: close")).status)
	require.NoError(t, d.drain(patience))
	d.requireClosed(t)
	require.NoError(t, d.drain(patience), "a second time")
}

// noLeaks are the goroutines that may be there in the end: those that are now,
// and fasthttp's clocks: one never stops, one sleeps for up to 10 s before it
// finds out that it may.
func noLeaks() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreCurrent(),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
}
