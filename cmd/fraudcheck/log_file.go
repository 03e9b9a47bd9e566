package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	logFileName = "log"

	// A day that could not be put away is tried again no sooner than this.
	logRotateAgain = time.Minute
)

// logFile is the file `log` of a folder of its own. The first Write of a day
// (UTC) puts the lines of an earlier one away as log.YYYY-MM-DD, the day they
// are of. A Write that fails leaves nothing behind that could make the next
// one fail; the file, and its folder, are opened or made again when they went
// away. It is for one goroutine at a time and starts none.
//
// Not timberjack: its names are log-<time of rotation>-<reason>, and it does not see that its file is gone.
type logFile struct {
	dir, path string
	days      int // rotated files to keep
	now       func() time.Time

	file   *os.File    // nil: to be opened
	info   fs.FileInfo // of file, when it was opened
	day    string      // the day of the lines in file; none, no day
	failed time.Time   // when day could last not be put away
	closed bool
}

// newLogFile opens the file in dir, which is made where there is none.
func newLogFile(dir string, days int, now func() time.Time) (io.WriteCloser, error) {
	f := &logFile{dir: dir, path: filepath.Join(dir, logFileName), days: days, now: now}
	if err := f.ready(); err != nil {
		return nil, fmt.Errorf("log.path: %w", err)
	}
	f.removeOld() // days may have been more the last time
	return f, nil
}

func (f *logFile) Write(p []byte) (int, error) {
	if err := f.ready(); err != nil {
		return 0, err
	}
	if f.day == "" {
		f.day = logDay(f.now())
	}
	n, err := f.file.Write(p)
	if err != nil {
		_ = f.drop()
	}
	return n, err
}

// Close may be called more than once.
func (f *logFile) Close() error {
	f.closed = true
	return f.drop()
}

func (f *logFile) drop() (err error) {
	if f.file != nil {
		err, f.file = f.file.Close(), nil
	}
	return err
}

// ready sees to it that file is the one at path, and for lines of today.
func (f *logFile) ready() error {
	if f.closed {
		return os.ErrClosed
	}
	if f.file != nil {
		if at, err := os.Stat(f.path); err != nil || !os.SameFile(at, f.info) {
			_ = f.drop() // removed, or moved by somebody else
		}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	now := f.now()
	if f.day == "" || f.day == logDay(now) || !f.info.Mode().IsRegular() || now.Sub(f.failed).Abs() < logRotateAgain {
		return nil
	}
	if f.rotate(f.path+"."+f.day) != nil {
		f.failed = now // better in the file of another day than nowhere
		return nil
	}
	_ = f.drop()
	f.removeOld()
	return f.open()
}

func (f *logFile) open() (err error) {
	if err = os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("cannot create the folder: %w", err)
	}
	if f.file, f.info, err = openLines(f.path); err != nil {
		return fmt.Errorf("cannot open the file: %w", err)
	}
	f.day = ""
	if f.info.Size() > 0 {
		f.day = logDay(f.info.ModTime())
	}
	return nil
}

// rotate moves the lines to the file of that name, behind those it may hold.
func (f *logFile) rotate(name string) error {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(f.path, name)
	}
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
		_ = to.Truncate(info.Size()) // all or nothing, or the next try would say things twice
		return err
	}
	return os.Remove(f.path)
}

// removeOld keeps the newest rotated files. One that cannot be removed stays
// until the next time.
func (f *logFile) removeOld() {
	entries, _ := os.ReadDir(f.dir) // by name, which here is by day
	var rotated []string
	for _, e := range entries {
		day, ok := strings.CutPrefix(e.Name(), logFileName+".")
		if _, err := time.Parse(time.DateOnly, day); ok && err == nil && !e.IsDir() {
			rotated = append(rotated, e.Name())
		}
	}
	for i := range len(rotated) - f.days {
		_ = os.Remove(filepath.Join(f.dir, rotated[i]))
	}
}

// openLines opens a file to append lines to, and ends one that a crash or a
// full disk cut short. What is at the path need not be a regular file.
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
	if info.Mode().IsRegular() {
		_ = file.Chmod(0o600)
		var last [1]byte
		if n, _ := file.ReadAt(last[:], info.Size()-1); n == 1 && last[0] != '\n' {
			_, _ = file.Write([]byte{'\n'})
		}
	}
	return file, info, nil
}

func logDay(t time.Time) string { return t.UTC().Format(time.DateOnly) }
