package socket

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"fraudcheck/internal/testbed"
)

const anotherCall = "for the detector other system calls are made"

// pair returns both ends of a new connection, as package net made them.
func pair(t testing.TB, network string) (one, other net.Conn) {
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	defer l.Close()
	one, err = net.Dial(network, l.Addr().String())
	require.NoError(t, err)
	other, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = one.Close(), other.Close() })
	return one, other
}

var networks = []string{"tcp", "unix"}

// What every net.Conn promises: deadlines, ends, many goroutines at once.
func TestAConnectionKeepsThePromisesOfNetConn(t *testing.T) {
	testbed.SkipRace(t, anotherCall)
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				one, other := pair(t, network)
				c1, c2 = New(one), New(other)
				return c1, c2, func() { _, _ = c1.Close(), c2.Close() }, nil
			})
		})
	}
}

func TestSocketsAreReadPastTheScheduler(t *testing.T) {
	testbed.SkipRace(t, anotherCall)
	for _, network := range networks {
		one, _ := pair(t, network)
		made := New(one)
		assert.IsType(t, &conn{}, made, network)
		assert.Implements(t, (*stream)(nil), made, "the listener asks for its descriptor, and half closes it")
	}
	one, _ := net.Pipe()
	assert.Same(t, one, New(one), "what is no socket stays as it is")
}

// More than a socket takes at once.
func TestAllIsWrittenToASlowReader(t *testing.T) {
	testbed.SkipRace(t, anotherCall)
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			one, other := pair(t, network)
			sent := make([]byte, 8<<20)
			for i := range sent {
				sent[i] = byte(i >> 8)
			}
			go func() {
				n, err := New(one).Write(sent)
				assert.NoError(t, err)
				assert.Equal(t, len(sent), n)
				assert.NoError(t, one.Close())
			}()
			got, err := io.ReadAll(New(other))
			require.NoError(t, err)
			assert.Equal(t, sent, got)
		})
	}
}

// Errors are those of package net, so that nobody who tells them apart notices.
func TestErrorsAreThoseOfPackageNet(t *testing.T) {
	testbed.SkipRace(t, anotherCall)
	for name, fail := range map[string]func(t *testing.T, c, peer net.Conn) error{
		"reset": func(t *testing.T, c, peer net.Conn) error {
			require.NoError(t, peer.(*net.TCPConn).SetLinger(0))
			require.NoError(t, peer.Close())
			_, err := c.Read(make([]byte, 1))
			assert.ErrorIs(t, err, syscall.ECONNRESET)
			return err
		},
		"written to nobody": func(t *testing.T, c, peer net.Conn) error {
			require.NoError(t, c.(stream).CloseWrite())
			_, err := c.Write([]byte("x"))
			assert.ErrorIs(t, err, syscall.EPIPE)
			return err
		},
		"deadline of a read": func(t *testing.T, c, _ net.Conn) error {
			require.NoError(t, c.SetReadDeadline(time.Unix(1, 0)))
			_, err := c.Read(make([]byte, 1))
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			return err
		},
		"deadline of a write": func(t *testing.T, c, _ net.Conn) error {
			require.NoError(t, c.SetWriteDeadline(time.Unix(1, 0)))
			n, err := c.Write([]byte("x"))
			assert.Zero(t, n)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			return err
		},
		"closed": func(t *testing.T, c, _ net.Conn) error {
			require.NoError(t, c.Close())
			_, err := c.Read(make([]byte, 1))
			assert.ErrorIs(t, err, net.ErrClosed)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			plain, peer := pair(t, "tcp")
			want := fail(t, plain, peer)
			below, peer := pair(t, "tcp")
			got := fail(t, New(below), peer)
			var wanted, made *net.OpError
			require.ErrorAs(t, want, &wanted)
			require.ErrorAs(t, got, &made)
			assert.Equal(t, wanted.Op, made.Op)
			assert.Equal(t, wanted.Net, made.Net)
			assert.Equal(t, wanted.Err, made.Err)
			assert.Equal(t, wanted.Timeout(), made.Timeout())
			assert.Equal(t, below.RemoteAddr(), made.Addr)
			assert.Equal(t, below.LocalAddr(), made.Source)
		})
	}
}

func TestReadAndWriteAllocateNothing(t *testing.T) {
	testbed.SkipRace(t, anotherCall)
	below, other := pair(t, "tcp")
	one, two := New(below), New(other)
	b := []byte("x")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, err := one.Write(b)
		_, err2 := two.Read(b)
		if err != nil || err2 != nil {
			t.Error(err, err2)
		}
	}))
}
