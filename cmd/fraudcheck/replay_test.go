package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	replayBlock = regexp.MustCompile("(?s)```console\n\\$ ./fraudcheck (.*?)\n(.*?)```")
	shellWord   = regexp.MustCompile(`'[^']*'|[^ ]+`)
)

// Every command of the page prints what the page says.
func TestTheReplayPageShowsWhatTheProgramPrints(t *testing.T) {
	t.Chdir(root)
	text, err := os.ReadFile("docs/replay.md")
	require.NoError(t, err)
	blocks := replayBlock.FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 3)
	for _, block := range blocks {
		command, head, cut := strings.Cut(block[1], " | head -n ")
		var args []string
		for _, word := range shellWord.FindAllString(command, -1) {
			args = append(args, strings.Trim(word, "'"))
		}
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(args, &stdout, &stderr), stderr.String())
		printed := stdout.String()
		if cut {
			n, err := strconv.Atoi(head)
			require.NoError(t, err)
			printed = strings.Join(strings.SplitAfter(printed, "\n")[:n], "")
		}
		assert.Equal(t, block[2], printed, command)
	}
}

func TestReplayWritesFilesThatAreWhole(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	history, rules := in("history.csv"), in("rules.yaml")
	require.NoError(t, os.WriteFile(rules, []byte("rules: [{name: two_cards, per: ip, count: cards, window: 1h, block_over: 1}]\n"), 0o600))
	require.NoError(t, os.WriteFile(history, []byte("time,ip,card_id\n1,203.0.113.7,a\n2,203.0.113.7,b\n3,10.0.0.7,a\n4,10.0.0.7,b\n"), 0o600))
	var stdout, stderr bytes.Buffer
	args := []string{"--config", rules, "replay", "--decisions", in("d.csv"), "--json", in("r.json"), "--sweep", "two_cards block_over=1,2", history}
	require.Zero(t, run(args, &stdout, &stderr), stderr.String())

	decisions, err := os.ReadFile(in("d.csv"))
	require.NoError(t, err)
	assert.Equal(t, "row,decision,reasons,counts\n1,allow,,two_cards=1\n2,block,two_cards,two_cards=2\n"+
		"3,allow,,two_cards=1\n4,review,two_cards,two_cards=2\n", string(decisions), "the collapse guard reviews a private address")
	var result struct {
		Decisions map[string]int
		Cells     []map[string]any
	}
	text, err := os.ReadFile(in("r.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &result))
	assert.Equal(t, map[string]int{"allow": 2, "review": 1, "block": 1}, result.Decisions)
	require.Len(t, result.Cells, 2)
	for key, want := range map[string]any{"rule": "two_cards", "block_over": 1.0, "window_seconds": 3600.0, "rows": 4.0, "would_block": 1.0, "would_review": 1.0} {
		assert.Equal(t, want, result.Cells[0][key], key)
	}
	assert.NotContains(t, result.Cells[0], "precision")

	// A run that fails leaves what was there.
	require.NoError(t, os.WriteFile(history, []byte("time,ip,card_id\n2,203.0.113.7,a\n1,203.0.113.7,b\n"), 0o600))
	stderr.Reset()
	require.Equal(t, 1, run(args, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "row 2 ")
	after, err := os.ReadFile(in("d.csv"))
	require.NoError(t, err)
	assert.Equal(t, string(decisions), string(after))
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, files, 4, "and nothing half written")
}

// What replay writes never takes the place of what it reads.
func TestReplayReplacesNoFileThatItReads(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	const history = "time,ip,card_id\n1,203.0.113.7,a\n"
	require.NoError(t, os.WriteFile(in("history.csv"), []byte(history), 0o600))
	require.NoError(t, os.Link(in("history.csv"), in("linked.csv")))
	require.NoError(t, os.Symlink(in("history.csv"), in("symbolic.csv")))
	for _, option := range []string{"--decisions", "--json", "--html"} {
		for path, want := range map[string]string{
			in("history.csv"): "is a file of the history", in("linked.csv"): "is a file of the history", in("symbolic.csv"): "is a file of the history",
			"-": "expected the name of a file",
		} {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 1, run([]string{"replay", option, path, in("history.csv")}, &stdout, &stderr), option)
			assert.Contains(t, stderr.String(), option+": ")
			assert.Contains(t, stderr.String(), want)
			assert.Empty(t, stdout.String())
		}
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, run([]string{"replay", "--json", in("x"), "--html", in(".") + "/./x", in("history.csv")}, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "--html: expected another file than that of --json")
	after, err := os.ReadFile(in("history.csv"))
	require.NoError(t, err)
	assert.Equal(t, history, string(after))
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, files, 3)
}

func TestReplaySaysThatASubjectWasNotFound(t *testing.T) {
	history := filepath.Join(t.TempDir(), "history.csv")
	require.NoError(t, os.WriteFile(history, []byte("time,ip,card_id\n1,203.0.113.7,a\n"), 0o600))
	for subject, found := range map[string]bool{"ip=203.0.113.7": true, "ip=203.0.113.8": false} {
		var stdout, stderr bytes.Buffer
		require.Zero(t, run([]string{"replay", "--explain", subject, history}, &stdout, &stderr), stderr.String())
		assert.Equal(t, found, !strings.HasPrefix(stdout.String(), "--explain: no attempt of that subject was judged\n"), stdout.String())
	}
}
