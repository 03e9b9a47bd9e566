package operator_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/operator"
	"fraudcheck/internal/velocity"
)

// A turnstile holds every request that asks for the time until it is let go.
type turnstile struct {
	inside chan struct{} // one for each that came in
	let    chan struct{} // closed lets all go
}

func openHeld(t *testing.T) (*door, *turnstile) {
	t.Helper()
	w := &turnstile{inside: make(chan struct{}, 16), let: make(chan struct{})}
	d := open(t, nil, func(s *operator.Settings) {
		now := s.Now
		s.Now = func(reading time.Time) velocity.Time {
			w.inside <- struct{}{}
			<-w.let
			return now(reading)
		}
	})
	t.Cleanup(w.letGo) // before the door's own
	return d, w
}

func (w *turnstile) letGo() {
	select {
	case <-w.let:
	default:
		close(w.let)
	}
}

func (w *turnstile) requireInside(t testing.TB) {
	t.Helper()
	requireSoon(t, w.inside, "no request came in")
}

func requireSoon[T any](t testing.TB, c <-chan T, otherwise string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		require.FailNow(t, otherwise)
	}
	return v
}

// shutting shuts the door in the background; it is refusing newcomers then.
func (d *door) shutting(t *testing.T, ctx context.Context) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- d.Shutdown(ctx) }()
	d.requireClosed(t)
	_, err := net.Dial("tcp", d.addr)
	require.Error(t, err, "nobody comes in any more")
	return done
}

func TestShutdownWaitsForWhatIsInFlight(t *testing.T) {
	d, w := openHeld(t)
	answers := make(chan answer, 1)
	go func() { answers <- d.ask(t, "GET", someone, "") }()
	w.requireInside(t)
	done := d.shutting(t, t.Context())
	select {
	case err := <-done:
		require.FailNow(t, "Shutdown did not wait", err)
	case <-answers:
		require.FailNow(t, "the request was not held")
	default:
	}
	w.letGo()
	requireJSON(t, `{"subject":"203.0.113.7","rules":[{"name":"cards_per_ip","outcome":"allow","mode":"enforce","count":0,"review_over":3,
		"block_over":5,"window_seconds":3600,"clears_in_seconds":0}],"list":null,"override":null,
		"next":{"known_card":"allow","new_card":"allow"},"degraded":false}`, requireSoon(t, answers, "no answer"))
	require.NoError(t, requireSoon(t, done, "Shutdown has not returned"))
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	d, w := openHeld(t)
	c, err := net.Dial("tcp", d.addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "GET "+someone+" HTTP/1.1\r\nHost: fraudcheck.test\r\n"+asAnalyst+"\r\n\r\n")
	require.NoError(t, err)
	w.requireInside(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := d.shutting(t, ctx)
	cancel()
	require.ErrorIs(t, requireSoon(t, done, "Shutdown has not returned"), context.Canceled)

	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience/4)))
	_, err = c.Read(make([]byte, 1))
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is still open")
	require.Error(t, err)
}

// A browser opens connections in case; they hold nobody up.
func TestAConnectionThatNeverSpokeDoesNotHoldShutdownUp(t *testing.T) {
	d := open(t, nil)
	silent, err := net.Dial("tcp", d.addr)
	require.NoError(t, err)
	defer func() { _ = silent.Close() }()
	d.anonymous(t, "GET", "/healthz", "") // accepted after it
	start := time.Now()
	require.NoError(t, d.Shutdown(t.Context()))
	require.Less(t, time.Since(start), 2*time.Second)
}

func TestShutdownBeforeServe(t *testing.T) {
	d := operator.New(operator.Settings{})
	require.NoError(t, d.Shutdown(t.Context()))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, d.Serve(ln))
}

func TestServeTellsOfAListenerThatFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	require.ErrorIs(t, operator.New(operator.Settings{}).Serve(ln), net.ErrClosed)
}
