package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/testbed"
)

// logged returns what log leaves behind once the log is closed.
func logged(t *testing.T, level, format string, log func(*slog.Logger)) string {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var out bytes.Buffer
	logger, closeLog, _ := New(&out, nil, level, format)
	log(logger)
	closeLog()
	return out.String()
}

// logAt logs at a given time.
func logAt(t testing.TB, l *slog.Logger, at time.Time, level slog.Level, msg string, attrs ...slog.Attr) {
	r := slog.NewRecord(at, level, msg, 0)
	r.AddAttrs(attrs...)
	assert.NoError(t, l.Handler().Handle(t.Context(), r))
}

// lineTime is not in UTC: lines have to be.
var lineTime = time.Date(2026, 11, 21, 10, 38, 33, 217_999_999, time.FixedZone("CET", 3600))

var responseAttrs = []slog.Attr{
	slog.String("tag", "10.0.0.5-VJ8zq5"), slog.Int("status", 200), slog.String("decision", "block"),
	slog.String("address", "203.0.113.0/24"), slog.String("rules", "cards_per_ip=6>5"), slog.Duration("took", 1999*time.Microsecond),
}

func TestCanisterLines(t *testing.T) {
	require.Equal(t, `2026-11-21 09:38:31,022 INFO     [main]              Listening on 127.0.0.1:8080 (store memory, 1 rule)
2026-11-21 09:38:33,216 INFO     [10.0.0.5-VJ8zq5]   POST /v1/check
2026-11-21 09:38:33,217 INFO     [10.0.0.5-VJ8zq5]   Response: 200 block 203.0.113.0/24 cards_per_ip=6>5 (1ms)
`, logged(t, "INFO", "canister", func(l *slog.Logger) {
		logAt(t, l, lineTime.Add(-2195*time.Millisecond), slog.LevelInfo, "Listening on",
			slog.String("address", "127.0.0.1:8080"), slog.String("setup", "(store memory, 1 rule)"))
		logAt(t, l.With("tag", "10.0.0.5-VJ8zq5"), lineTime.Add(-time.Millisecond), slog.LevelInfo, "POST /v1/check")
		logAt(t, l, lineTime, slog.LevelInfo, "Response:", responseAttrs...)
	}))
}

func TestCanisterValues(t *testing.T) {
	const tag = "[main]              "
	for name, tt := range map[string]struct {
		attr slog.Attr
		want string
	}{
		"empty string":    {slog.String("a", ""), tag + "m"},
		"error":           {slog.Any("a", errors.New("cannot\nread")), tag + `m cannot\x0aread`},
		"nil error":       {slog.Any("a", error(nil)), tag + "m"},
		"empty attribute": {slog.Attr{}, tag + "m"},
		"group":           {slog.Group("a", slog.Int("b", -1), slog.Uint64("c", 1), slog.Float64("d", 0.5), slog.Bool("e", true)), tag + "m -1 1 0.5 true"},
		"times in group":  {slog.Group("a", slog.Time("b", lineTime), slog.Duration("c", time.Second)), tag + "m 2026-11-21T09:38:33Z (1000ms)"},
		"own valuer":      {slog.Any("a", hiddenValue{}), tag + "m (hidden)"},
		"tag too long":    {slog.String("tag", "2001:db8:1:2::/64-VJ8zq5"), "[2001:db8:1:2::/64-VJ8zq5] m"},
		"tag empty":       {slog.String("tag", ""), tag + "m"},
		"tag escaped":     {slog.String("tag", "a\nb"), `[a\x0ab]            m`},
		"escapes":         {slog.String("a", "Zürich 東京\x00\x1b\x7f\xff\u0085\u2028\u2029\u202e\U000e0001"), tag + `m Zürich 東京\x00\x1b\x7f\xff\u0085\u2028\u2029\u202e\U000e0001`},
	} {
		line := logged(t, "INFO", "canister", func(l *slog.Logger) { logAt(t, l, lineTime, slog.LevelInfo, "m", tt.attr) })
		assert.Equal(t, "2026-11-21 09:38:33,217 INFO     "+tt.want+"\n", line, name)
	}
}

type hiddenValue struct{}

func (hiddenValue) LogValue() slog.Value { return slog.StringValue("(hidden)") }

func TestJSONLines(t *testing.T) {
	require.Equal(t, `{"time":"2026-11-21T09:38:33.217Z","level":"INFO","message":"Response:","tag":"10.0.0.5-VJ8zq5","status":200,"decision":"block","address":"203.0.113.0/24","rules":"cards_per_ip=6>5","took_ms":1}
{"time":"2026-11-21T09:38:33.217Z","level":"CRITICAL","message":"two\nlines","tag":"main"}
{"time":"2026-11-21T09:38:33.217Z","level":"WARNING","message":"m","tag":"y","n":1,"g":{"level_ms":1000}}
`, logged(t, "INFO", "json", func(l *slog.Logger) {
		logAt(t, l, lineTime, slog.LevelInfo, "Response:", responseAttrs...)
		logAt(t, l, lineTime, LevelCritical, "two\nlines")
		logAt(t, l.With("tag", "x", "n", 1).WithGroup("ignored"), lineTime, slog.LevelWarn, "m",
			slog.String("tag", "y"), slog.Group("g", slog.Duration("level", time.Second)))
	}))
}

func TestLevels(t *testing.T) {
	names := []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
	for from, name := range append(names, "DISABLED") {
		log := func(l *slog.Logger) {
			for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, LevelCritical} {
				l.LogAttrs(t.Context(), level, "m")
			}
		}
		got := []string{}
		for line := range strings.Lines(logged(t, name, "canister", log)) {
			got = append(got, strings.Fields(line)[2])
		}
		for line := range strings.Lines(logged(t, name, "json", log)) {
			var event struct{ Level string }
			require.NoError(t, json.Unmarshal([]byte(line), &event))
			got = append(got, event.Level)
		}
		assert.Equal(t, append(slices.Clone(names[from:]), names[from:]...), got, name)
	}
}

func TestWithKeepsSiblingsApart(t *testing.T) {
	out := logged(t, "INFO", "canister", func(l *slog.Logger) {
		parent := l.With("a", 1).With("b", 2).With("c", 3)
		left, right := parent.With("side", "left"), parent.With("tag", "r", "side", "right")
		logAt(t, left, lineTime, slog.LevelInfo, "m", slog.Int("d", 4))
		logAt(t, right, lineTime, slog.LevelInfo, "m")
	})
	assert.Contains(t, out, "[main]              m 1 2 3 left 4\n")
	assert.Contains(t, out, "[r]                 m 1 2 3 right\n")
}

func TestAttributesThatShowTheirKey(t *testing.T) {
	log := func(l *slog.Logger) {
		logAt(t, l, lineTime, slog.LevelInfo, "m", slog.Attr{Value: slog.GroupValue(slog.String("caller", "ana"), slog.String("request=", "01JD"))},
			slog.String("reason=", ""), slog.Int("count=", 3))
	}
	assert.Contains(t, logged(t, "INFO", "canister", log), "m ana request=01JD count=3\n")
	assert.Contains(t, logged(t, "INFO", "json", log), `"caller":"ana","request":"01JD","reason":"","count":3}`)
}

func TestAuditLinesAreWrittenWhateverTheLevel(t *testing.T) {
	log := func(l *slog.Logger) { l.Log(t.Context(), LevelAudit, "forget") }
	for _, level := range []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"} {
		assert.Regexp(t, `^\S+ \S+ INFO     \[main\]              forget\n$`, logged(t, level, "canister", log))
		assert.Contains(t, logged(t, level, "json", log), `"level":"INFO","message":"forget"`)
	}
	assert.Empty(t, logged(t, "DISABLED", "canister", log))
}

// The change is answered once its line is written.
func TestAuditLineWaitsForItsWriter(t *testing.T) {
	w := &gatedWriter{entered: make(chan struct{}, 1), gate: make(chan struct{})}
	logger, closeLog, _ := New(w, nil, "CRITICAL", "canister")
	answered := make(chan struct{})
	go func() {
		logger.Log(context.Background(), LevelAudit, "forget")
		close(answered)
	}()
	<-w.entered
	select {
	case <-answered:
		t.Fatal("answered before the line was written")
	default:
	}
	w.gate <- struct{}{}
	<-answered
	assert.Contains(t, w.out.String(), "forget\n")
	closeLog()
}

// Ordinary lines fill the queue of a writer that blocks; audit lines wait beside them.
func TestAuditLinesAreNeverDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &gatedWriter{entered: make(chan struct{}), gate: make(chan struct{})}
		logger, closeLog, dropped := New(w, nil, "INFO", "canister")
		logger.Info("first")
		<-w.entered
		for range queueLines + 7 {
			logger.Info("line")
		}
		const changes = sureLines + 100
		var wg sync.WaitGroup
		for range changes {
			wg.Go(func() { logger.Log(context.Background(), LevelAudit, "forget") })
		}
		time.Sleep(10 * time.Second) // those that wait for their writer have given up, the last hundred have not begun
		w.gate <- struct{}{}
		go func() {
			for range w.entered { // the writer takes lines again
				w.gate <- struct{}{}
			}
		}()
		wg.Wait()
		closeLog()
		close(w.entered)
		assert.Equal(t, changes, strings.Count(w.out.String(), "forget\n"))
		assert.EqualValues(t, 7, dropped())
	})
}

