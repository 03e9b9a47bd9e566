package logging

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Log files and what may become of a disk.

// linkLog makes the log a name for something else.
func (d *testFile) linkLog(target string) {
	if _, err := os.Stat(target); err != nil {
		d.t.Skip(err)
	}
	require.NoError(d.t, os.MkdirAll(d.dir, 0o700))
	require.NoError(d.t, os.Symlink(target, filepath.Join(d.dir, "log")))
}

func TestFileOnAFullDisk(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.linkLog("/dev/full")
	before, err := os.Stat("/dev/full")
	require.NoError(t, err)
	d.open()
	for _, now := range []string{"2026-11-20T09:00:00Z", "2026-11-21T09:00:00Z"} {
		d.at(now)
		_, err = io.WriteString(d.file, "lost\n")
		require.ErrorIs(t, err, syscall.ENOSPC, "this disk is to be full")
	}

	var stderr bytes.Buffer
	logger, closeLog, dropped := New(&stderr, d.file, "INFO", "canister")
	for i := range 1000 {
		logAt(t, logger, lineTime, slog.LevelInfo, "line", slog.Int("i", i))
	}
	closeLog()
	assert.Equal(t, 1000+1, strings.Count(stderr.String(), "\n"))
	assert.Equal(t, 1, strings.Count(stderr.String(), "log file cannot be written write "+filepath.Join(d.dir, "log")+": no space left on device\n"))
	assert.Contains(t, stderr.String(), " line 999\n")
	assert.Zero(t, dropped())

	target, err := os.Readlink(filepath.Join(d.dir, "log"))
	require.NoError(t, err)
	assert.Equal(t, "/dev/full", target)
	after, err := os.Stat("/dev/full")
	require.NoError(t, err)
	assert.Equal(t, before.Mode(), after.Mode(), "what is not a file of ours keeps its mode")

	d.open()
	_, err = io.WriteString(d.file, "lost\n")
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, os.Remove(filepath.Join(d.dir, "log")))
	d.write("2026-11-21T10:00:00Z", "room again")
	assert.Equal(t, map[string]string{"log": "room again\n"}, d.holds())
}

func TestFileLeavesADeviceWhereItIs(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.linkLog("/dev/null")
	d.open()
	d.write("2026-11-20T09:00:00Z", "a")
	d.write("2026-11-21T09:00:00Z", "b")
	assert.Equal(t, map[string]string{"log": ""}, d.holds())
}

func TestFileThatCannotBeRotatedIsWrittenOn(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	d.write("2026-11-20T09:00:00Z", "a")
	inTheWay := filepath.Join(d.dir, "log.2026-11-20")
	require.NoError(t, os.Mkdir(inTheWay, 0o700))
	d.write("2026-11-21T00:00:00Z", "b")
	require.NoError(t, os.Remove(inTheWay))
	d.write("2026-11-21T00:00:59Z", "c") // too soon to try again
	require.Equal(t, map[string]string{"log": "a\nb\nc\n"}, d.holds())
	d.write("2026-11-21T00:01:00Z", "d")
	require.Equal(t, map[string]string{"log.2026-11-20": "a\nb\nc\n", "log": "d\n"}, d.holds())
}

// alone runs the test in a process of its own, and reports whether this is that one:
// what a whole process feels would otherwise be felt by the testing around it.
func alone(t *testing.T) bool {
	t.Helper()
	const variable = "ALONE"
	if os.Getenv(variable) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name(), "it did run")
	return false
}

// limitFiles lets no file of this process grow beyond size until lifted: a
// disk that fills up in the middle of a Write.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: was.Max}))
	lift = sync.OnceFunc(func() {
		assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was))
		signal.Reset(syscall.SIGXFSZ)
	})
	t.Cleanup(lift)
	return lift
}

func TestFileEndsALineTheDiskCutShort(t *testing.T) {
	if !alone(t) {
		return
	}
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	lift := limitFiles(t, 8)
	_, err := io.WriteString(d.file, "before\n")
	require.NoError(t, err)
	n, err := io.WriteString(d.file, "lost\n")
	require.ErrorIs(t, err, syscall.EFBIG)
	require.Equal(t, 1, n)
	require.NoError(t, os.Chtimes(filepath.Join(d.dir, "log"), d.now, d.now))
	_, err = io.WriteString(d.file, "lost\n")
	require.ErrorIs(t, err, syscall.EFBIG)
	lift()
	_, err = io.WriteString(d.file, "after\n")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"log": "before\nl\nafter\n"}, d.holds())
}

func TestFileIsRotatedWholeOrNotAtAll(t *testing.T) {
	if !alone(t) {
		return
	}
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	d.write("2026-11-20T09:00:00Z", "0123456789")
	d.put("log.2026-11-20", "older\n", "2026-11-20T08:00:00Z")
	lift := limitFiles(t, 13) // room for one more line here, and for half of this one there
	d.write("2026-11-21T09:00:00Z", "a")
	require.Equal(t, map[string]string{"log.2026-11-20": "older\n", "log": "0123456789\na\n"}, d.holds())
	lift()
	d.write("2026-11-21T09:01:00Z", "b")
	require.Equal(t, map[string]string{"log.2026-11-20": "older\n0123456789\na\n", "log": "b\n"}, d.holds())
}

// Lines put away there would be gone, or said again and again.
func TestFileIsNotRotatedIntoADeviceOrItself(t *testing.T) {
	for _, target := range []string{"/dev/null", "log"} {
		d := newTestFile(t, "2026-11-20T09:00:00Z")
		d.open()
		d.write("2026-11-20T09:00:00Z", "a")
		require.NoError(t, os.Symlink(target, filepath.Join(d.dir, "log.2026-11-20")))
		d.write("2026-11-21T09:00:00Z", "b")
		text, err := os.ReadFile(filepath.Join(d.dir, "log"))
		require.NoError(t, err)
		assert.Equal(t, "a\nb\n", string(text), target)
	}
}

// The lines still reach standard error, which also says why the file has none.
func TestFileThatBecameAFIFOIsReportedOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	var stderr bytes.Buffer
	path := filepath.Join(d.dir, "log")
	require.NoError(t, os.Remove(path))
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	logger, closeLog, _ := New(&stderr, d.file, "INFO", "canister")
	line := strings.Repeat("x", 1000)
	for range 100 { // more than a FIFO holds, in batches of any size
		logAt(t, logger, lineTime, slog.LevelInfo, line)
		runtime.Gosched()
	}
	closeLog()
	assert.Equal(t, 100, strings.Count(stderr.String(), line))
	assert.Equal(t, 1, strings.Count(stderr.String(), "WARNING  [main]              log file cannot be written cannot open the file: "+path+" is no regular file\n"), stderr.String())
}
