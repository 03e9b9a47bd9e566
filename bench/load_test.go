package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

func bareHere(t *testing.T) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- serveBare(ln) }()
	t.Cleanup(func() {
		require.NoError(t, ln.Close())
		<-done
	})
	return ln.Addr().String()
}

func TestACallAllocatesNothing(t *testing.T) {
	c, err := newCaller(bareHere(t), testbed.Basic("u", "p"), honest().stream(0), false)
	require.NoError(t, err)
	defer c.Conn.Close()
	require.Zero(t, testing.AllocsPerRun(500, func() {
		v, a, err := c.call()
		check(err == nil && a.Status == 200, "an answer")
		c.tally.note(v, a, false)
		c.tally.recordLatency(time.Millisecond)
	}), "the load's and the bare answer's together")
	require.Zero(t, c.tally.non200+c.tally.refused)
	require.Equal(t, 1, c.tally.lowest)
	require.Equal(t, 1, c.tally.greatest)
}

// The bare answer allows everything: honest traffic on it is sound, an attack is void.
func TestAnExperimentIsVoidWhenItDidNotDoWhatItSays(t *testing.T) {
	bare := &target{name: "bare", roots: []int{os.Getpid()}, addrs: []string{bareHere(t)}}
	run := func(from *traffic, rate int) sample {
		lasts := 50 * time.Millisecond
		if rate > 0 {
			lasts *= 10 // calls that fell behind are made up for
		}
		e := experiment{target: bare, from: from, conns: 4, rate: rate, lasts: lasts, slow: slow, auth: testbed.Basic("u", "p")}
		return e.run(t.Context())
	}
	s := run(honest(), 0)
	require.Empty(t, s.Void)
	require.Positive(t, s.Rate)
	require.Positive(t, s.P50)
	s = run(honest(), 1000)
	require.Empty(t, s.Void)
	require.InDelta(t, 1000, s.Rate, 900)
	require.Contains(t, run(attack(), 0).Void, "cards of the attack passed, not 5")
	require.Contains(t, run(shown(10, 4), 0).Void, "10 cards counted as 1 to 1")

	gone := &target{name: "gone", roots: []int{os.Getpid()}, addrs: []string{"127.0.0.1:1"}}
	e := experiment{target: gone, from: honest(), conns: 1, lasts: time.Millisecond, slow: slow}
	require.Contains(t, e.run(t.Context()).Void, "refused")
}

func TestATargetThatEndedSaysWhy(t *testing.T) {
	p := testbed.StartProcess(t, exec.Command("/bin/sh", "-c", "echo out of turbines >&2; exit 3"))
	<-p.Exited()
	ended := &target{instances: []*testbed.Instance{{Process: p}}, addrs: []string{"127.0.0.1:1"}}
	e := experiment{target: ended, from: honest(), conns: 1, lasts: time.Millisecond, slow: slow}
	require.Contains(t, e.run(t.Context()).Void, "fraudcheck has ended, exit code 3, last lines:\nout of turbines")
}

// The kernel accepts connections on a socket that no process reads from.
func TestAnAnswerIsWaitedForNoLongerThanAllowed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	dumb := &target{name: "dumb", addrs: []string{ln.Addr().String()}}
	e := experiment{target: dumb, from: honest(), conns: 2, lasts: time.Millisecond, slow: time.Millisecond}
	require.Equal(t, calls.ErrLate.Error(), e.run(t.Context()).Void)

	unseeded := honest()
	unseeded.seed = 0
	dumb.roots, e.from = []int{os.Getpid()}, unseeded
	require.Equal(t, calls.ErrLate.Error(), e.run(t.Context()).Void)
	e.rate = 1000
	require.Equal(t, calls.ErrLate.Error(), e.run(t.Context()).Void)
}

func TestEveryWrongAnswerIsNoticed(t *testing.T) {
	sound := func() *tally { return &tally{window: 1, calls: 10, lowest: 1, greatest: 1} }
	require.Empty(t, sound().wrongAnswers())
	for name, spoil := range map[string]func(*tally){
		"not 200":    func(t *tally) { t.note(attempt{}, calls.Answer{Status: 503}, false) },
		"degraded":   func(t *tally) { t.note(attempt{}, calls.Answer{Status: 200, Decision: 'a', Degraded: true}, true) },
		"no answers": func(t *tally) { t.window = 0 },
		"EOF":        func(t *tally) { t.err = io.ErrUnexpectedEOF },
	} {
		s := sound()
		spoil(s)
		require.Contains(t, s.wrongAnswers(), name)
	}
	s := sound()
	s.note(attempt{}, calls.Answer{Status: 200, Decision: 'r', Count: 1}, false)
	require.Contains(t, s.wrongHonest(1), "1 honest attempts not allowed")
	s = sound()
	s.note(attempt{}, calls.Answer{Status: 200, Decision: 'a', Count: 2}, false)
	require.Contains(t, s.wrongHonest(1), "1 to 2")
	s = sound()
	for range blockOver + 1 {
		s.note(attempt{attack: true}, calls.Answer{Status: 200, Decision: 'r'}, false)
	}
	require.Contains(t, s.wrongAttack(), "6 cards")
	require.Contains(t, sound().wrongAttack(), "no attack")
	s = sound()
	s.note(attempt{fresh: true}, calls.Answer{Status: 200, Decision: 'a', Count: 1}, false)
	require.NotEmpty(t, s.anyFresh())
}

// startScript starts a peer that is a shell script.
func startScript(t *testing.T, l *lab, script string) error {
	l.dir, l.running = t.TempDir(), make(map[string]*target)
	defer l.close()
	start := filepath.Join(l.dir, "start")
	require.NoError(t, os.WriteFile(start, []byte("#!/bin/sh\n"+script), 0o700))
	cells := peerCells([]string{start})
	c := cells[len(cells)-1]
	_, err := l.measure(t.Context(), &c, time.Millisecond)
	return err
}

func TestAPeerSaysWhyItCannotRun(t *testing.T) {
	err := startScript(t, &lab{}, "echo looking >&2\necho no turbine here >&2\nexit 77\n")
	require.Equal(t, "no turbine here", reasonToSkip(err))
}

func TestAPeerGetsThePasswordOfTheCallers(t *testing.T) {
	err := startScript(t, &lab{password: "open sesame"}, `echo "$PEER_PASSWORD" >&2; exit 77`)
	require.Equal(t, "open sesame", reasonToSkip(err))
}

func TestAPeerThatRefusesTheCallerIsNotWaitedFor(t *testing.T) {
	wary := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer wary.Close()
	require.Equal(t, http.StatusUnauthorized, (&lab{}).answers(wary.Listener.Addr().String()))
}
