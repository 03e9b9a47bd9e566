package memcached

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// twoHomes are two servers at one port of different addresses, and a pipe to a name that
// stands for whatever home says.
func twoHomes(t *testing.T) (p *pipe, home *atomic.Pointer[[]string], accepted [2]chan net.Conn) {
	t.Helper()
	first, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(first.Addr().String())
	require.NoError(t, err)
	second, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
	require.NoError(t, err)
	for i, ln := range []net.Listener{first, second} {
		accepted[i] = make(chan net.Conn, 10)
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				accepted[i] <- nc
				go func() { // a server that has nothing
					buffer := make([]byte, 1024)
					for {
						if _, err := nc.Read(buffer); err != nil {
							_ = nc.Close()
							return
						}
						_, _ = nc.Write([]byte("END\r\n"))
					}
				}()
			}
		}()
	}
	home = new(atomic.Pointer[[]string])
	home.Store(&[]string{"127.0.0.1"})
	p = startPipe(t, net.JoinHostPort("memcached.example", port), 2)
	p.lookup = func(_ context.Context, host string) ([]string, error) {
		assert.Equal(t, "memcached.example", host)
		if addresses := *home.Load(); addresses != nil {
			return append([]string(nil), addresses...), nil
		}
		return nil, errors.New("no such host")
	}
	return p, home, accepted
}

func requireMiss(t *testing.T, p *pipe) {
	t.Helper()
	reply, err := askOn(p, "gets a\r\n", patient)
	require.NoError(t, err)
	require.Equal(t, "END\r\n", reply)
}

func TestAllConnectionsMoveAfterTheName(t *testing.T) {
	p, home, accepted := twoHomes(t)
	from, to := p.follow(t.Context())
	assert.Empty(t, from+to, "nothing is connected yet")
	requireMiss(t, p)
	requireMiss(t, p)
	require.Len(t, accepted[0], 2)

	for _, still := range [][]string{{"127.0.0.1"}, {"127.0.0.2", "127.0.0.1"}, nil} { // nil: the resolver fails
		home.Store(&still)
		from, to = p.follow(t.Context())
		assert.Empty(t, from+to)
	}
	requireMiss(t, p)
	requireMiss(t, p)
	require.Len(t, accepted[0], 2, "the connections are kept")
	require.Empty(t, accepted[1])

	home.Store(&[]string{"127.0.0.2"})
	from, to = p.follow(t.Context())
	_, port, _ := net.SplitHostPort(p.address)
	assert.Equal(t, "127.0.0.1:"+port, from)
	assert.Equal(t, "127.0.0.2:"+port, to)
	requireMiss(t, p)
	requireMiss(t, p)
	require.Len(t, accepted[0], 2)
	require.Len(t, accepted[1], 2, "both, and not one after the other")
	for range 2 {
		_, err := (<-accepted[0]).Read(make([]byte, 1))
		require.Error(t, err, "those to the old server are closed")
	}
}

// Every instance, and every connection of it, takes the same one of several addresses.
func TestANameWithSeveralAddressesIsOneServer(t *testing.T) {
	p, home, accepted := twoHomes(t)
	for _, order := range [][]string{{"127.0.0.2", "127.0.0.1"}, {"127.0.0.1", "127.0.0.2"}} {
		home.Store(&order)
		requireMiss(t, p)
	}
	require.Len(t, accepted[0], 2)
	require.Empty(t, accepted[1])
	p.close()
	home.Store(&[]string{"127.0.0.3", "127.0.0.2"}) // nobody is at the first
	requireMiss(t, p)
	require.Len(t, accepted[0], 2)
	require.NotEmpty(t, accepted[1])
}
