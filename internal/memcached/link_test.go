package memcached

import (
	"io"
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
	patient, hasty := ask(t, l, "gets a\r\n", time.Hour), ask(t, l, "gets b\r\n", 0)
	_, err := hasty.Read(nil)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NoError(t, l.err)
	assert.False(t, patient.over)
}

func TestACommandIsAnsweredByItsOwnRepliesOnly(t *testing.T) {
	replies := []string{"STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "END", "VALUE key 0 1 1"}
	for text, own := range map[string][]string{
		"add key 0 0 1\r\nx\r\n":   {"STORED", "NOT_STORED"},
		"set key 0 0 1\r\nx\r\n":   {"STORED", "NOT_STORED"},
		"cas key 0 0 1 1\r\nx\r\n": {"STORED", "NOT_STORED", "EXISTS", "NOT_FOUND"},
		"delete key\r\n":           {"NOT_FOUND", "DELETED"},
		"gets key\r\n":             {"END", "VALUE key 0 1 1"},
	} {
		var c command
		whole, err := c.add([]byte(text))
		require.True(t, whole && err == nil)
		for _, reply := range replies {
			assert.Equal(t, slices.Contains(own, reply), c.follows([]byte(reply+"\r\n")) >= 0, "%s after %s", reply, text)
		}
	}
}
