package decisionlog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/decisionlog"
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// Whatever a request, a caller's name or the instance's is, its line is one line of JSON,
// which the strict reader takes, and shows nothing of the request.
func FuzzLines(f *testing.F) {
	for _, text := range []string{"plain-device-7", "\"},{\"v\":1", "a\nb\r\x00", "\u2028\u2029\u202e", "\xff\xfe\xc0\x80", "</script>&<", "\\u0041\\", strings.Repeat("é", 128), "4111 1111 1111 1111"} {
		f.Add(text, text, text, text, true)
		f.Add(text, "ana@example.com", "checkout", "web-1", false)
	}
	r := newRecorder(f)
	events := map[bool]*event.Event{true: r.event("ip=203.0.113.7", "card_id=x", "outcome=error"), false: r.event("ip=203.0.113.7", "card_id=x")}
	f.Fuzz(func(t *testing.T, text, email, caller, instance string, outcome bool) {
		values := map[velocity.Field]string{
			velocity.FieldIP: "203.0.113.7", velocity.FieldCardID: "tok_" + text, velocity.FieldAttemptID: "order " + text,
			velocity.FieldDevice: text, velocity.FieldCart: "cart " + text, velocity.FieldAccount: "account " + text, velocity.FieldEmail: email,
		}
		if outcome {
			values[velocity.FieldOutcome] = "error"
		}
		var fields velocity.Fields
		for field, value := range values {
			if f := field; value != "" && utf8.RuneCountInString(value) <= 128 {
				fields.Set(f, value)
			}
		}
		var a velocity.Attempt
		var err error
		if outcome {
			a, _, err = velocity.ParseOutcome(&fields)
		} else {
			a, err = velocity.ParseAttempt(&fields)
		}
		if err != nil || instance == "" {
			t.Skip()
		}
		one := *events[outcome]
		one.Attempt, one.Caller, one.ShortAttempt = &a, &auth.Caller{Name: caller}, r.ids.Attempt("order "+text)
		set := r.set
		set.Instance, set.Dir = instance, t.TempDir()
		log, err := decisionlog.Open(set)
		require.NoError(t, err)
		log.Watch(&one)
		log.Close()
		log.AwaitEnd()

		written, err := os.ReadFile(filepath.Join(set.Dir, "decisions"))
		require.NoError(t, err)
		assert.True(t, utf8.Valid(written))
		lines := read(t, set.Dir)
		require.Len(t, lines, 2)
		assert.Equal(t, string([]rune(instance)), lines[0].Instance, "but for bytes that are no text")
		shown := strings.Replace(string(written), lines[0].Instance, "", 2)
		if *lines[0].Caller == caller {
			shown = strings.Replace(shown, caller, "", 1)
		}
		for _, value := range values {
			if len(value) >= 8 && value != caller && value != instance {
				assert.NotContains(t, shown, value)
			}
		}
	})
}
