package memcached

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patient = 10 * time.Second

func startPipe(t testing.TB, address string, connections int) *pipe {
	p := newPipe(address, connections, patient)
	t.Cleanup(p.close)
	return p
}

// ask sends a command on a connection of its own and returns the whole reply.
func askOn(p *pipe, command string, wait time.Duration) (string, error) {
	c := p.conn()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := io.WriteString(c, command); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	reply, err := r.ReadString('\n')
	for strings.HasPrefix(reply, "VALUE ") && err == nil && !strings.HasSuffix(reply, "\r\nEND\r\n") {
		var line string
		line, err = r.ReadString('\n')
		reply += line
	}
	return reply, err
}

// A script is a server of one connection after another: it reads a number of bytes,
// answers, and hangs up when there is nothing more to answer.
type script struct {
	net.Listener
	accepted chan net.Conn
}

func newScript(t testing.TB) *script {
	ln, err := net.Listen("unix", t.TempDir()+"/script")
	require.NoError(t, err)
	s := &script{Listener: ln, accepted: make(chan net.Conn)}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.accepted <- c
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		accepting.Wait()
	})
	return s
}

func (s *script) address() string { return s.Addr().String() }

// hear reads that number of commands, of one line each.
func hear(t testing.TB, c net.Conn, lines int) {
	r := bufio.NewReaderSize(c, 1)
	for range lines {
		_, err := r.ReadString('\n')
		require.NoError(t, err)
	}
}

func TestFewConnectionsCarryManyConversations(t *testing.T) {
	server := testbed.StartMemcached(t)
	c := newTestClient(t, Settings{Servers: []string{server.Addr}, Budget: patient})
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			key, version := fmt.Appendf(nil, "key-%d", n), uint64(0)
			for m := 0; m < 100; m += 3 {
				// Beyond one read of a link's.
				value := []byte(strings.Repeat(fmt.Sprintf("%d/%d ", n, m), 1+m*m))
				if version = converse(t, c.ServerOf(0), key, version, value); version == 0 {
					return
				}
			}
		})
	}
	all.Wait()
	assert.Equal(t, 2+1, server.Stat("curr_connections"), "and the one that asks for this")
}

// converse puts the value where that version is, and more; it returns the item's version
// in the end, 0 for a failure.
func converse(t *testing.T, s *Server, key []byte, version uint64, value []byte) uint64 {
	slot := s.Acquire(time.Now().Add(patient), true)
	defer slot.Release(false)
	other := append(bytes.Clone(key), "-other"...)
	read := func(key []byte) (Item, Result) { return slot.Get(key, func([]byte) Result { return OK }) }
	if !assert.Equal(t, OK, slot.Write(key, version, value, 60)) {
		return 0
	}
	item, result := read(key)
	if !assert.Equal(t, OK, result) || !assert.Equal(t, value, item.Value) {
		return 0
	}
	assert.Equal(t, Miss, slot.Write(key, 0, []byte("another"), 60))
	assert.Equal(t, OK, slot.Write(key, item.Version, value, 60))
	assert.Equal(t, Conflict, slot.Write(key, item.Version, value, 60))
	assert.Equal(t, Miss, slot.Write(other, item.Version, value, 60))
	_, result = read(other)
	assert.Equal(t, Miss, result)
	item, result = read(key)
	assert.Equal(t, OK, result)
	return item.Version
}

// A key that is none must not become a command of its own.
func TestAKeyIsNeverMoreThanAKey(t *testing.T) {
	server := testbed.StartMemcached(t)
	c := newTestClient(t, Settings{Servers: []string{server.Addr}, Budget: patient})
	for _, key := range []string{"", "two words", "a\r\nflush_all", "a\x00", "\x7f", strings.Repeat("k", 251)} {
		for range 2 * tooManyInARow {
			require.Equal(t, Failed, get(c.ServerOf(0), key, patient), "%q", key)
			require.Equal(t, Failed, add(c.ServerOf(0), key, []byte("x")), "%q", key)
		}
	}
	require.True(t, c.ServerOf(0).Answers(), "it is not the server's fault")
	require.Equal(t, OK, add(c.ServerOf(0), strings.Repeat("k", 250), []byte("x")))
}

