package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// testFile is a log folder, its file and the clock both go by.
type testFile struct {
	t    *testing.T
	dir  string
	days int
	max  int64 // bytes
	now  time.Time
	file io.WriteCloser
}

// newTestFile opens nothing yet: a test may want to find something there.
func newTestFile(t *testing.T, now string) *testFile {
	d := &testFile{t: t, dir: filepath.Join(t.TempDir(), "logs"), days: 90, max: 1 << 20}
	d.at(now)
	t.Cleanup(func() {
		if d.file != nil {
			assert.NoError(t, d.file.Close())
		}
	})
	return d
}

func (d *testFile) at(now string) {
	var err error
	d.now, err = time.Parse(time.RFC3339, now)
	require.NoError(d.t, err)
}

// open is a start of the program.
func (d *testFile) open() {
	if d.file != nil {
		require.NoError(d.t, d.file.Close())
	}
	var err error
	d.file, _, err = OpenFile(d.dir, "log", d.days, d.max, func() time.Time { return d.now })
	require.NoError(d.t, err)
}

func (d *testFile) write(now string, line string) {
	d.at(now)
	_, err := io.WriteString(d.file, line+"\n")
	require.NoError(d.t, err)
}

// put leaves a file behind as an earlier run would have.
func (d *testFile) put(name, text, modified string) {
	require.NoError(d.t, os.MkdirAll(d.dir, 0o700))
	path := filepath.Join(d.dir, name)
	require.NoError(d.t, os.WriteFile(path, []byte(text), 0o600))
	at, err := time.Parse(time.RFC3339, modified)
	require.NoError(d.t, err)
	require.NoError(d.t, os.Chtimes(path, at, at))
}

// holds says what all of the folder's files hold; "/" is a folder.
func (d *testFile) holds() map[string]string {
	entries, err := os.ReadDir(d.dir)
	require.NoError(d.t, err)
	files := map[string]string{}
	for _, e := range entries {
		if files[e.Name()] = "/"; !e.IsDir() {
			text, err := os.ReadFile(filepath.Join(d.dir, e.Name()))
			require.NoError(d.t, err)
			files[e.Name()] = string(text)
		}
	}
	return files
}

func TestFileIsRotatedUnderTheDayOfItsLines(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	d.write("2026-11-20T09:00:00Z", "a")
	d.write("2026-11-20T23:59:59Z", "b")
	d.write("2026-11-21T00:30:00+01:00", "c") // midnight is UTC's
	require.Equal(t, map[string]string{"log": "a\nb\nc\n"}, d.holds())
	d.write("2026-11-21T00:00:00Z", "d")
	d.write("2026-11-25T12:00:00Z", "e") // three days without a line have no file
	d.write("2027-01-01T00:00:00Z", "f")
	require.Equal(t, map[string]string{
		"log.2026-11-20": "a\nb\nc\n", "log.2026-11-21": "d\n", "log.2026-11-25": "e\n", "log": "f\n",
	}, d.holds())
}

func TestFileWithoutLinesIsNotRotated(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	d.write("2026-11-23T09:00:00Z", "a")
	require.Equal(t, map[string]string{"log": "a\n"}, d.holds())
}

func TestFileKeepsDaysApartWhenTheClockStepsBack(t *testing.T) {
	d := newTestFile(t, "2026-11-20T23:59:59Z")
	d.open()
	d.write("2026-11-20T23:59:59Z", "a")
	d.write("2026-11-21T00:00:01Z", "b")
	d.write("2026-11-20T23:59:58Z", "c")
	d.write("2026-11-21T00:00:00Z", "d")
	d.write("2026-11-22T00:00:00Z", "e")
	require.Equal(t, map[string]string{"log.2026-11-20": "a\nc\n", "log.2026-11-21": "b\nd\n", "log": "e\n"}, d.holds())
}

