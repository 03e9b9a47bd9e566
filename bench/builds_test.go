package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A namedListener notes its name whenever a connection comes.
type namedListener struct {
	net.Listener
	accepted func()
}

func (l *namedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted()
	}
	return c, err
}

func TestAPairIsMeasuredInAlternatingOrder(t *testing.T) {
	var mu sync.Mutex
	var order []string
	taken := func() []string {
		mu.Lock()
		defer mu.Unlock()
		var was []string
		was, order = order, nil
		return was
	}
	named := func(name string) *lab {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan error)
		go func() {
			done <- serveBare(&namedListener{ln, func() {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			}})
		}()
		t.Cleanup(func() {
			require.NoError(t, ln.Close())
			<-done
		})
		bare := &target{name: "bare", roots: []int{os.Getpid()}, addrs: []string{ln.Addr().String()}}
		return &lab{running: map[string]*target{"bare": bare}}
	}
	before, now := named("before"), named("now")
	r := &row{cell: cell{target: "bare", from: honest, does: "honest", conns: 1}}
	for round, want := range [][]string{{"before", "now"}, {"now", "before"}, {"before", "now"}} {
		taken()                                                                                 // of the round before
		s := r.addSample(measurePair(t.Context(), before, now, r, round, 250*time.Millisecond)) // a busy machine answers none in less
		require.Empty(t, s.Void)
		require.Equal(t, want, taken()[:2]) // a busy machine may have it measured again
		require.Len(t, r.ratios(rate), round+1)
	}

	r.from = attack // which the bare answer does not block
	require.Contains(t, r.addSample(measurePair(t.Context(), before, now, r, 0, 250*time.Millisecond)).Void, "cards of the attack passed")
	require.NotEmpty(t, r.void, "a void pair makes the row void")
}

func TestARatioOfBuildsIsTheMedianOfThePairs(t *testing.T) {
	r := &row{
		cell:    cell{target: "embedded", does: "honest", conns: 64},
		samples: []sample{{CPU: 11}, {CPU: 30}, {CPU: 8}},
		against: []sample{{CPU: 10}, {CPU: 20}, {CPU: 10}},
	}
	r.judgePairs()
	void := &row{cell: cell{target: "memcached tcp"}}
	void.addSample(sample{Void: "what happened"}, nil)
	void.judgePairs()
	var out strings.Builder
	printPairs(&out, []*row{r, void})
	require.Contains(t, out.String(), "embedded         honest         64    10.0    11.0  1.100  1.10 1.50 0.80  dearer than before (≤1.05)")
	require.Contains(t, out.String(), "void: what happened")
	require.Equal(t, 1, strings.Count(out.String(), "than before"))
	r.verdict, r.samples[0].CPU = nil, 10
	r.judgePairs()
	require.Equal(t, []string{"as before"}, r.verdict)
}

func TestTheBuildBeforeIsABinaryOrACommit(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("old", []byte("#!/bin/sh\nprintf old"), 0o700))
	l, err := newLab(t.Context(), "", buildOf("old"))
	require.NoError(t, err)
	defer l.close()
	out, err := exec.CommandContext(t.Context(), l.program).Output()
	require.NoError(t, err)
	require.Equal(t, "old", string(out))

	require.NoError(t, os.WriteFile("text", nil, 0o600))
	for _, name := range []string{"no-such-commit", "text", "."} {
		_, err := newLab(t.Context(), "", buildOf(name))
		require.ErrorContains(t, err, "-before: expected an executable file or a commit")
	}
}
