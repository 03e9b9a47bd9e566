// Package config reads the configuration into plain values, and knows where each of them
// was set. It imports no other package of this project: whether a rule or a user makes
// sense is judged where the settings are compiled (velocity.NewPlan, auth.NewPolicy).
//
// [Read] returns a [Config]: the [Settings], and for each key the line, flag or
// environment variable that set it. [Defaults] are the settings of an empty file.
//
// # Order
//
// Flags go before environment variables, these before the file, and the file before the
// defaults. The file is YAML, so JSON works too.
//
// # Values
//
// Durations are written as Go writes them (90s, 1h30m), sizes in bytes or with KiB, MiB,
// GiB or TiB, secrets as text. A list in the file replaces the default list. Names of
// files are relative to the folder of the configuration file; those of flags and
// environment variables are relative to the current folder.
//
// # What is refused
//
// An unknown key, a key that is set twice, a key without a value, a number in quotes or
// text without them where YAML takes it for something else, a value such as ${NAME}, which
// would not be replaced, a second document: a setting
// that is misunderstood in silence may leave a shop unguarded. Files have at most 16 MiB
// and are read within 5 s.
//
// # Messages
//
// Every error is an *Error of one line, with file, line and dotted key:
//
//	fraudcheck.yaml:7: rules[0].window: missing; expected whole seconds from 1s to 720h
//	fraudcheck.yaml:3: limits.reed: unknown setting; did you mean limits.read?
//	--listen: listen: wrong value; expected host:port, such as 127.0.0.1:8080
//
// No error shows a value, or a name that may be a misplaced secret.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// MaxFileBytes is the size of the largest file that is read.
	MaxFileBytes = 16 << 20
	// ReadTimeout is how long reading one file may take.
	ReadTimeout = 5 * time.Second
)

// Files says which kinds of files may be read.
type Files bool

const (
	// RegularFiles is for a reload: a pipe that was read at the start is empty, and
	// one that has no writer would never end.
	RegularFiles Files = false
	// FilesAndPipes is for the start: <(command) of a shell is a pipe.
	FilesAndPipes Files = true
)

var (
	// Neither text holds the path: see ReadFile.
	errNotRegular = errors.New("it is no regular file")
	errTooLarge   = fmt.Errorf("it is larger than %d MiB", MaxFileBytes>>20)
	errTooSlow    = fmt.Errorf("reading took longer than %s", ReadTimeout)
)

// ReadFile returns the content of the file at path, at most MaxFileBytes, within
// ReadTimeout. Its errors do not show the path: a secret may stand in its place.
func ReadFile(path string, files Files) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() { // left behind when the file system does not answer
		text, err := readFile(path, files, time.Now().Add(ReadTimeout))
		done <- result{text, err}
	}()
	// A regular file has no read deadline, and a network file system may hang in open or
	// read. The extra half second lets readFile report errTooSlow itself where it can.
	timeout := time.NewTimer(ReadTimeout + time.Second/2)
	defer timeout.Stop()
	select {
	case r := <-done:
		var where *fs.PathError
		// A PathError would print the path.
		if errors.As(r.err, &where) {
			r.err = where.Err
		}
		return r.text, r.err
	case <-timeout.C:
		return nil, errTooSlow
	}
}

// readFile is ReadFile without the timeout for a file system that hangs: it blocks there.
func readFile(path string, files Files, deadline time.Time) ([]byte, error) {
	// Opening a FIFO wakes up its writer, so look before.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if files == RegularFiles && !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	// Without O_NONBLOCK, opening a FIFO blocks until a writer opens it.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		if files == RegularFiles {
			return nil, errNotRegular
		}
		if err := awaitWriter(file, deadline); err != nil {
			return nil, err
		}
	}
	_ = file.SetReadDeadline(deadline) // regular files have none
	text, err := io.ReadAll(io.LimitReader(file, MaxFileBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errTooSlow
	case err == nil && len(text) > MaxFileBytes:
		return nil, errTooLarge
	}
	return text, err
}

// awaitWriter waits until the FIFO can be read, at most until the deadline. Without it, a
// FIFO that nobody has opened for writing yet reads as empty. The error is errTooSlow at
// the deadline.
func awaitWriter(file *os.File, deadline time.Time) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var ready int
	var failed error
	err = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			ready, failed = unix.Poll(poll, int(max(time.Until(deadline).Milliseconds(), 0)))
			if !errors.Is(failed, syscall.EINTR) {
				return
			}
		}
	})
	if err = errors.Join(err, failed); err == nil && ready == 0 {
		err = errTooSlow
	}
	return err
}