// Three commands, one after the other on one connection, and what is to be said.
var (
	commands = [3]string{"gets alpha\r\n", "add beta 0 60 1\r\nx\r\n", "gets gamma\r\n"}
	lines    = 4
	replies  = [3]string{
		"VALUE alpha 0 5 7\r\nfirst\r\nEND\r\n", "STORED\r\n", "VALUE gamma 0 5 9\r\nthird\r\nEND\r\n",
	}
)

// askAll asks the three in their order, has the server say what it says, and hang up.
func askAll(t *testing.T, says string) (got [3]string, errs [3]error) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	var conns [3]*conn
	for i := range conns {
		conns[i] = p.conn()
		_ = conns[i].SetDeadline(time.Now().Add(patient))
		_, err := io.WriteString(conns[i], commands[i])
		require.NoError(t, err)
	}
	c := <-s.accepted
	hear(t, c, lines)
	_, err := io.WriteString(c, says)
	require.NoError(t, err)
	require.NoError(t, c.(*net.UnixConn).CloseWrite())
	for i := range conns {
		buf := make([]byte, 1000)
		var n int
		if n, errs[i] = conns[i].Read(buf); errs[i] == nil {
			got[i] = string(buf[:n])
		}
	}
	_, _ = io.Copy(io.Discard, c) // until the other side has closed, too
	_ = c.Close()
	return got, errs
}

func TestRepliesReachTheConnsThatAsked(t *testing.T) {
	got, errs := askAll(t, replies[0]+replies[1]+replies[2])
	assert.Equal(t, [3]error{}, errs)
	assert.Equal(t, replies, got)
}

func TestACutStreamAnswersOnlyWithWholeReplies(t *testing.T) {
	whole := replies[0] + replies[1] + replies[2]
	for cut := range whole {
		got, errs := askAll(t, whole[:cut])
		broke := 0
		for i, end := 0, 0; i < 3; i++ {
			end += len(replies[i])
			if cut >= end {
				require.NoError(t, errs[i], "cut after %d", cut)
				require.Equal(t, replies[i], got[i])
				continue
			}
			if !errors.Is(errs[i], errAbandoned) {
				require.Truef(t, errors.Is(errs[i], io.EOF) || errors.Is(errs[i], io.ErrUnexpectedEOF), "%v", errs[i])
				broke++
			}
		}
		require.Equal(t, 1, broke, "one is told what happened")
	}
}

func TestNoReplyReachesAnotherConnWhateverByteIsWrong(t *testing.T) {
	whole := replies[0] + replies[1] + replies[2]
	for at := range whole {
		for name, says := range map[string]string{
			"left out":  whole[:at] + whole[at+1:],
			"added":     whole[:at] + "9" + whole[at:],
			"a newline": whole[:at] + "\r\n" + whole[at:],
			"changed":   whole[:at] + string(whole[at]^1) + whole[at+1:],
			"twice":     whole[:at] + whole[:at] + whole[at:],
			"again":     whole[:at] + whole[at:] + whole[at:],
		} {
			got, errs := askAll(t, says)
			for i := range got {
				if errs[i] != nil {
					continue
				}
				// What a value holds, its keyed check tells; flags and id are the server's to say.
				want, _, _ := strings.Cut(replies[i], " 0 ")
				require.Truef(t, strings.HasPrefix(got[i], want) || got[i] == "END\r\n", "%s at %d: %q for %q", name, at, got[i], commands[i])
			}
		}
	}
}

func TestAReplyThatWasNotAskedForClosesTheConnection(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	for range 2 {
		done := make(chan error, 1)
		go func() { _, err := askOn(p, "gets key\r\n", patient); done <- err }()
		c := <-s.accepted // a new one each time
		hear(t, c, 1)
		_, _ = io.WriteString(c, "END\r\n")
		require.NoError(t, <-done)
		_, _ = io.WriteString(c, "STORED\r\n")
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_ = c.Close()
	}
}