func TestFileAtTheStart(t *testing.T) {
	for name, tt := range map[string]struct {
		modified    string
		found, want map[string]string
	}{
		"today's is gone on with": {
			"2026-11-21T00:00:00Z",
			map[string]string{"log": "old\n"}, map[string]string{"log": "old\nnew\n"},
		},
		"yesterday's is put away": {
			"2026-11-20T23:59:59Z",
			map[string]string{"log": "old\n"}, map[string]string{"log.2026-11-20": "old\n", "log": "new\n"},
		},
		"last month's is put away under its own day": {
			"2026-10-02T12:00:00Z",
			map[string]string{"log": "old\n"}, map[string]string{"log.2026-10-02": "old\n", "log": "new\n"},
		},
		"a name that is taken is not overwritten": {
			"2026-11-20T12:00:00Z",
			map[string]string{"log": "old\n", "log.2026-11-20": "older\n"},
			map[string]string{"log.2026-11-20": "older\nold\n", "log": "new\n"},
		},
		"a line cut short stays alone": {
			"2026-11-21T12:00:00Z",
			map[string]string{"log": "old\ncut sh"}, map[string]string{"log": "old\ncut sh\nnew\n"},
		},
		"a line cut short is put away": {
			"2026-11-20T12:00:00Z",
			map[string]string{"log": "cut sh", "log.2026-11-20": "cut"},
			map[string]string{"log.2026-11-20": "cut\ncut sh\n", "log": "new\n"},
		},
		"an empty one has no day": {
			"2026-11-20T12:00:00Z",
			map[string]string{"log": ""}, map[string]string{"log": "new\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestFile(t, "2026-11-21T15:00:00Z")
			for name, text := range tt.found {
				d.put(name, text, tt.modified)
			}
			d.open()
			d.write("2026-11-21T15:00:00Z", "new")
			assert.Equal(t, tt.want, d.holds())
		})
	}
}

func TestFileKeepsTheConfiguredDays(t *testing.T) {
	d := newTestFile(t, "2026-11-21T09:00:00Z")
	for _, name := range []string{
		"log.2025-12-31", "log.2026-11-01", "log.2026-11-17", "log.2026-11-18", "log.2026-11-20", // ours
		"log.old", "log.2026-11-02.gz", "log.2026-13-01", "log.2026-1-1", "logs.2026-11-01", "2026-11-01", // not ours
	} {
		d.put(name, name, "2026-11-20T12:00:00Z")
	}
	require.NoError(t, os.Mkdir(filepath.Join(d.dir, "log.2024-01-01"), 0o700)) // empty: it could be removed
	d.days = 3
	d.open()
	want := map[string]string{"log.2024-01-01": "/", "log": ""}
	for _, name := range []string{
		"log.2026-11-18", "log.2026-11-20",
		"log.old", "log.2026-11-02.gz", "log.2026-13-01", "log.2026-1-1", "logs.2026-11-01", "2026-11-01",
	} {
		want[name] = name
	}
	require.Equal(t, want, d.holds())

	d.write("2026-11-21T09:00:00Z", "a")
	d.write("2026-11-22T09:00:00Z", "b")
	delete(want, "log.2026-11-18")
	want["log.2026-11-21"], want["log"] = "a\n", "b\n"
	require.Equal(t, want, d.holds())
}

// A quiet service has few files, and they are not kept for longer because of that.
func TestFileCountsDaysAndNotFiles(t *testing.T) {
	d := newTestFile(t, "2026-11-01T09:00:00Z")
	d.days = 3
	d.open()
	d.write("2026-11-01T09:00:00Z", "a")
	d.write("2026-11-02T09:00:00Z", "b")
	d.write("2026-11-20T09:00:00Z", "c")
	require.Equal(t, map[string]string{"log": "c\n"}, d.holds())
}

