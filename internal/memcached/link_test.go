package memcached

import (
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ask(t *testing.T, l *link, command string, wait time.Duration) *conn {
	p := newPipe("nobody", 1, 0)
	p.links[0].Store(l)
	c := p.conn()
	_ = c.SetDeadline(time.Now().Add(wait))
	_, err := io.WriteString(c, command)
	require.NoError(t, err)
	return c
}

func TestAnImpatientCommandLeavesTheDialToOthers(t *testing.T) {
	l := newLink(newPipe("nobody", 1, 0)) // it is being connected
	calm, hasty := ask(t, l, "gets a\r\n", time.Hour), ask(t, l, "gets b\r\n", 0)
	_, err := hasty.Read(nil)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NoError(t, l.err)
	assert.False(t, calm.call.over)
}

// One timer serves all calls of a link.
func TestEachCallEndsAtItsOwnDeadline(t *testing.T) {
	l := newLink(newPipe("nobody", 1, 0))
	ended := make(chan error, 3)
	for _, wait := range []time.Duration{10 * time.Millisecond, 30 * time.Millisecond, time.Millisecond} {
		c := ask(t, l, "gets a\r\n", wait)
		go func() {
			_, err := c.Read(nil)
			ended <- err
		}()
	}
	for range 3 {
		select {
		case err := <-ended:
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		case <-time.After(patient):
			require.Fail(t, "its deadline has passed")
		}
	}
}

func TestACommandIsAnsweredByItsOwnRepliesOnly(t *testing.T) {
	replies := []string{"STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "END", "VALUE key 0 1 1"}
	for text, own := range map[string][]string{
		"add key 0 0 1\r\nx\r\n":   {"STORED", "NOT_STORED"},
		"cas key 0 0 1 1\r\nx\r\n": {"STORED", "NOT_STORED", "EXISTS", "NOT_FOUND"},
		"gets key\r\n":             {"END", "VALUE key 0 1 1"},
	} {
		var c command
		require.True(t, c.parse([]byte(text)))
		for _, line := range replies {
			var r reply
			assert.Equal(t, slices.Contains(own, line), r.begin(&c, []byte(line+"\r\n")) >= 0, "%s after %s", line, text)
		}
	}
}

// Replies that were read together are taken one after the other. When the link is closed
// between two of them, some may be held back for the canary, and their waiters are gone.
func TestNoReplyIsAwaitedOnceTheLinkIsClosed(t *testing.T) {
	p := newPipe("nobody", 1, 0)
	p.guard("canary", func() {})
	p.trust("NAME")
	l := newLink(p)
	p.links[0].Store(l)
	first, second := begin(t, p, "gets alpha\r\n"), begin(t, p, "gets beta\r\n")
	l.batch(nil)
	w, asked := l.next()
	require.True(t, asked)
	require.Zero(t, w.call.reply.begin(&w.call.command, []byte("END\r\n")))
	require.True(t, l.deliver(w, true))
	require.False(t, first.call.over, "its reply is held back")

	l.end(errAbandoned)
	_, asked = l.next()
	assert.False(t, asked)
	assert.True(t, first.call.over && second.call.over)
}

func TestAPanicInALinkClosesItAndNotTheProcess(t *testing.T) {
	p := newPipe("nobody", 1, 0)
	var faults []any
	p.panicked = func(fault any) { faults = append(faults, fault) }
	p.dial = func() (net.Conn, error) { panic("a fault") }
	l := newLink(p)
	p.links[0].Store(l)
	c := begin(t, p, "gets alpha\r\n")
	l.run()
	assert.Equal(t, []any{"a fault"}, faults)
	_, err := replyTo(c)
	assert.ErrorIs(t, err, errReply)
}
