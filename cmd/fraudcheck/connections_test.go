package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// openSilent opens connections that never send a byte.
func openSilent(t *testing.T, door string, number int) {
	t.Helper()
	for range number {
		c, err := net.DialTimeout("tcp", door, prompt)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
	}
}

func TestSilentConnectionsAtOneDoorStarveNeither(t *testing.T) {
	for _, name := range []string{"operators", "callers"} {
		t.Run(name, func(t *testing.T) {
			p := startWithFiles(t, 256, guarded)
			p.awaitPorts(t)
			door := p.operators
			if name == "callers" {
				door = p.addr
			}
			openSilent(t, door, 250)
			assert.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
			a, err := p.try(p.operators, "GET", "/metrics", "")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, a.status)
			assert.Regexp(t, `fraudcheck_connections_closed_for_room_total\{door="`+name+`"\} [1-9]`, a.body)
			assert.Contains(t, a.body, `fraudcheck_accept_errors_total{door="`+name+`"} 0`)
			p.await(t, p.stderr, "WARNING .*too many connections.*"+name)
		})
	}
}

func TestLimitsOfConnectionsHoldAtEachDoor(t *testing.T) {
	p := start(t, guarded+"limits: {connections: {callers: 3, operators: 2}}\n")
	for door, most := range map[string]int{p.addr: 3, p.operators: 2} {
		// Another test may connect to a port that was another program's before.
		require.Eventually(t, func() bool {
			first, err := net.Dial("tcp", door)
			require.NoError(t, err)
			defer first.Close()
			require.NoError(t, first.SetDeadline(time.Now().Add(time.Second/10)))
			openSilent(t, door, most-1)
			_, err = first.Read(make([]byte, 1))
			isOpen := err != nil && strings.Contains(err.Error(), "timeout")
			require.NoError(t, first.SetDeadline(time.Now().Add(prompt)))
			openSilent(t, door, 1)
			_, err = first.Read(make([]byte, 1))
			return isOpen && errors.Is(err, io.EOF) // there was room for all but the last
		}, prompt, testbed.PollInterval)
	}
}

func TestTooFewFilesAreRefusedAtTheStart(t *testing.T) {
	p := startWithFiles(t, 80, guarded)
	code, _ := p.exitCode(t)
	assert.Equal(t, 1, code)
	assert.Contains(t, p.stderr.String(), fmt.Sprintf("open files (ulimit -n): expected at least %d", 96))
}