func TestFilesAreBoundedInBytesAndWholeDaysLeaveFirst(t *testing.T) {
	d := newTestFile(t, "2026-11-18T09:00:00Z")
	d.max = 40
	d.open()
	d.write("2026-11-18T09:00:00Z", "12345678 1")
	d.write("2026-11-19T09:00:00Z", "12345678 2")
	d.write("2026-11-20T09:00:00Z", "12345678 3")
	require.Equal(t, map[string]string{"log.2026-11-18": "12345678 1\n", "log.2026-11-19": "12345678 2\n", "log": "12345678 3\n"}, d.holds())
	d.write("2026-11-20T09:00:00Z", "1 4")
	d.write("2026-11-20T09:00:00Z", "1 5")
	require.Equal(t, map[string]string{"log.2026-11-19": "12345678 2\n", "log": "12345678 3\n1 4\n1 5\n"}, d.holds(), "the oldest day has left, whole")
	d.write("2026-11-20T09:00:00Z", "12345678 6")
	require.Equal(t, map[string]string{"log.2026-11-20": "12345678 3\n1 4\n1 5\n", "log": "12345678 6\n"}, d.holds(), "then the other one")
	d.write("2026-11-20T09:00:00Z", "12345678 7")
	require.Equal(t, map[string]string{"log.2026-11-20": "12345678 6\n", "log": "12345678 7\n"}, d.holds(), "and then the first half of this one")
	d.write("2026-11-21T09:00:00Z", "8")
	require.Equal(t, map[string]string{"log.2026-11-20": "12345678 6\n12345678 7\n", "log": "8\n"}, d.holds())
}

func TestFilesStayWithinAnyBound(t *testing.T) {
	for _, most := range []int64{16, 64, 100, 1000} {
		d := newTestFile(t, "2026-11-18T00:00:00Z")
		d.max = most
		d.put("log.2026-11-10", strings.Repeat("x", 2000), "2026-11-10T00:00:00Z")
		d.put("log", strings.Repeat("x", 700), "2026-11-17T00:00:00Z")
		d.open()
		for i := range 120 {
			d.write(d.now.Add(150*time.Minute).Format(time.RFC3339), fmt.Sprint(i))
			var size int
			for _, text := range d.holds() {
				size += len(text)
			}
			require.LessOrEqual(t, int64(size), most, "after %d", i)
		}
		require.Contains(t, d.holds()["log"], "119\n")
	}
}

// With nothing to write, too, the file is made again and put away when its day is over.
func TestEmptyWriteLooksAfterTheFile(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	d.write("2026-11-20T09:00:00Z", "a")
	d.at("2026-11-21T09:00:00Z")
	_, err := d.file.Write(nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"log.2026-11-20": "a\n", "log": ""}, d.holds())
	require.NoError(t, os.Remove(filepath.Join(d.dir, "log")))
	_, err = d.file.Write(nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"log.2026-11-20": "a\n", "log": ""}, d.holds())
}

func TestFileIsForItsOwnerAlone(t *testing.T) {
	mode := func(path string) fs.FileMode {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.dir = filepath.Join(d.dir, "of", "ours")
	d.open()
	assert.Equal(t, fs.FileMode(0o700), mode(filepath.Dir(d.dir)))
	assert.Equal(t, fs.FileMode(0o700), mode(d.dir))
	assert.Equal(t, fs.FileMode(0o600), mode(filepath.Join(d.dir, "log")))

	d.put("log", "a\n", "2026-11-20T09:00:00Z")
	require.NoError(t, os.Chmod(filepath.Join(d.dir, "log"), 0o644)) // as another program may leave it
	d.open()
	assert.Equal(t, fs.FileMode(0o600), mode(filepath.Join(d.dir, "log")))
	assert.Equal(t, map[string]string{"log": "a\n"}, d.holds())

	require.NoError(t, os.Chmod(d.dir, 0o755))
	d.at("2026-11-20T10:00:00Z")
	d.open()
	assert.Equal(t, fs.FileMode(0o755), mode(d.dir), "a folder that is there is its maker's")
}

func TestOpenFileSaysWhatItCannotMake(t *testing.T) {
	for want, spoil := range map[string]func(dir string) error{
		"cannot create the folder: ": func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"cannot open the file: ":     func(dir string) error { return os.MkdirAll(filepath.Join(dir, "log"), 0o700) },
	} {
		dir := filepath.Join(t.TempDir(), "logs")
		require.NoError(t, spoil(dir))
		file, _, err := OpenFile(dir, "log", 30, 1<<20, time.Now)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, dir)
		assert.Nil(t, file)
	}
}

