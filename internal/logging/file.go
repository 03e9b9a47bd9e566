package logging

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const rotateAgain = time.Minute // after a rotation that failed

// dailyFile is a file of lines in a folder, such as "log". The first Write of a day (UTC)
// renames the file with the lines of an earlier day to log.YYYY-MM-DD, after the day of its
// lines.
// When the file or its folder is removed, the next Write creates it again, and a Write
// that failed does not make the next one fail. It is for one goroutine at a time and
// starts none.
//
// The file is locked (flock) while it is open. A second process that writes to it is told
// so, and leaves the rotation to the first: else the file that one of them has just begun
// could be renamed over that of the day before. It is not refused the start, as the first
// may be about to stop, and a log is worth less than an answer. Where a file system has no
// such lock, each is the first. It is the file that is locked and not the folder: the folder
// may hold the files of both logs, a socket and the users file, whose makers lock it.
//
// It is not timberjack, which names its files log-<time of rotation>-<reason> and does
// not notice that its file was removed.
type dailyFile struct {
	dir, name string
	path      string
	days      int   // that rotated files are kept
	maxBytes  int64 // of all files
	now       func() time.Time

	file   *os.File    // nil: the next Write opens it
	shared bool        // another process has locked it
	info   fs.FileInfo // of file, when it was opened
	size   int64       // of file
	others int64       // size of the rotated files, as of the last look
	day    string      // of the lines in file; empty, when it has none
	failed time.Time   // when the last rotation failed
	closed bool
}

// OpenFile opens the file of that name in the folder dir, which it creates when it does not
// exist. It keeps rotated files for that many days, all files together within maxBytes,
// and goes by the clock now. A Write may have at most half of maxBytes. shared says that
// another process writes there.
func OpenFile(dir, name string, days int, maxBytes int64, now func() time.Time) (file io.WriteCloser, shared bool, err error) {
	f := &dailyFile{dir: dir, name: name, path: filepath.Join(dir, name), days: days, maxBytes: maxBytes, now: now}
	if err := f.ready(); err != nil {
		return nil, false, err
	}
	f.removeOld(0) // the last run may have kept more
	return f, f.shared, nil
}

// Write appends p, which must be whole lines. An empty Write looks after the file: it is
// created anew where it was removed, and put away where its day is over.
func (f *dailyFile) Write(p []byte) (int, error) {
	if err := f.ready(); err != nil || len(p) == 0 {
		return 0, err
	}
	if err := f.makeRoom(int64(len(p))); err != nil {
		return 0, err
	}
	if f.day == "" {
		f.day = dayOf(f.now())
	}
	n, err := f.file.Write(p)
	f.size += int64(n)
	if err != nil {
		_ = f.drop()
	}
	return n, err
}

// Close may be called more than once.
func (f *dailyFile) Close() error {
	f.closed = true
	return f.drop()
}

// drop closes the file, so that the next Write opens it again.
func (f *dailyFile) drop() (err error) {
	if f.file != nil {
		err, f.file = f.file.Close(), nil
	}
	return err
}

// ready opens the file where it is not open, and rotates it where its lines are of
// another day.
func (f *dailyFile) ready() error {
	if f.closed {
		return os.ErrClosed
	}
	if f.file != nil {
		if at, err := os.Stat(f.path); err != nil || !os.SameFile(at, f.info) {
			_ = f.drop() // removed, or moved by another program
		}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	now := f.now()
	if f.day == "" || f.day == dayOf(now) || !f.info.Mode().IsRegular() || now.Sub(f.failed).Abs() < rotateAgain {
		return nil
	}
	if f.shared = f.shared && isLocked(f.file); f.shared {
		return nil
	}
	if f.rotate(f.path+"."+f.day) != nil {
		f.failed = now // the lines of today go to the file of another day
		return nil
	}
	_ = f.drop()
	f.removeOld(0)
	return f.open()
}

// open opens the file and takes the day of its lines from its time of change.
func (f *dailyFile) open() (err error) {
	if err = os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("cannot create the folder: %w", err)
	}
	if f.file, f.info, err = openLines(f.path); err != nil {
		return fmt.Errorf("cannot open the file: %w", err)
	}
	f.shared = isLocked(f.file)
	f.day, f.size = "", f.info.Size()
	if f.size > 0 {
		f.day = dayOf(f.info.ModTime())
	}
	return nil
}

// rotate moves the lines to the file of that name, behind those that it holds already.
func (f *dailyFile) rotate(name string) error {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(f.path, name)
	}
	f.removeOld(f.size) // for the time of the copy the lines are there twice
	to, info, err := openLines(name)
	if err != nil {
		return err
	}
	defer to.Close()
	if !info.Mode().IsRegular() || os.SameFile(info, f.info) {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	if _, err = f.file.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(to, f.file)
	}
	if err != nil {
		_ = to.Truncate(info.Size()) // otherwise the next try would write these lines again
		return err
	}
	return os.Remove(f.path)
}

// openLines opens a file to append lines to, and completes a last line that a crash or
// a full disk cut short. The path may name something else than a regular file.
func openLines(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	if info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 { // a Write may block for ever
		_ = file.Close()
		return nil, nil, fmt.Errorf("%s is no regular file", path)
	}
	if info.Mode().IsRegular() {
		_ = file.Chmod(0o600)
		var last [1]byte
		if n, _ := file.ReadAt(last[:], info.Size()-1); n == 1 && last[0] != '\n' {
			_, _ = file.Write([]byte{'\n'})
		}
	}
	return file, info, nil
}

// isLocked locks a regular file until it is closed, and reports whether another process has
// done so.
func isLocked(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular() && errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }
