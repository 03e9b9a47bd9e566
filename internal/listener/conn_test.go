package listener

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connected returns both ends of a connection over which a request was answered.
func connected(t *testing.T) (ours *Conn, theirs net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := New(ln, Settings{})
	defer l.Close()
	theirs, err = net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = theirs.Close() })
	c, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	c.(*Conn).SetState(StateIdle)
	return c.(*Conn), theirs
}

func TestAnUnusedConnectionIsClosed(t *testing.T) {
	ours, theirs := connected(t)
	read := make(chan error, 1)
	go func() {
		_, err := ours.Read(make([]byte, 1))
		read <- err
	}()
	ours.leave()
	assert.ErrorIs(t, <-read, io.EOF)
	_, err := theirs.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF, "the caller is told")
}

// The request is there, but nobody has read it: the deadline comes first.
func TestAConnectionIsNotClosedWhenARequestCame(t *testing.T) {
	ours, theirs := connected(t)
	_, err := io.WriteString(theirs, "GET")
	require.NoError(t, err)
	ours.leave()
	b := make([]byte, 8)
	n, err := ours.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "GET", string(b[:n]))
}

func TestAConnectionInUseIsNotClosed(t *testing.T) {
	ours, theirs := connected(t)
	ours.leave() // it was idle
	ours.SetState(StateActive)
	go func() { _, _ = io.WriteString(theirs, "GET") }()
	b := make([]byte, 8)
	n, err := ours.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "GET", string(b[:n]))
}

func TestAConnectionNotUsedYetIsGivenTime(t *testing.T) {
	ours, _ := connected(t)
	ours.SetState(StateNew)
	ours.accepted = time.Now().Add(time.Hour) // whatever the machine does meanwhile
	ours.leave()
	assert.False(t, ours.leaving.Load())
	ours.accepted = time.Now().Add(-LastRequests)
	ours.leave()
	assert.True(t, ours.leaving.Load())
}