// A second process writes along, and only one puts the day's lines away.
func TestAFileThatIsSharedIsRotatedByOne(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	d.write("2026-11-20T09:00:00Z", "first")
	at := d.now
	file, shared, err := OpenFile(d.dir, "log", 30, 1<<20, func() time.Time { return at })
	require.NoError(t, err)
	defer file.Close()
	require.True(t, shared)
	writes := func(line, to string) {
		t.Helper()
		_, err := file.Write([]byte(line + "\n"))
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(d.dir, to))
		require.NoError(t, err)
		assert.Contains(t, string(text), line+"\n")
	}
	writes("second", "log")
	at = at.Add(24 * time.Hour)
	writes("the other has not put the day away", "log")
	d.write("2026-11-21T09:00:00Z", "first, next day")
	require.NoError(t, os.Chtimes(filepath.Join(d.dir, "log"), at, at))
	writes("second, next day", "log")
	text, err := os.ReadFile(filepath.Join(d.dir, "log.2026-11-20"))
	require.NoError(t, err)
	assert.Equal(t, "first\nsecond\nthe other has not put the day away\n", string(text))

	require.NoError(t, d.file.Close())
	at = at.Add(24 * time.Hour)
	writes("alone, the third day", "log")
	text, err = os.ReadFile(filepath.Join(d.dir, "log.2026-11-21"))
	require.NoError(t, err)
	assert.Equal(t, "first, next day\nsecond, next day\n", string(text))
	_, shared, err = OpenFile(d.dir, "log", 30, 1<<20, d.now.UTC)
	require.NoError(t, err)
	assert.True(t, shared, "it has taken the lock")
}

func TestFileComesBackWithTheDisk(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	d.write("2026-11-20T09:00:00Z", "a")

	require.NoError(t, os.RemoveAll(d.dir))
	d.write("2026-11-20T09:00:01Z", "b")
	require.Equal(t, map[string]string{"log": "b\n"}, d.holds())

	require.NoError(t, os.Remove(filepath.Join(d.dir, "log")))
	d.write("2026-11-20T09:00:02Z", "c")
	require.Equal(t, map[string]string{"log": "c\n"}, d.holds())

	// Somebody else's rotation.
	require.NoError(t, os.Rename(filepath.Join(d.dir, "log"), filepath.Join(d.dir, "log.1")))
	d.write("2026-11-20T09:00:03Z", "d")
	require.Equal(t, map[string]string{"log.1": "c\n", "log": "d\n"}, d.holds())

	require.NoError(t, os.Rename(filepath.Join(d.dir, "log"), filepath.Join(d.dir, "log.2")))
	d.put("log", "theirs\n", "2026-11-20T09:00:03Z")
	d.write("2026-11-20T09:00:04Z", "e")
	require.Equal(t, map[string]string{"log.1": "c\n", "log.2": "d\n", "log": "theirs\ne\n"}, d.holds())

	// The folder cannot be made again, even by root.
	require.NoError(t, os.RemoveAll(d.dir))
	require.NoError(t, os.WriteFile(d.dir, nil, 0o600))
	for range 3 {
		_, err := io.WriteString(d.file, "lost\n")
		require.ErrorIs(t, err, syscall.ENOTDIR)
	}
	require.NoError(t, os.Remove(d.dir))
	d.write("2026-11-21T09:00:00Z", "f") // a day later, with nothing to put away
	require.Equal(t, map[string]string{"log": "f\n"}, d.holds())
}

