package listener

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A failing socket returns these errors from Accept, one after the other, before it
// accepts.
type failing struct {
	net.Listener
	errors []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errors) > 0 {
		err := f.errors[0]
		f.errors = f.errors[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	return f.Listener.Accept()
}

func listening(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	return c
}

func TestNoAcceptErrorEndsAListener(t *testing.T) {
	for _, err := range []error{
		syscall.ENOBUFS, syscall.ENOMEM, syscall.EPROTO, syscall.EPERM, syscall.ENETDOWN, syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED,
		errors.New("an error nobody has heard of"),
	} {
		t.Run(err.Error(), func(t *testing.T) {
			t.Parallel()
			var told []error
			l := New(&failing{listening(t), []error{err, err}}, Settings{Failed: func(err error) { told = append(told, err) }})
			dial(t, l)
			c, accepted := l.Accept()
			require.NoError(t, accepted)
			require.NoError(t, c.Close())
			require.Len(t, told, 2)
			assert.ErrorIs(t, told[0], err)
		})
	}
}

func TestAClosedListenerEnds(t *testing.T) {
	l := New(listening(t), Settings{})
	require.NoError(t, l.Close())
	_, err := l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, l.Close(), "a second time")
}

func TestAListenerThatPausesIsClosedAtOnce(t *testing.T) {
	many := make([]error, 1000) // more than an hour of pauses
	for i := range many {
		many[i] = syscall.ENOBUFS
	}
	closed := make(chan struct{})
	var once sync.Once
	l := New(nil, Settings{})
	l.Listener = &failing{listening(t), many}
	l.settings.Failed = func(error) { once.Do(func() { close(l.closed); close(closed) }) }
	go func() {
		<-closed
		_ = l.Listener.Close()
	}()
	_, err := l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// server accepts all connections, and reads each until it ends.
type server struct {
	*Listener
	accepted chan *Conn
	ended    chan *Conn
	rooms    chan struct{}
}

func serve(t *testing.T, most int) *server {
	s := &server{accepted: make(chan *Conn, 100), ended: make(chan *Conn, 100), rooms: make(chan struct{}, 100)}
	s.Listener = New(listening(t), Settings{Max: most, MadeRoom: func() { s.rooms <- struct{}{} }})
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			conn := c.(*Conn)
			s.accepted <- conn
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
				s.ended <- conn
			}()
		}
	}()
	return s
}

func (s *server) connect(t *testing.T) (ours *Conn, theirs net.Conn) {
	t.Helper()
	theirs = dial(t, s)
	select {
	case ours = <-s.accepted:
		return ours, theirs
	case <-time.After(10 * time.Second):
		require.FailNow(t, "not accepted")
		return nil, nil
	}
}

func requireClosed(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestTheConnectionUnusedLongestMakesRoom(t *testing.T) {
	s := serve(t, 4)
	var ours []*Conn
	var theirs []net.Conn
	for range 4 {
		o, th := s.connect(t)
		ours, theirs = append(ours, o), append(theirs, th)
		s.tick.Add(1)
	}
	ours[0].SetState(StateActive) // it has a request
	ours[1].SetState(StateIdle)   // just answered
	assert.Empty(t, s.rooms)
	for _, unused := range []int{2, 3, 1} {
		s.tick.Add(1)
		s.connect(t)
		assert.Same(t, ours[unused], <-s.ended)
		requireClosed(t, theirs[unused])
		<-s.rooms
	}
	assert.EqualValues(t, 4, s.number.Load())
}

func TestAConnectionIsNotTakenWhereAllAreBusy(t *testing.T) {
	s := serve(t, 2)
	for range 2 {
		ours, _ := s.connect(t)
		ours.SetState(StateActive)
	}
	requireClosed(t, dial(t, s))
	<-s.rooms
	assert.EqualValues(t, 2, s.number.Load())
	assert.Empty(t, s.accepted)
}

// A connection is closed by the goroutine that reads it, which a busy machine runs late.
func TestConnectionsThatAreBeingClosedAreBounded(t *testing.T) {
	const most = 4
	l := New(listening(t), Settings{Max: most})
	accept := func() *Conn {
		dial(t, l)
		c, err := l.Accept()
		require.NoError(t, err)
		return c.(*Conn)
	}
	open := []*Conn{accept()}
	for len(open) < most+MaxClosing {
		open = append(open, accept())
	}
	next := make(chan *Conn)
	go func() { next <- accept() }()
	select {
	case <-next:
		require.Fail(t, "one more was taken before one had ended")
	case <-time.After(20 * time.Millisecond):
	}
	require.NoError(t, open[0].Close())
	<-next
	assert.EqualValues(t, most+MaxClosing, l.number.Load())
}

// A candidate that was used meanwhile is not closed.
func TestACandidateThatIsUsedAgainStays(t *testing.T) {
	s := serve(t, 3)
	var ours []*Conn
	for range 3 {
		o, _ := s.connect(t)
		ours = append(ours, o)
		s.tick.Add(1)
	}
	s.connect(t) // finds the candidates
	assert.Same(t, ours[0], <-s.ended)
	ours[1].SetState(StateActive)
	s.connect(t)
	assert.Same(t, ours[2], <-s.ended)
	assert.Empty(t, s.ended)
}

// A candidate that its peer has closed gives no room: another one is closed in its place.
func TestACandidateThatIsGoneMakesNoRoom(t *testing.T) {
	s := serve(t, 3)
	var ours []*Conn
	var theirs []net.Conn
	for range 3 {
		o, th := s.connect(t)
		ours, theirs = append(ours, o), append(theirs, th)
		s.tick.Add(1)
	}
	s.connect(t) // finds the candidates
	assert.Same(t, ours[0], <-s.ended)
	require.NoError(t, theirs[1].Close())
	assert.Same(t, ours[1], <-s.ended)
	s.connect(t) // takes the place that is free
	s.connect(t)
	assert.Same(t, ours[2], <-s.ended)
	requireClosed(t, theirs[2])
	assert.EqualValues(t, 3, s.number.Load())
}

func TestOutOfDescriptorsTheConnectionUnusedLongestMakesRoom(t *testing.T) {
	s := New(&failing{listening(t), nil}, Settings{})
	theirs := dial(t, s)
	c, err := s.Accept()
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
		close(ended)
	}()
	s.Listener.(*failing).errors = []error{syscall.EMFILE}
	dial(t, s)
	_, err = s.Accept()
	require.NoError(t, err)
	<-ended
	requireClosed(t, theirs)
}