func TestACommandThatIsNotAnsweredInTimeClosesTheConnection(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	others := make(chan error, 3)
	for range 3 {
		go func() { _, err := askOn(p, "gets other\r\n", patient); others <- err }()
	}
	c := <-s.accepted
	hear(t, c, 3)
	_, err := askOn(p, "gets key\r\n", 20*time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	for range 3 {
		require.ErrorIs(t, <-others, errAbandoned)
	}
	_, _ = io.WriteString(c, "END\r\nEND\r\nEND\r\nEND\r\n") // too late
	_ = c.Close()

	go func() { _, err := askOn(p, "add key 0 60 1\r\nx\r\n", patient); others <- err }()
	c = <-s.accepted
	hear(t, c, 2)
	_, _ = io.WriteString(c, "STORED\r\n")
	require.NoError(t, <-others)
	_ = c.Close()
}

func TestAProbeWaitsOnWhileThisProcessIsLate(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	p.patience = patient // whatever is asked was asked only now
	done := make(chan error, 1)
	ask := func(wait time.Duration) { _, err := askOn(p, "gets key\r\n", wait); done <- err }
	go ask(patient)
	c := <-s.accepted // before it is connected it waits no longer
	hear(t, c, 1)
	_, _ = io.WriteString(c, "END\r\n")
	require.NoError(t, <-done)
	go ask(time.Millisecond)
	hear(t, c, 1)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*lateStep)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is not given up")
	_, _ = io.WriteString(c, "END\r\n")
	require.NoError(t, <-done)

	// A request does not: its caller is told in time.
	call := newCall()
	require.NoError(t, call.command.get([]byte("key")))
	call.deadline = time.Now().Add(time.Millisecond)
	p.send(call)
	require.True(t, isLate(call.wait()))
	_ = c.Close()
}

// However late this process is, the server is told what it has to know; a server that is
// late itself is not waited for.
func TestTellingWaitsOnWhileThisProcessIsLate(t *testing.T) {
	s := newScript(t)
	server := newTestClient(t, Settings{Servers: []string{s.address()}, Budget: 20 * time.Millisecond}).ServerOf(0)
	server.pipe.links, server.pipe.patience = server.pipe.links[:1], patient // whatever is asked was asked only now
	connected := make(chan error, 1)
	go func() { _, err := askOn(server.pipe, "gets key\r\n", patient); connected <- err }()
	c := <-s.accepted // before it is connected it waits no longer
	hear(t, c, 1)
	_, _ = io.WriteString(c, "END\r\n")
	require.NoError(t, <-connected)
	slot := server.AcquireToTell(time.Now().Add(patient))
	defer slot.Release(false)
	result := make(chan Result, 1)
	read := func() {
		_, r := slot.Get([]byte("key"), func([]byte) Result { return OK })
		result <- r
	}
	for range 2 { // each command has the budget for itself
		go read()
		hear(t, c, 1)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(5*lateStep)))
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is not given up")
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patient/2)))
		_, _ = io.WriteString(c, "END\r\n")
		require.Equal(t, Miss, <-result)
	}
	server.pipe.patience = time.Millisecond
	go read()
	hear(t, c, 1)
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "it is given up long before the limit")
	require.Equal(t, Timeout, <-result)
	_ = c.Close()
}

func TestGivingUpBeforeACommandWasSentDisturbsNoOther(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	large := "add large 0 60 1000000\r\n" + strings.Repeat("x", 1_000_000) + "\r\n"
	done := make(chan error, 1)
	go func() { _, err := askOn(p, large, patient); done <- err }()
	c := <-s.accepted
	_, err := c.Read(make([]byte, 1)) // it is on its way, and stuck
	require.NoError(t, err)
	_, err = askOn(p, "gets key\r\n", 20*time.Millisecond)
	require.ErrorIs(t, err, errUnsent)

	hear(t, c, 3)
	_, _ = io.WriteString(c, "STORED\r\nEND\r\n")
	require.NoError(t, <-done)
	go func() { _, err := askOn(p, "add key 0 60 1\r\nx\r\n", patient); done <- err }()
	hear(t, c, 2) // still the same connection
	_, _ = io.WriteString(c, "STORED\r\n")
	require.NoError(t, <-done)
	_ = c.Close()
}

