package listener

import (
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// socketPath returns a path that is short enough wherever tests keep their files.
func socketPath(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "sock")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

// staleSocket leaves a socket at the path on which nobody listens.
func staleSocket(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, ln.Close())
}

func TestAUnixSocketIsForItsOwnerAndGroupWhateverTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o22, 0o77} {
		path := socketPath(t)
		old := syscall.Umask(mask)
		u, err := ListenUnix(path)
		syscall.Umask(old)
		require.NoError(t, err)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		assert.Equal(t, fs.ModeSocket|0o660, info.Mode(), "umask %o", mask)
		require.NoError(t, u.Close())
		assert.NoFileExists(t, path)
	}
}

func TestWhatIsInTheWayOfAUnixSocket(t *testing.T) {
	live := func(t *testing.T, path string) {
		ln, err := net.Listen("unix", path)
		require.NoError(t, err)
		t.Cleanup(func() { _ = ln.Close() })
	}
	for _, tt := range []struct {
		name string
		put  func(t *testing.T, path string)
		err  string // empty: it is replaced
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"a socket that nobody listens on", staleSocket, ""},
		{"a socket that somebody listens on", live, "address already in use"},
		{"a file", func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, nil, 0o600)) }, "a file that is no socket is there already"},
		{"a folder", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "a file that is no socket is there already"},
		{"a link to a socket that nobody listens on", func(t *testing.T, path string) {
			staleSocket(t, path+"2")
			require.NoError(t, os.Symlink(path+"2", path))
		}, "a file that is no socket is there already"},
		{"a socket of another kind", func(t *testing.T, path string) {
			c, err := net.ListenPacket("unixgram", path)
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
		}, "cannot find out whether the socket that is there is in use: protocol wrong type for socket"},
		{"no folder", func(t *testing.T, path string) { require.NoError(t, os.Remove(filepath.Dir(path))) }, "cannot use its folder: no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := socketPath(t)
			tt.put(t, path)
			before, _ := os.Lstat(path)
			u, err := ListenUnix(path)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				after, _ := os.Lstat(path)
				assert.True(t, before == nil && after == nil || os.SameFile(before, after), "it is left alone")
				return
			}
			require.NoError(t, err)
			defer u.Close()
			c, err := net.Dial("unix", path)
			require.NoError(t, err)
			require.NoError(t, c.Close())
		})
	}
}

func TestOfManyStartsAtOneUnixSocketOneListens(t *testing.T) {
	path := socketPath(t)
	staleSocket(t, path)
	var all sync.WaitGroup
	var listen atomic.Int64
	for range 16 {
		all.Go(func() {
			u, err := ListenUnix(path)
			if err != nil {
				assert.ErrorIs(t, err, syscall.EADDRINUSE)
				return
			}
			listen.Add(1)
			t.Cleanup(func() { _ = u.Close() })
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, listen.Load())
	c, err := net.Dial("unix", path)
	require.NoError(t, err, "nobody removed its file")
	require.NoError(t, c.Close())
}

func TestAUnixSocketLeavesTheFileOfAnother(t *testing.T) {
	path := socketPath(t)
	first, err := ListenUnix(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path)) // by hand
	second, err := ListenUnix(path)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	assert.FileExists(t, path)
	require.NoError(t, second.Close())
	assert.NoFileExists(t, path)

	// Nor does a second Close touch what came after the first.
	third, err := ListenUnix(path)
	require.NoError(t, err)
	_ = second.Close()
	assert.FileExists(t, path)
	require.NoError(t, third.Close())
}

// Connections made before a stop begins are accepted, later ones are refused, and none is
// reset.
func TestAUnixSocketThatClosesAcceptsItsBacklog(t *testing.T) {
	u, err := ListenUnix(socketPath(t))
	require.NoError(t, err)
	l := New(u, Settings{})
	var theirs []net.Conn
	for range 20 {
		c, err := net.Dial("unix", u.path)
		require.NoError(t, err)
		defer c.Close()
		theirs = append(theirs, c)
	}
	kept := u.path + "-kept" // as a caller keeps it that has looked the path up already
	require.NoError(t, os.Link(u.path, kept))
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	require.Eventually(t, func() bool {
		_, err := os.Lstat(u.path)
		return os.IsNotExist(err)
	}, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		c, err := net.Dial("unix", kept)
		if err == nil {
			theirs = append(theirs, c)
		}
		return err != nil && strings.Contains(err.Error(), "refused")
	}, 10*time.Second, time.Millisecond)
	assert.Empty(t, closed, "it waits for the backlog")

	for range theirs {
		c, err := l.Accept()
		require.NoError(t, err)
		_, err = io.WriteString(c, "x")
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, <-closed)
	for _, c := range theirs {
		text, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Equal(t, "x", string(text))
	}
}
