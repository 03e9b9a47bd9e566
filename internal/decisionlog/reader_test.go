package decisionlog_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A line is what the package comment says that a line holds, and no more. Pointers tell what
// is absent.
type line struct {
	V        int      `json:"v"`
	Seq      uint64   `json:"seq"`
	Time     string   `json:"time"`
	Instance string   `json:"instance"`
	Kind     string   `json:"kind"`
	Attempt  string   `json:"attempt"`
	Card     string   `json:"card"`
	Decision string   `json:"decision"`
	Reasons  []string `json:"reasons"`
	Rules    []struct {
		Name    string `json:"name"`
		Outcome string `json:"outcome"`
		Mode    string `json:"mode"`
		Count   int    `json:"count"`
	} `json:"rules"`
	Degraded *bool             `json:"degraded"`
	Outcome  string            `json:"outcome"`
	Reason   string            `json:"reason"`
	At       string            `json:"at"`
	Subjects map[string]string `json:"subjects"`
	Key      string            `json:"key"`
	Prefix   *int              `json:"ipv6_prefix"`
	Caller   *string           `json:"caller"`
	What     string            `json:"what"`
	Until    string            `json:"until"`
	Lost     *uint64           `json:"lost"`
}

var (
	timeForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$`)
	shortID  = regexp.MustCompile(`^[a-z2-7]{8}$`)
)

// decode reads one line and refuses everything that the format does not allow.
func decode(text []byte) (l line, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	if _, err := d.Token(); err != io.EOF {
		return l, fmt.Errorf("something follows the object")
	}
	var names map[string]json.RawMessage
	if err := json.Unmarshal(text, &names); err != nil {
		return l, err
	}
	has := func(name string) bool { _, ok := names[name]; return ok }
	_, badTime := time.Parse(time.RFC3339, l.Time)
	isEvent, isChange := l.Kind == "check" || l.Kind == "outcome", l.Kind == "forget" || l.Kind == "override"
	switch {
	case l.V != 1 || l.Seq == 0 || !timeForm.MatchString(l.Time) || badTime != nil || l.Instance == "":
		return l, fmt.Errorf("wrong head")
	case !isEvent && !isChange && l.Kind != "gap" && l.Kind != "reload" && l.Kind != "login_ended":
		return l, fmt.Errorf("kind %q", l.Kind)
	case l.Kind == "gap" && (len(names) != 6 || !has("lost")):
		return l, fmt.Errorf("a gap with something else")
	case isEvent && (!shortID.MatchString(l.Attempt) || !shortID.MatchString(l.Key) || l.Subjects == nil || l.Caller == nil || has("lost")):
		return l, fmt.Errorf("an event without something")
	case isChange && (l.What == "" || !shortID.MatchString(l.Key) || l.Subjects == nil || l.Caller == nil || has("attempt") || has("lost")):
		return l, fmt.Errorf("a change without something")
	case l.Kind == "reload" && (len(names) != 6 || l.What == ""):
		return l, fmt.Errorf("a reload with something else")
	case l.Kind == "login_ended" && (len(names) != 7 || l.What == "" || l.Caller == nil):
		return l, fmt.Errorf("the end of a login with something else")
	case l.Kind == "check" && (!slices.Contains([]string{"allow", "review", "block"}, l.Decision) || l.Reasons == nil || l.Rules == nil || l.Degraded == nil || has("outcome")):
		return l, fmt.Errorf("wrong check")
	case l.Kind == "outcome" && (!slices.Contains([]string{"approved", "declined", "error"}, l.Outcome) || has("decision") || has("rules") || has("degraded") || (l.Outcome == "declined") != (l.Reason != "")):
		return l, fmt.Errorf("wrong outcome")
	}
	for name, id := range l.Subjects {
		if b, err := base64.RawURLEncoding.Strict().DecodeString(id); err != nil || len(b) != 16 {
			return l, fmt.Errorf("%s: no id", name)
		}
	}
	return l, nil
}

// read returns the lines of all files in the folder, the oldest first. Every one must be well
// formed, seq must go up by one and no day may be in two files.
func read(t testing.TB, dir string) (lines []line) {
	t.Helper()
	days, err := filepath.Glob(filepath.Join(dir, "decisions.*"))
	require.NoError(t, err)
	for _, path := range append(days, filepath.Join(dir, "decisions")) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, len(text) == 0 || text[len(text)-1] == '\n', "%s ends with a whole line", path)
		_, day, rotated := strings.Cut(filepath.Base(path), ".")
		for one := range strings.Lines(string(text)) {
			l, err := decode([]byte(one))
			if err != nil {
				require.NoError(t, err, "%s: %s", path, one)
			}
			if rotated && l.Time[:10] != day {
				require.Equal(t, day, l.Time[:10], path)
			}
			if len(lines) > 0 && l.Seq != lines[len(lines)-1].Seq+1 {
				require.Equal(t, lines[len(lines)-1].Seq+1, l.Seq, one)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// kinds says in short what lines are: check, outcome, or gap with what it lost.
func kinds(lines []line) (short []string) {
	for _, l := range lines {
		text := l.Kind
		if l.Kind == "gap" {
			text = "gap null"
			if l.Lost != nil {
				text = fmt.Sprint("gap ", *l.Lost)
			}
		}
		short = append(short, text)
	}
	return short
}
