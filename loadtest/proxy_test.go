package main

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const reply = "VALUE k 0 5 1\r\nhello\r\nEND\r\n"

// replier answers whatever comes with reply.
func replier(t *testing.T) *proxy {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buf := make([]byte, 64); ; {
					if _, err := c.Read(buf); err != nil {
						return
					}
					_, _ = c.Write([]byte(reply))
				}
			}()
		}
	}()
	p, err := newProxy(ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(p.close)
	return p
}

// ask sends a request through the proxy, and returns what came back until the
// connection ended or as much came as the reply has bytes.
func ask(t *testing.T, c net.Conn) (string, error) {
	t.Helper()
	_, err := c.Write([]byte("get k\r\n"))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	got := make([]byte, len(reply))
	n, err := io.ReadFull(c, got)
	return string(got[:n]), err
}

func dial(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestProxyPassesAndDelays(t *testing.T) {
	p := replier(t)
	c := dial(t, p)
	for _, tr := range []trouble{{}, {delay: 30 * time.Millisecond}, {jitter: time.Millisecond}, {}} {
		p.set(tr)
		since := time.Now()
		got, err := ask(t, c)
		require.NoError(t, err)
		assert.Equal(t, reply, got)
		assert.GreaterOrEqual(t, time.Since(since), tr.delay)
	}
	assert.EqualValues(t, 2, p.replies.Load())
}

func TestProxyCutsAtEveryOffset(t *testing.T) {
	for _, tr := range []trouble{{cut: true}, {reset: true}} {
		p := replier(t)
		p.set(tr)
		seen := make(map[int]bool)
		for range len(reply) {
			got, err := ask(t, dial(t, p))
			require.Error(t, err)
			require.Equal(t, reply[:len(got)], got)
			if tr.reset {
				assert.True(t, errors.Is(err, syscall.ECONNRESET), "%v", err)
			}
			seen[len(got)] = true
		}
		if tr.cut {
			assert.Len(t, seen, len(reply), "every offset once")
		}
	}
}

func TestProxyStallsUntilTheTroubleIsOver(t *testing.T) {
	p := replier(t)
	p.set(trouble{stall: true})
	c := dial(t, p)
	_, err := c.Write([]byte("get k\r\n"))
	require.NoError(t, err)
	got := make([]byte, len(reply))
	_, err = io.ReadFull(c, got[:len(reply)/2])
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = c.Read(got[len(reply)/2:])
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	p.set(trouble{})
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = io.ReadFull(c, got[len(reply)/2:])
	require.NoError(t, err)
	assert.Equal(t, reply, string(got))
}

func TestProxySendsGarbage(t *testing.T) {
	p := replier(t)
	p.set(trouble{garbage: true})
	c := dial(t, p)
	_, err := c.Write([]byte("get k\r\n"))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	got := make([]byte, 1024)
	n, err := c.Read(got)
	require.NoError(t, err)
	assert.NotEqual(t, reply, string(got[:n]))
}

func TestProxyEndsWithAllItsConnections(t *testing.T) {
	p := replier(t)
	c := dial(t, p)
	_, err := ask(t, c)
	require.NoError(t, err)
	p.close()
	_, err = c.Read(make([]byte, 1))
	assert.Error(t, err)
	_, err = net.Dial("tcp", p.addr)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
}