// Whatever a stranger sends, one event is one line of text.
func FuzzOneEventIsOneLine(f *testing.F) {
	f.Add("POST /", "10.0.0.5", "x\n2026-11-21 09:38:33,217 INFO     [main]              Response: 200 allow")
	f.Add("a\r\nb", "]\n[main", "\x1b[2J\x7f\u2028\u2029\u0085\xc3\x28\xff")
	f.Fuzz(func(t *testing.T, msg, tag, value string) {
		l := Line{At: lineTime, Level: slog.LevelInfo, Tag: tag, Text: msg, Attrs: []slog.Attr{slog.String("value", value), slog.Any("any", []string{value})}}
		canister := appendCanister(nil, nil, l)
		require.True(t, utf8.Valid(canister))
		require.Equal(t, len(canister)-1, bytes.IndexFunc(canister, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", canister)
		object := appendJSON(nil, nil, l)
		require.True(t, json.Valid(object))
		require.Equal(t, len(object)-1, bytes.IndexAny(object, "\n\r\u2028\u2029"), "%q", object)
	})
}

// gatedWriter says when a Write begins, and ends it when told to, in failure.
type gatedWriter struct {
	entered, gate chan struct{}
	out           bytes.Buffer
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	w.entered <- struct{}{}
	<-w.gate
	w.out.Write(p)
	return 0, errors.New("disk full")
}

func TestStuckWriterBlocksNobodyAndDropsAreTold(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := &gatedWriter{entered: make(chan struct{}), gate: make(chan struct{})}
	logger, closeLog, dropped := New(w, nil, "ERROR", "canister")
	for _, lines := range []int{1, queueLines + 3, queueLines + 5} {
		for i := range lines {
			logAt(t, logger, lineTime, slog.LevelError, "line", slog.Int("i", i))
		}
		if lines > 1 {
			w.gate <- struct{}{} // the Write before this round's lines
		}
		<-w.entered
	}
	w.gate <- struct{}{}
	closeLog()

	lines := strings.Split(strings.TrimSuffix(w.out.String(), "\n"), "\n")
	require.Len(t, lines, 1+queueLines+1+queueLines+1)
	const told = "2026-11-21 09:38:33,217 WARNING  [main]              log lines dropped "
	assert.Equal(t, told+"3", lines[1+queueLines])
	assert.Equal(t, told+"5", lines[len(lines)-1])
	assert.EqualValues(t, 3+5, dropped())
	assert.Contains(t, lines[queueLines], fmt.Sprint(" line ", queueLines-1))
}

func TestCloseGivesUpOnAStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &gatedWriter{entered: make(chan struct{}), gate: make(chan struct{})}
		logger, closeLog, _ := New(w, nil, "INFO", "canister")
		logger.Info("first")
		<-w.entered
		logger.Info("second")

		start := time.Now()
		closeLog()
		assert.Equal(t, time.Second, time.Since(start))
		w.gate <- struct{}{}
		synctest.Wait()
		assert.NotContains(t, w.out.String(), "second", "nothing is written behind the back of who closed")
	})
}

func TestConcurrentUseAndClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for format, form := range map[string]string{"canister": "[caller %d]          m %d\n", "json": `"message":"m","tag":"caller %d","i":%d}` + "\n"} {
		const callers, each = 10, 500 // fewer than the queue holds: nothing is dropped
		out, wg := &bytes.Buffer{}, sync.WaitGroup{}
		logger, closeLog, _ := New(out, nil, "INFO", format)
		log := func(caller int) {
			mine := logger.With("tag", fmt.Sprint("caller ", caller))
			for i := range each {
				mine.LogAttrs(t.Context(), slog.LevelInfo, "m", slog.Int("i", i))
			}
		}
		for c := range callers {
			wg.Go(func() { log(c) })
		}
		wg.Wait()
		for range callers {
			wg.Go(closeLog)
			wg.Go(func() { log(callers) }) // may or may not be in time
		}
		wg.Wait()
		log(callers + 1) // too late

		seen := map[string]int{}
		assert.NotContains(t, out.String(), fmt.Sprint("caller ", callers+1))
		for line := range strings.Lines(out.String()) {
			seen[line[strings.Index(line, form[:4]):]]++
		}
		for n := range callers * each {
			require.Equal(t, 1, seen[fmt.Sprintf(form, n/each, n%each)])
		}
	}
}

// AllocsPerRun rounds down, which forgives the growing batch, but not one allocation a
// line.
func TestALineAllocatesNothing(t *testing.T) {
	testbed.SkipRace(t, "the detector makes the pool forget")
	logger, closeLog, _ := New(io.Discard, nil, "INFO", "canister")
	defer closeLog()
	tagged := logger.With("tag", "10.0.0.5-VJ8zq5")
	assert.Zero(t, testing.AllocsPerRun(2000, func() {
		tagged.LogAttrs(t.Context(), slog.LevelInfo, "Response:", slog.Int("status", 200), slog.String("decision", "block"),
			slog.String("address", "203.0.113.0/24"), slog.String("rules", "cards_per_ip=6>5"), slog.Duration("took", time.Millisecond))
	}))
	assert.Zero(t, testing.AllocsPerRun(2000, func() {
		logger.LogAttrs(t.Context(), slog.LevelInfo, "Response:", slog.String("tag", "10.0.0.5-VJ8zq5"), slog.Int("status", 200),
			slog.Float64("score", 0.25), slog.Bool("shadow", true), slog.Time("until", lineTime))
	}))
}
