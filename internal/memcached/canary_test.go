package memcached

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const canaryReply = "VALUE canary 0 4 8\r\nNAME\r\nEND\r\n"

// newGuarded is a pipe of one connection that trusts the canary "NAME".
func newGuarded(t *testing.T, address string) (p *pipe, lost *atomic.Int32) {
	p, lost = startPipe(t, address, 1), new(atomic.Int32)
	p.guard("canary", func() { lost.Add(1) })
	p.trust("NAME")
	return p, lost
}

// begin sends a command.
func begin(t *testing.T, p *pipe, command string) *conn {
	c := p.conn()
	_ = c.SetDeadline(time.Now().Add(patient))
	_, err := io.WriteString(c, command)
	require.NoError(t, err)
	return c
}

func replyTo(c *conn) (string, error) {
	buf := make([]byte, 1000)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// askGuarded asks one command, and has the server say what it says and hang up.
func askGuarded(t *testing.T, says string) (got string, doubtful, trusted bool, err error) {
	s := newScript(t)
	p, lost := newGuarded(t, s.address())
	conn := begin(t, p, "gets alpha\r\n")
	c := <-s.accepted
	hear(t, c, 2)
	_, werr := io.WriteString(c, says)
	require.NoError(t, werr)
	require.NoError(t, c.(*net.UnixConn).CloseWrite())
	got, err = replyTo(conn)
	_, _ = io.Copy(io.Discard, c)
	_ = c.Close()
	require.Equal(t, !p.isTrusted(), lost.Load() == 1)
	return got, conn.call.doubtful, p.isTrusted(), err
}

func TestAReplyBeforeTheTrustedCanaryIsBelieved(t *testing.T) {
	got, doubtful, trusted, err := askGuarded(t, replies[0]+canaryReply)
	require.NoError(t, err)
	require.Equal(t, replies[0], got)
	require.False(t, doubtful)
	require.True(t, trusted)
}

func TestAReplyWithoutTheTrustedCanaryIsDoubtful(t *testing.T) {
	for _, canary := range []string{"END\r\n", "VALUE canary 0 5 8\r\nOTHER\r\nEND\r\n", "VALUE canary 0 6 8\r\nNAME?0\r\nEND\r\n", "SERVER_ERROR out of memory\r\n"} {
		got, doubtful, trusted, err := askGuarded(t, replies[0]+canary)
		require.NoError(t, err)
		require.Equal(t, replies[0], got)
		require.True(t, doubtful)
		require.False(t, trusted)
	}
}

func TestAStreamCutBeforeTheEndOfTheCanaryAnswersNobody(t *testing.T) {
	whole := replies[0] + canaryReply
	for cut := range whole {
		_, _, trusted, err := askGuarded(t, whole[:cut])
		require.Error(t, err, "cut after %d", cut)
		require.True(t, trusted)
	}
}

func TestWhateverByteIsWrongNothingIsBelievedWithoutTheCanary(t *testing.T) {
	whole := replies[0] + canaryReply
	for at := range whole {
		for name, says := range map[string]string{
			"left out": whole[:at] + whole[at+1:],
			"added":    whole[:at] + "9" + whole[at:],
			"changed":  whole[:at] + string(whole[at]^1) + whole[at+1:],
			"twice":    whole[:at] + whole[:at] + whole[at:],
		} {
			got, doubtful, _, err := askGuarded(t, says)
			if err == nil && !doubtful {
				require.Contains(t, says, "\r\nNAME\r\nEND\r\n", "%s at %d", name, at)
				require.Truef(t, strings.HasPrefix(got, "VALUE alpha ") || got == "END\r\n", "%s at %d: %q", name, at, got)
			}
		}
	}
}

func TestRepliesAreHeldUntilTheCanaryHasCome(t *testing.T) {
	s := newScript(t)
	p, _ := newGuarded(t, s.address())
	conn := begin(t, p, "gets alpha\r\n")
	c := <-s.accepted
	hear(t, c, 2)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = replyTo(conn)
	}()
	_, _ = io.WriteString(c, replies[0])
	// A command of another connection is answered meanwhile, and this one is not.
	other := newScript(t)
	plain := begin(t, startPipe(t, other.address(), 1), "gets key\r\n")
	oc := <-other.accepted
	hear(t, oc, 1)
	_, _ = io.WriteString(oc, "END\r\n")
	_, err := replyTo(plain)
	require.NoError(t, err)
	select {
	case <-answered:
		require.Fail(t, "answered without the canary")
	default:
	}
	_, _ = io.WriteString(c, canaryReply)
	<-answered
	require.False(t, conn.call.doubtful)
	_, _ = c.Close(), oc.Close()
}

// Only what reads or adds needs the canary, and the first commands of a connection.
func TestWhichCommandsTheCanaryFollows(t *testing.T) {
	s := newScript(t)
	p, _ := newGuarded(t, s.address())
	var c net.Conn
	var r *bufio.Reader
	for n, step := range []struct {
		command, answer string
		followed        bool
	}{
		{"cas key 0 60 1 7\r\nx\r\n", "STORED\r\n", true},
		{"cas key 0 60 1 7\r\nx\r\n", "STORED\r\n", false},
		{"add key 0 60 1\r\nx\r\n", "STORED\r\n", true},
		{"gets key\r\n", "END\r\n", true},
		{"cas key 0 60 1 7\r\nx\r\n", "EXISTS\r\n", false},
	} {
		conn := begin(t, p, step.command)
		if c == nil {
			c = <-s.accepted
			r = bufio.NewReader(c)
		}
		sent := step.command
		answer := step.answer
		if step.followed {
			sent += "gets canary\r\n"
			answer += canaryReply
		}
		heard := make([]byte, len(sent))
		_, err := io.ReadFull(r, heard)
		require.NoError(t, err)
		require.Equal(t, sent, string(heard), "step %d", n)
		require.Zero(t, r.Buffered())
		_, _ = io.WriteString(c, answer)
		got, err := replyTo(conn)
		require.NoError(t, err)
		assert.Equal(t, step.answer, got)
		assert.False(t, conn.call.doubtful, "step %d", n)
	}
	_ = c.Close()
}

func TestWhatIsAskedWhileNoMemoryIsTrustedIsDoubtful(t *testing.T) {
	s := newScript(t)
	p, lost := newGuarded(t, s.address())
	require.True(t, p.distrust())
	require.False(t, p.distrust())
	conn := begin(t, p, "gets key\r\n")
	c := <-s.accepted
	hear(t, c, 1)
	_, _ = io.WriteString(c, "END\r\n")
	got, err := replyTo(conn)
	require.NoError(t, err)
	require.Equal(t, "END\r\n", got)
	require.True(t, conn.call.doubtful)
	require.Zero(t, lost.Load())
	_ = c.Close()
}

func TestARefusalIsTold(t *testing.T) {
	s := newScript(t)
	p := startPipe(t, s.address(), 1)
	conn := begin(t, p, "add key 0 60 1\r\nx\r\n")
	c := <-s.accepted
	hear(t, c, 2)
	_, _ = fmt.Fprint(c, "SERVER_ERROR object too large for cache\r\n")
	_, err := replyTo(conn)
	require.NoError(t, err)
	require.Equal(t, "object too large for cache", conn.call.reply.refused())
	_ = c.Close()
}
