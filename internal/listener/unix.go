package listener

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxUnixPath is how long the path of a unix socket may be, in bytes: a byte of the
// kernel's structure is for the zero at its end.
const MaxUnixPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// unixMode lets the owner and the group of the file connect, which takes the right to
// write.
const unixMode = 0o660

// A UnixSocket listens at a file. It removes the file when it is closed, unless another
// one is in its place by then.
type UnixSocket struct {
	*net.UnixListener
	path    string
	file    fs.FileInfo // as it was made
	removal sync.Once
}

// ListenUnix listens on a unix socket at the path, with the mode 0660. A socket that is
// there already is replaced only where nobody listens on it. The error does not begin
// with the path.
func ListenUnix(path string) (*UnixSocket, error) {
	// Two starts at once must not both find nobody, and one remove the other's socket.
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		// Linux gives the file the mode of the socket, less the umask: so it is never wider.
		return errors.Join(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), unixMode) }), err)
	}}
	ln, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, withoutPath(err)
	}
	u := &UnixSocket{UnixListener: ln.(*net.UnixListener), path: path}
	u.SetUnlinkOnClose(false) // it would remove another one's file too
	if u.file, err = os.Lstat(path); err == nil {
		err = os.Chmod(path, unixMode) // whatever the umask is
	}
	if err != nil {
		_ = u.Close()
		return nil, withoutPath(err)
	}
	return u, nil
}

// lockFolder keeps other starts from making a socket in the folder. It waits for them, at
// most a second: making one takes less.
func lockFolder(folder string) (unlock func(), err error) {
	file, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot use its folder: %w", withoutPath(err))
	}
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("cannot lock its folder: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

// removeStale removes a socket on which nobody listens. The error says what else is
// there.
func removeStale(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return withoutPath(err)
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("a file that is no socket is there already")
	}
	c, err := net.Dial("unix", path)
	switch {
	case err == nil:
		_ = c.Close()
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.EAGAIN): // somebody listens, and has too many to accept
		return syscall.EADDRINUSE
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("cannot find out whether the socket that is there is in use: %w", withoutPath(err))
	}
	return withoutPath(os.Remove(path))
}

// withoutPath returns what the system said, without the path: the message names the
// setting.
func withoutPath(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// removeFile removes the file while the socket listens, so that no other start can have
// replaced it in between.
func (u *UnixSocket) removeFile() {
	u.removal.Do(func() {
		if now, err := os.Lstat(u.path); err == nil && u.file != nil && os.SameFile(now, u.file) {
			_ = os.Remove(u.path)
		}
	})
}

// Close removes the file and stops listening.
func (u *UnixSocket) Close() error {
	u.removeFile()
	return u.UnixListener.Close()
}

// refuse removes the file and makes the kernel refuse new connections; those in the
// backlog can still be accepted, then Accept fails with EINVAL. It reports whether the
// kernel does that.
func (u *UnixSocket) refuse() (done bool) {
	u.removeFile()
	control(u, func(fd int) { done = unix.Shutdown(fd, unix.SHUT_RD) == nil })
	return done
}