func TestFileCloses(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	for range 3 {
		require.NoError(t, d.file.Close())
		_, err := io.WriteString(d.file, "late\n")
		require.ErrorIs(t, err, os.ErrClosed)
	}
	require.Equal(t, map[string]string{"log": ""}, d.holds())
}

// failingWriter takes nothing.
type failingWriter struct{ writes, closes int }

func (w *failingWriter) Write([]byte) (int, error) { w.writes++; return 0, errors.New("broken") }
func (w *failingWriter) Close() error              { w.closes++; return errors.New("broken") }

func TestLinesReachOneWriterWhenTheOtherFails(t *testing.T) {
	var stderr bytes.Buffer
	broken := new(failingWriter)
	logger, closeLog, _ := New(&stderr, broken, "INFO", "canister")
	logger.Info("m")
	closeLog()
	closeLog()
	assert.Regexp(t, `^\S+ \S+ INFO     \[main\]              m\n\S+ \S+ WARNING  \[main\]              log file cannot be written broken\n$`, stderr.String())
	assert.Equal(t, failingWriter{writes: 1, closes: 1}, *broken)

	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	broken = new(failingWriter)
	logger, closeLog, _ = New(broken, d.file, "INFO", "canister")
	logAt(t, logger, lineTime, slog.LevelInfo, "m")
	closeLog()
	assert.Equal(t, map[string]string{"log": "2026-11-21 09:38:33,217 INFO     [main]              m\n"}, d.holds())
	assert.Equal(t, failingWriter{writes: 1}, *broken, "standard error is not ours to close")
}

func TestDisabledClosesTheFile(t *testing.T) {
	d := newTestFile(t, "2026-11-20T09:00:00Z")
	d.open()
	logger, closeLog, dropped := New(io.Discard, d.file, "DISABLED", "canister")
	logger.Error("m")
	closeLog()
	closeLog()
	_, err := io.WriteString(d.file, "late\n")
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.Zero(t, dropped())
	assert.Equal(t, map[string]string{"log": ""}, d.holds())
}

// tellingFile says when something was written.
type tellingFile struct {
	io.WriteCloser
	wrote chan struct{}
}

func (w *tellingFile) Write(p []byte) (int, error) {
	defer func() {
		select {
		case w.wrote <- struct{}{}:
		default:
		}
	}()
	return w.WriteCloser.Write(p)
}

// Every batch of a burst is written on another day: put together, the files
// are what standard error got, line for line.
func TestBurstOverManyDays(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const callers, each = 16, 500 // fewer than the queue holds: nothing is dropped
	dir := filepath.Join(t.TempDir(), "logs")
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	file, _, err := OpenFile(dir, "log", callers*each, 1<<30, func() time.Time {
		day = day.Add(12 * time.Hour) // it is asked at least once a batch
		return day
	})
	require.NoError(t, err)
	var stderr bytes.Buffer
	telling := &tellingFile{WriteCloser: file, wrote: make(chan struct{}, 1)}
	logger, closeLog, dropped := New(&stderr, telling, "INFO", "canister")
	logger.Info("first")
	<-telling.wrote // what follows is another batch
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			mine := logger.With("tag", fmt.Sprint("caller ", c))
			for i := range each {
				mine.LogAttrs(t.Context(), slog.LevelInfo, "m", slog.Int("i", i))
				dropped()
			}
		})
	}
	wg.Wait()
	closeLog()

	rotated, err := filepath.Glob(filepath.Join(dir, "log.*")) // sorted
	require.NoError(t, err)
	require.NotEmpty(t, rotated, "there is to be more than one day")
	var files []byte
	for _, path := range append(rotated, filepath.Join(dir, "log")) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		files = append(files, text...)
	}
	require.Equal(t, 1+callers*each, bytes.Count(files, []byte{'\n'}))
	lines := func(text []byte) []string { return slices.Sorted(strings.Lines(string(text))) }
	require.Equal(t, lines(stderr.Bytes()), lines(files), "each in an order of its own")
	require.Zero(t, dropped())
}
