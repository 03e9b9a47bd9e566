package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/velocity"
)

// A turnstile holds every check inside the server until it is let go.
type turnstile struct {
	inside chan struct{} // one for each that came in
	let    chan struct{} // one lets one go, closed lets all
}

func newTurnstile(s *doortest.Setup) *turnstile {
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
	case <-time.After(doortest.Patience):
		require.FailNow(t, "no request came in")
	}
}

// openHeld opens a door with a turnstile that is let go when the test ends.
func openHeld(t *testing.T, change ...func(*doortest.Setup)) (*port, *turnstile) {
	t.Helper()
	var w *turnstile
	d := open(t, append(change, func(s *doortest.Setup) { w = newTurnstile(s) })...)
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
	d, w := openHeld(t, func(s *doortest.Setup) { s.InFlight = 1 })
	first, second, probe := d.Dial(t), d.Dial(t), d.Dial(t)
	first.Send(check("203.0.113.7", 1))
	w.requireInside(t)

	for _, request := range []string{check("203.0.113.8", 1), doortest.Raw("POST /v1/outcomes", someCard, doortest.AsCheckout)} {
		a := d.Ask(t, request)
		doortest.RequireProblem(t, a, 503, "overloaded", "")
		assert.Equal(t, "1", a.Header.Get("Retry-After"))
	}
	assert.Equal(t, 200, probe.Ask(doortest.Raw("GET /healthz", "")).Status, "it is alive all the same")
	assert.Equal(t, 200, probe.Ask(doortest.Raw("GET /readyz", "")).Status, "and ready")
	assert.Equal(t, 404, probe.Ask(doortest.Raw("GET /nowhere", "")).Status)

	a := second.Ask(check("203.0.113.8", 1))
	require.Equal(t, 503, a.Status)
	assert.False(t, a.Close, "it may try again")
	second.Send(check("203.0.113.7", 2))
	require.NoError(t, second.SetReadDeadline(time.Now().Add(blink)))
	_, err := second.R.Peek(1)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "but is not read at once")
	require.NoError(t, second.SetReadDeadline(time.Time{}))

	w.let <- struct{}{}
	assert.Equal(t, 1, countOf(t, first.Next("POST")))
	w.requireInside(t) // there is room again
	w.let <- struct{}{}
	assert.Equal(t, 2, countOf(t, second.Next("POST")))
}

func TestACallerThatDoesNotWaitIsRefusedAgainAfterASecond(t *testing.T) {
	d, w := openHeld(t, func(s *doortest.Setup) { s.InFlight = 1 })
	first, second := d.Dial(t), d.Dial(t)
	first.Send(check("203.0.113.7", 1))
	w.requireInside(t)
	for range 2 {
		require.Equal(t, 503, second.Ask(check("203.0.113.8", 1)).Status)
	}
}

func TestAPanicCostsOneAnswer(t *testing.T) {
	for _, fault := range []any{"choked on 4242", errors.New("choked on 4242")} {
		panics := true
		d := open(t, func(s *doortest.Setup) {
			now := s.Now
			s.Now = func(reading time.Time) velocity.Time {
				if panics {
					panic(fault)
				}
				return now(reading)
			}
		})
		l := d.Dial(t)
		a := l.Ask(check("203.0.113.7", 1))
		doortest.RequireProblem(t, a, 500, "internal", "")
		assert.False(t, a.Close)
		a = l.Ask(doortest.Raw("POST /v1/outcomes", `{"ip":"203.0.113.7","card_id":"pm_1","outcome":"declined"}`, doortest.AsCheckout))
		doortest.RequireProblem(t, a, 500, "internal", "")

		panics = false
		assert.Equal(t, 1, countOf(t, l.Ask(check("203.0.113.7", 1))), "the connection goes on")

		var failures []doortest.Line
		for _, line := range d.all.Log.Lines() {
			if line.Message == "panic in a handler" {
				failures = append(failures, line)
			}
		}
		require.Len(t, failures, 2, "one line for each panic")
		assert.Contains(t, failures[0].Attrs["stack"], "TestAPanicCostsOneAnswer", "it tells where")
		// A stack holds addresses of memory, some of which have these digits.
		text := regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(d.all.Log.Text(), "0x")
		assert.NotContains(t, text, "choked")
		assert.NotContains(t, text, "4242")
	}
}

func TestAPanicIsFoundInALogOfErrorsOnly(t *testing.T) {
	errorLog := doortest.Log{Least: slog.LevelError}
	d := open(t, func(s *doortest.Setup) {
		s.Log = errorLog.Logger()
		s.Now = func(time.Time) velocity.Time { panic("choked") }
	})
	require.Equal(t, 500, d.Ask(t, check("203.0.113.7", 1)).Status)
	require.Len(t, errorLog.Lines(), 3, "the panic, what was asked and what was answered")
	for _, line := range errorLog.Lines() {
		assert.Regexp(t, `^127\.0\.0\.1-`, line.Attrs["tag"], "it tells who")
	}
}

