package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A decisionLine is what these tests look at in a line of the decision log.
type decisionLine struct {
	Seq                     uint64
	Instance, Kind, Attempt string
	Decision, Outcome, Key  string
	What                    string
	Caller, Time            string
	Subjects                map[string]string
	Lost                    *uint64
	text                    string
}

// decisionsIn returns the lines of the decision log in the folder, as far as they are whole.
func decisionsIn(t *testing.T, folder string) (lines []decisionLine) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "decisions"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		d := decisionLine{text: line}
		if json.Unmarshal([]byte(line), &d) == nil {
			lines = append(lines, d)
		}
	}
	return lines
}

// awaitDecisions waits until the decision log has that many lines.
func awaitDecisions(t *testing.T, folder string, n int) (lines []decisionLine) {
	t.Helper()
	require.Eventually(t, func() bool {
		lines = decisionsIn(t, folder)
		return len(lines) >= n
	}, prompt, 5*time.Millisecond)
	return lines
}

func TestTheDecisionLogHoldsWhatWasDecidedOverAKill(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "decisions")
	config := guarded + "decision_log: {path: " + folder + "}\ninstance: web-1\n"
	p := start(t, config)
	const card = `{"ip":"203.0.113.7","last4":"4242","expiry":"12/30","attempt_id":"order-77","email":"ana@example.com"`
	require.Equal(t, 200, p.send(t, "POST", "/v1/check", card+"}").status)
	require.Equal(t, 202, p.send(t, "POST", "/v1/outcomes", card+`,"outcome":"declined"}`).status)
	lines := awaitDecisions(t, folder, 2)
	require.Len(t, lines, 2)
	assert.Equal(t, []string{"check", "outcome"}, []string{lines[0].Kind, lines[1].Kind})
	assert.Equal(t, []string{"allow", "declined", "checkout", "web-1"}, []string{lines[0].Decision, lines[1].Outcome, lines[1].Caller, lines[1].Instance})
	assert.Equal(t, lines[0].Subjects, lines[1].Subjects)
	assert.Equal(t, lines[0].Attempt, lines[1].Attempt)
	assert.Contains(t, p.stderr.String(), " attempt="+lines[0].Attempt+"\n", "the same in the log")
	for _, value := range []string{"203.0.113", "4242", "12/30", "order-77", "ana", "example"} {
		assert.NotContains(t, lines[0].text+lines[1].text, value)
	}
	assert.Contains(t, p.scrape(t), "\nfraudcheck_decision_log_dropped_total 0\n")
	p.Kill()
	<-p.Exited()

	p = start(t, config)
	p.send(t, "POST", "/v1/check", card+"}")
	lines = awaitDecisions(t, folder, 4)
	require.Equal(t, "gap", lines[2].Kind)
	require.Nil(t, lines[2].Lost)
	assert.Equal(t, lines[0].Subjects, lines[3].Subjects)
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	require.Zero(t, code)
	lines = decisionsIn(t, folder)
	require.Len(t, lines, 5)
	require.Zero(t, *lines[4].Lost, "a clean end")
	for i, l := range lines {
		assert.EqualValues(t, i+1, l.Seq)
	}
}