// The reply to a command that was given up before it was sent comes all the same.
func TestASlotGetsNoReplyToWhatItHasGivenUp(t *testing.T) {
	s := newScript(t)
	server := newTestClient(t, Settings{Servers: []string{s.address()}, Budget: patient}).ServerOf(0)
	server.pipe.links = server.pipe.links[:1]
	large := make(chan Result, 1)
	go func() { large <- add(server, "large", make([]byte, 1_000_000)) }()
	c := <-s.accepted
	_, err := c.Read(make([]byte, 1)) // it is on its way, and stuck
	require.NoError(t, err)
	slot := server.Acquire(time.Now().Add(20*time.Millisecond), true)
	defer slot.Release(false)
	read := func(key string) (Item, Result) { return slot.Get([]byte(key), func([]byte) Result { return OK }) }
	_, result := read("first")
	require.Equal(t, Timeout, result)

	slot.deadline = time.Now().Add(patient)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		item, result := read("second")
		assert.Equal(t, OK, result)
		assert.Equal(t, "two", string(item.Value))
	}()
	hear(t, c, 4)
	_, _ = io.WriteString(c, "STORED\r\nVALUE first 0 3 1\r\none\r\nEND\r\nVALUE second 0 3 2\r\ntwo\r\nEND\r\n")
	<-answered
	require.Equal(t, OK, <-large)
	_ = c.Close()
}

func TestNoReplyIsTakenForThatToACommandThatWasNotSentYet(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	large, small := p.conn(), p.conn()
	for _, c := range []*conn{large, small} {
		_ = c.SetDeadline(time.Now().Add(patient))
	}
	_, err := io.WriteString(large, "add large 0 60 1000000\r\n"+strings.Repeat("x", 1_000_000)+"\r\n")
	require.NoError(t, err)
	c := <-s.accepted
	_, err = c.Read(make([]byte, 1)) // it is on its way, and stuck
	require.NoError(t, err)
	_, err = io.WriteString(small, "gets key\r\n")
	require.NoError(t, err)

	_, _ = io.WriteString(c, "STORED\r\nEND\r\n")
	_, err = large.Read(make([]byte, 100))
	require.NoError(t, err)
	_, err = small.Read(make([]byte, 100))
	require.ErrorIs(t, err, errReply)
	_ = c.Close()
}

func TestARefusedDialIsToldAndTriedAgain(t *testing.T) {
	p := startPipe(t, t.TempDir()+"/nobody", 2)
	for range 3 {
		_, err := askOn(p, "gets key\r\n", patient)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

func TestCloseEndsCommandsThatWait(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	done := make(chan error, 1)
	go func() { _, err := askOn(p, "gets key\r\n", patient); done <- err }()
	c := <-s.accepted
	hear(t, c, 1)
	p.close()
	require.ErrorIs(t, <-done, net.ErrClosed)
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_ = c.Close()
}

func TestAConnectionThatFailedIsOfNoMoreUse(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	for name, first := range map[string]string{
		"an unknown command":   "flush_all\r\n",
		"two commands":         "gets a\r\ngets b\r\n",
		"no length":            "add key 0 60 x\r\nx\r\n",
		"an endless line":      strings.Repeat("a", 1000),
		"more than the length": "add key 0 60 1\r\nxyz\r\n",
	} {
		c := p.conn()
		_, err := io.WriteString(c, first)
		require.Error(t, err, name)
		_, again := io.WriteString(c, "gets key\r\n")
		require.Equal(t, err, again, name)
		_, again = c.Read(make([]byte, 1))
		require.Equal(t, err, again, name)
	}
	c := p.conn()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err, "nothing was asked")
}
