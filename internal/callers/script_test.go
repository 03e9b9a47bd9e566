package callers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

// A script in testdata/http is a story in exchanges, run in order on one
// connection. Its lines are:
//
//	# text                 a comment
//	rules NAME ...         first of all: the rules, if not cards_per_ip alone
//	at 1h0m5s              the time since the story began
//	> POST /v1/check       a request: first line, headers, an empty one, body;
//	                       Host, Content-Length and credentials are added
//	< 200                  its answer: status ("200 exactly": the JSON has no
//	                       further members), headers, an empty one, JSON
//
// An expected header, or string in the JSON, between slashes is a regular
// expression; an expected null is a member that is not there.

var scriptRules = map[string]velocity.Rule{
	"cards_per_ip": velocity.DefaultRule,
	"declined_cards_per_ip": {
		Name: "declined_cards_per_ip", Per: "ip", Count: "declined_cards", Window: time.Hour,
		ReviewOver: 1, BlockOver: 2, Retention: velocity.Sliding, Mode: velocity.Enforce,
	},
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/http/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			story := string(text)
			names := []string{"cards_per_ip"}
			if m := regexp.MustCompile(`(?m)^rules (.*)$`).FindStringSubmatch(story); m != nil {
				names = strings.Fields(m[1])
			}
			var rules []velocity.Rule
			for _, name := range names {
				require.Contains(t, scriptRules, name)
				rules = append(rules, scriptRules[name])
			}
			d := open(t, func(s *doortest.Setup) { s.Checker = newChecker(t, rules...) })
			(&script{t: t, port: d, conn: d.Dial(t), file: file}).run(story)
		})
	}
}

type script struct {
	t    *testing.T
	port *port
	conn *doortest.Conn
	file string

	asked, expected []string // of the exchange at hand
	exchanges       int
}

func (s *script) run(story string) {
	for i, text := range strings.Split(story+"\n# the end", "\n") {
		mark, rest, _ := strings.Cut(text, " ")
		if len(s.expected) > 0 && mark != "<" {
			s.exchange(fmt.Sprintf("%s, the exchange before line %d", s.file, i+1))
		}
		switch mark {
		case ">":
			s.asked = append(s.asked, rest)
		case "<":
			require.NotEmpty(s.t, s.asked, "line %d answers nothing", i+1)
			s.expected = append(s.expected, rest)
		case "at":
			after, err := time.ParseDuration(rest)
			require.NoError(s.t, err, "line %d", i+1)
			s.port.set(after)
		case "", "#", "rules":
		default:
			require.FailNow(s.t, "not a line of a script", "line %d: %s", i+1, text)
		}
	}
	require.Empty(s.t, s.asked, "a request without an answer")
	require.NotZero(s.t, s.exchanges)
}

// exchange sends the request at hand and compares its answer.
func (s *script) exchange(where string) {
	head, body := split(s.asked)
	headers := head[1:]
	if !strings.Contains(strings.Join(headers, "\n"), "Authorization:") {
		headers = append(headers, doortest.AsCheckout)
	}
	got := s.conn.Ask(doortest.Raw(head[0], body, headers...))

	head, body = split(s.expected)
	status, exactly := strings.CutSuffix(head[0], " exactly")
	require.Equal(s.t, status, strconv.Itoa(got.Status), "%s: %s", where, got.Body)
	for _, h := range head[1:] {
		name, want, _ := strings.Cut(h, ": ")
		assert.Empty(s.t, differs(name, want, got.Header.Get(name), exactly), where)
	}
	if body != "" {
		var want any
		require.NoError(s.t, json.Unmarshal([]byte(body), &want), where)
		assert.Empty(s.t, differs("answer", want, any(got.JSON), exactly), "%s: %s", where, got.Body)
	}
	s.asked, s.expected = nil, nil
	s.exchanges++
}

// split takes a request or an answer apart at its empty line.
func split(lines []string) (head []string, body string) {
	for i, l := range lines {
		if l == "" {
			return lines[:i:i], strings.Join(lines[i+1:], "\n")
		}
	}
	return lines[:len(lines):len(lines)], ""
}

// differs says where got is not as wanted, or nothing.
func differs(path string, want, got any, exactly bool) string {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok || exactly && len(object) != len(want) {
			return fmt.Sprintf("%s: want %v, got %v", path, want, got)
		}
		for name := range want {
			if d := differs(path+"."+name, want[name], object[name], exactly); d != "" {
				return d
			}
		}
		return ""
	case []any:
		array, ok := got.([]any)
		if !ok || len(array) != len(want) {
			return fmt.Sprintf("%s: want %v, got %v", path, want, got)
		}
		for i := range want {
			if d := differs(fmt.Sprintf("%s[%d]", path, i), want[i], array[i], exactly); d != "" {
				return d
			}
		}
		return ""
	case string:
		text, ok := got.(string)
		if expression, is := strings.CutPrefix(want, "/"); ok && is && strings.HasSuffix(expression, "/") {
			if regexp.MustCompile(strings.TrimSuffix(expression, "/")).MatchString(text) {
				return ""
			}
			return fmt.Sprintf("%s: want %s, got %q", path, want, text)
		}
	}
	if want != got {
		return fmt.Sprintf("%s: want %#v, got %#v", path, want, got)
	}
	return ""
}