// A subject's ids are those that its lines have, whatever form it is written in.
func TestLogIDsAreThoseOfTheLog(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	config := guarded + "decision_log: {path: " + folder + "}\n"
	p := start(t, config)
	p.send(t, "POST", "/v1/check", `{"ip":"2001:db8::7","card_id":"tok_1","expiry":"12/30","email":"ana@example.com","cart":"c"}`)
	line := awaitDecisions(t, folder, 1)[0]
	idsOf := func(subject string) (said decisionLine) {
		stdout, stderr, code := typed(t, subject+"\n", "log-ids", "--config", p.config)
		require.Equal(t, 0, code, stderr)
		require.NoError(t, json.Unmarshal([]byte(stdout), &said))
		return said
	}
	for subject, names := range map[string][]string{
		`{"per":"ip","value":"2001:db8::9"}`:                    {"ip", "network"},
		`{"per":"network","value":"[2001:db8::7]:443"}`:         {"ip", "network"},
		`{"per":"email","value":" Ana+x@Example.com"}`:          {"email"},
		`{"per":"cart","value":"c"}`:                            {"cart"},
		`{"per":"card","card_id":"tok_1"}`:                      {"card"},
		`{"per":"card","card_id":"tok_1","expiry":"12 / 2030"}`: {"card", "expiry"},
	} {
		said := idsOf(subject)
		assert.Equal(t, line.Key, said.Key)
		assert.Len(t, said.Subjects, len(names), subject)
		for _, name := range names {
			assert.Equal(t, line.Subjects[name], said.Subjects[name], subject)
		}
	}
	for subject, want := range map[string]string{
		`{"per":"ip","value":"hidden"}`:  "standard input: value is invalid: expected an IPv4 or IPv6 address",
		`{"per":"card","last4":"42421"}`: "standard input: last4 is invalid: expected the card's last four digits",
		`hidden`:                         "standard input: ",
	} {
		stdout, stderr, code := typed(t, subject, "log-ids", "--config", p.config)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
		assert.NotContains(t, stderr, "hidden")
		assert.NotContains(t, stderr, "42421")
	}
	_, stderr, code := typed(t, `{"per":"ip","value":"203.0.113.7"}`, "log-ids")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "no key is configured")
}

// What is decided last is written before the program ends.
func TestAStopWritesTheDecisionLogToItsEnd(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p := start(t, guarded+"decision_log: {path: "+folder+"}\n")
	for n := range 50 {
		p.send(t, "POST", "/v1/check", fmt.Sprintf(`{"ip":"203.0.113.7","card_id":"tok_%d"}`, n))
	}
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	require.Zero(t, code)
	lines := decisionsIn(t, folder)
	require.Len(t, lines, 51)
	assert.Regexp(t, `:\d+$`, lines[0].Instance, "host name and port")
}

func TestTheKeyOfTheDecisionLogIsItsOwnWhereOneIsConfigured(t *testing.T) {
	own := writeFile(t, "log.key", strings.Repeat("l", 32)+"\n")
	keys := func(text string) *keys {
		s := configured(t, text)
		return s.keys
	}
	path := "decision_log: {path: /tmp/x"
	shared, other := keys(guarded+path+"}\n"), keys(guarded+path+", key_file: "+own+"}\n")
	assert.NotEqual(t, shared.decisions.KeyName(), other.decisions.KeyName())
	assert.Equal(t, other.decisions.KeyName(), keys(path+", key_file: "+own+"}\n").decisions.KeyName(), "whatever the hash key")
}

func TestMistakesInTheDecisionLogsSettings(t *testing.T) {
	short, own := writeFile(t, "short.key", "short\n"), writeFile(t, "own.key", "a long secret of the decision log only\n")
	same := writeFile(t, "same.key", hashKey+"\n")
	for text, want := range map[string]string{
		"decision_log: {path: /tmp/x}":                                                    "decision_log.path is set without hash_key_file or decision_log.key_file: the ids of each run are made with another key",
		"decision_log: {key_file: " + own + "}":                                           "decision_log.key_file has no effect without decision_log.path",
		"hash_key: " + hashKey + "\ndecision_log: {path: /tmp/x, key_file: " + same + "}": "decision_log.key_file is the same as hash_key: who knows one has the other",
	} {
		assert.Contains(t, accepts(t, text), "# warning: "+want+"\n", text)
	}
	assert.NotContains(t, accepts(t, "hash_key: "+hashKey+"\ndecision_log: {path: /tmp/x, key_file: "+own+"}"), "# warning: decision_log")
	refuses(t, "decision_log: {path: /tmp/x, key_file: "+short+"}", "decision_log.key_file: expected at least 32 bytes, and it has 5")
	refuses(t, "decision_log: {path: /tmp/x, key_file: /not/there}", "decision_log.key_file: cannot read /not/there")
	refuses(t, "decision_log: {days: 0}", "decision_log.days: expected a whole number, from 1 to 3650")
}