// A drain with a request on its way: nobody new is sent here, and nobody who is
// here is lost.
func TestADrainAnswersWhatIsInFlight(t *testing.T) {
	leaks := noLeaks()
	t.Run("drain", func(t *testing.T) {
		d, w := openHeld(t)
		held, other := d.Dial(t), d.Dial(t)
		require.Equal(t, 200, other.Ask(doortest.Raw("GET /readyz", "")).Status)
		held.Send(check("203.0.113.7", 1))
		w.requireInside(t)

		drained := make(chan error, 1)
		go func() { drained <- d.Drain(doortest.Patience) }()
		a := other.Ask(doortest.Raw("GET /readyz", ""))
		for a.Status == 200 { // Drain has not begun
			a = other.Ask(doortest.Raw("GET /readyz", ""))
		}
		doortest.RequireProblem(t, a, 503, "overloaded", "")
		assert.True(t, a.Close, "its caller goes elsewhere")
		other.RequireEnd()

		late := d.Dial(t) // by somebody who has not heard yet
		late.Send(check("203.0.113.7", 2))
		w.requireInside(t)
		w.let <- struct{}{}
		w.let <- struct{}{}
		counts := 0
		for _, l := range []*doortest.Conn{held, late} {
			a = l.Next("POST")
			assert.Equal(t, 200, a.Status)
			assert.True(t, a.Close)
			counts += countOf(t, a)
			l.RequireEnd()
		}
		assert.Equal(t, 1+2, counts)

		require.NoError(t, <-drained)
		d.RequireClosed(t)
		_, err := net.Dial("tcp", d.Addr())
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	goleak.VerifyNone(t, leaks...)
}

func TestADrainEndsWhenItsTimeDoes(t *testing.T) {
	leaks := noLeaks()
	t.Run("drain", func(t *testing.T) {
		d, w := openHeld(t)
		l := d.Dial(t)
		l.Send(check("203.0.113.7", 1))
		w.requireInside(t)
		assert.ErrorIs(t, d.Drain(blink), context.DeadlineExceeded)

		w.let <- struct{}{}
		assert.Equal(t, 200, l.Next("POST").Status, "late, but not lost")
		d.RequireClosed(t)
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
		{"used", doortest.Raw("GET /healthz", "")},
		{"not used yet", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			l := d.Dial(t)
			if tt.use != "" {
				require.Equal(t, 200, l.Ask(tt.use).Status)
			} else {
				// The server takes connections in order: it has the first when the second is answered.
				require.Equal(t, 200, d.Ask(t, doortest.Raw("GET /healthz", "", "Connection: close")).Status)
			}
			require.NoError(t, d.Drain(3*time.Second))
			d.RequireClosed(t)
			l.RequireEnd()
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
						pace := time.NewTicker(20 * time.Millisecond)
						defer pace.Stop()
						for range pace.C {
							switch err := callAnew(d.Addr()); {
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
				// They keep it from ending before. A quarter of it is left for the last requests:
				// a busy machine needs that.
				err := d.Drain(4 * listener.LastRequests)
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
	_ = c.SetDeadline(time.Now().Add(doortest.Patience))
	if _, err := io.WriteString(c, doortest.Raw("GET /healthz", "")); err != nil {
		return err
	}
	_, err = http.ReadResponse(bufio.NewReader(c), nil)
	return err
}

func TestADrainWaitsForARequestHalfSent(t *testing.T) {
	d := open(t)
	l := d.Dial(t)
	require.Equal(t, 200, l.Ask(doortest.Raw("GET /healthz", "")).Status)
	first, rest, _ := strings.Cut(check("203.0.113.7", 1), "fraudcheck.test")
	l.Send(first)
	drained := make(chan error, 1)
	go func() { drained <- d.Drain(doortest.Patience) }()
	for err := error(nil); err == nil; { // until nobody is let in any more
		var c net.Conn
		if c, err = net.Dial("tcp", d.Addr()); err == nil {
			err = c.Close()
		}
	}
	l.Send("fraudcheck.test" + rest)
	a := l.Next("POST")
	assert.Equal(t, 200, a.Status)
	assert.True(t, a.Close)
	require.NoError(t, <-drained)
}

func TestADrainWithoutConnectionsEnds(t *testing.T) {
	d := open(t)
	require.Equal(t, 200, d.Ask(t, doortest.Raw("GET /healthz", "", "Connection: close")).Status)
	require.NoError(t, d.Drain(doortest.Patience))
	d.RequireClosed(t)
	require.NoError(t, d.Drain(doortest.Patience), "a second time")
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
