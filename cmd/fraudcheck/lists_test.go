package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
	"fraudcheck/internal/testbed"
)

// A listing is a configuration whose lists have files, read in this process.
type listing struct {
	t       *testing.T
	dir     string
	inForce listFiles
}

func newListing(t *testing.T, allow, block string) *listing {
	l := &listing{t: t, dir: t.TempDir()}
	l.configure("allow_file: allow.txt, block_file: block.txt")
	l.write("allow.txt", allow)
	l.write("block.txt", block)
	return l
}

func (l *listing) write(name, text string) {
	l.t.Helper()
	require.NoError(l.t, os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600))
}

func (l *listing) configure(lists string) {
	l.t.Helper()
	l.write("f.yaml", guarded+"lists: {"+lists+"}\n")
}

func (l *listing) start() (*policy, error) {
	p, err := configure(&flags{Config: filepath.Join(l.dir, "f.yaml")}, config.FilesAndPipes)
	if err == nil {
		l.inForce = p.listFiles
	}
	return p, err
}

// reload compiles the configuration again, and returns what of it was refused, with DIR for
// the folder.
func (l *listing) reload() (refused []string) {
	l.t.Helper()
	p, err := configureAfter(&flags{Config: filepath.Join(l.dir, "f.yaml")}, config.RegularFiles, l.inForce)
	require.NoError(l.t, err)
	l.inForce = p.listFiles
	for _, wrong := range p.refused {
		refused = append(refused, strings.ReplaceAll(wrong.Error(), l.dir, "DIR"))
	}
	return refused
}

// holds are the networks of that list that are in force, with their notes.
func (l *listing) holds(list string) (entries []string) {
	if file := l.inForce[list]; file != nil {
		for _, e := range file.entries {
			entries = append(entries, strings.TrimSpace(e.Net.String()+" "+e.Note))
		}
	}
	return entries
}

func TestAFileOfNetworksIsRead(t *testing.T) {
	l := newListing(t, "\ufeff# partners\n\n198.51.100.7 # our call centre\r\n  2001:db8::/32#ours\n\t\n", "::ffff:192.0.2.1\n192.0.2.0/24")
	_, err := l.start()
	require.NoError(t, err)
	assert.Equal(t, []string{"198.51.100.7/32 our call centre", "2001:db8::/32 ours"}, l.holds("allow"))
	assert.Equal(t, []string{"192.0.2.1/32", "192.0.2.0/24"}, l.holds("block"))
	stdout, stderr, code := configCheck(t, "--config", filepath.Join(l.dir, "f.yaml"))
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "# lists.allow_file holds 2 networks\n# lists.block_file holds 2 networks\n")
}

func TestAWrongFileOfNetworksStopsTheStartWithItsLine(t *testing.T) {
	const network = "wrong value; expected an address, or a network without host bits such as 198.51.100.0/24"
	for name, tt := range map[string]struct{ lists, allow, want string }{
		"a word":              {"", "198.51.100.7\n\nstaple\n", "DIR/allow.txt:3: lists.allow_file: " + network},
		"two in a line":       {"", "198.51.100.7 198.51.100.8\n", "DIR/allow.txt:1: lists.allow_file: " + network + "; write each on a line of its own"},
		"an IPv4 network":     {"", "::ffff:198.51.100.0/120\n", "DIR/allow.txt:1: lists.allow_file: " + network + "; did you mean 198.51.100.0/24?"},
		"one behind NAT64":    {"", "64:ff9b::c633:6400/120\n", "DIR/allow.txt:1: lists.allow_file: " + network + "; did you mean 198.51.100.0/24?"},
		"all of NAT64":        {"", "64:ff9b::/96\n", "DIR/allow.txt:1: lists.allow_file: " + network + "; did you mean 0.0.0.0/0?"},
		"host bits":           {"", "# x\n10.0.0.1/8 # y\n", "DIR/allow.txt:2: lists.allow_file: " + network + "; did you mean 10.0.0.0/8?"},
		"no file":             {"allow_file: nothing.txt", "", "DIR/f.yaml:LAST: lists.allow_file: cannot read DIR/nothing.txt: no such file or directory"},
		"in both files":       {"", "198.51.100.7\n192.0.2.0/24\n", "DIR/block.txt:2: lists.block_file: wrong value; expected a network that is not listed yet, in either list: line 2 of lists.allow_file has it"},
		"in a file and not":   {"allow: [{net: 10.0.0.1}, {net: 192.0.2.0/24}], block_file: block.txt", "", "DIR/block.txt:2: lists.block_file: wrong value; expected a network that is not listed yet, in either list: lists.allow[1] has it"},
		"in the list and not": {"block: [{net: 198.51.100.7}], allow_file: allow.txt", "198.51.100.7/32\n", "DIR/allow.txt:1: lists.allow_file: wrong value; expected a network that is not listed yet, in either list: lists.block[0] has it"},
	} {
		l := newListing(t, tt.allow, "192.0.2.1\n192.0.2.0/24\n")
		if tt.lists != "" {
			l.configure(tt.lists)
		}
		_, err := l.start()
		require.Error(t, err, name)
		last := fmt.Sprint(strings.Count(guarded, "\n") + 1)
		assert.Equal(t, strings.Replace(tt.want, "LAST", last, 1), strings.ReplaceAll(err.Error(), l.dir, "DIR"), name)
	}
}

// Feeds repeat themselves, and say again what the configuration says.
func TestAFileOfNetworksMayRepeatItsList(t *testing.T) {
	l := newListing(t, "198.51.100.7\n198.51.100.7\n192.0.2.1\n", "")
	l.configure("allow: [{net: 192.0.2.1, until: 2020-01-31T00:00:00Z}], allow_file: allow.txt")
	p, err := l.start()
	require.NoError(t, err)
	assert.Len(t, p.listFiles["allow"].entries, 3)
}

func TestAtAReloadAWrongFileOfNetworksStopsNothingElse(t *testing.T) {
	const twice = ": wrong value; expected a network that is not listed yet, in either list: "
	l := newListing(t, "198.51.100.7\n", "192.0.2.1\n")
	_, err := l.start()
	require.NoError(t, err)
	for _, step := range []struct {
		what         string
		change       func()
		want         string
		allow, block string
	}{
		{"good", func() { l.write("allow.txt", "198.51.100.8\n") }, "", "198.51.100.8/32", "192.0.2.1/32"},
		{"a wrong line, and another good file", func() { l.write("allow.txt", "198.51.100.9\nstaple\n"); l.write("block.txt", "192.0.2.2\n") },
			"DIR/allow.txt:2: lists.allow_file: wrong value; expected an address, or a network without host bits such as 198.51.100.0/24", "198.51.100.8/32", "192.0.2.2/32"},
		{"still wrong, with the entries of the last good one", func() {},
			"DIR/allow.txt:2: lists.allow_file: wrong value; expected an address, or a network without host bits such as 198.51.100.0/24", "198.51.100.8/32", "192.0.2.2/32"},
		{"empty", func() { l.write("allow.txt", "") },
			"DIR/f.yaml:LAST: lists.allow_file: it is empty: it may be half written (a line that begins with # says that there is no network)", "198.51.100.8/32", "192.0.2.2/32"},
		{"blank, as of a feed that failed", func() { l.write("allow.txt", "\r\n \n") },
			"DIR/f.yaml:LAST: lists.allow_file: it is empty: it may be half written (a line that begins with # says that there is no network)", "198.51.100.8/32", "192.0.2.2/32"},
		{"gone", func() { require.NoError(t, os.Remove(filepath.Join(l.dir, "allow.txt"))) },
			"DIR/f.yaml:LAST: lists.allow_file: cannot read DIR/allow.txt: no such file or directory", "198.51.100.8/32", "192.0.2.2/32"},
		{"a pipe", func() { require.NoError(t, syscall.Mkfifo(filepath.Join(l.dir, "allow.txt"), 0o600)) },
			"DIR/f.yaml:LAST: lists.allow_file: cannot read DIR/allow.txt: it is no regular file", "198.51.100.8/32", "192.0.2.2/32"},
		{"a comment alone", func() {
			require.NoError(t, os.Remove(filepath.Join(l.dir, "allow.txt")))
			l.write("allow.txt", "# none")
		}, "", "", "192.0.2.2/32"},
		{"in both files", func() {
			l.write("allow.txt", "192.0.2.2\n203.0.113.1\n")
			l.write("block.txt", "192.0.2.2\n192.0.2.3\n")
		},
			"DIR/block.txt:1: lists.block_file" + twice + "line 1 of lists.allow_file has it", "", "192.0.2.2/32"},
		{"moved from one to the other", func() { l.write("allow.txt", "192.0.2.2\n"); l.write("block.txt", "192.0.2.3\n") }, "", "192.0.2.2/32", "192.0.2.3/32"},
		{"in the configuration's other list", func() {
			l.configure("allow: [{net: 192.0.2.9}], allow_file: allow.txt, block_file: block.txt")
			l.write("block.txt", "192.0.2.4\n192.0.2.9\n")
		}, "DIR/block.txt:2: lists.block_file" + twice + "lists.allow[0] has it", "192.0.2.2/32", "192.0.2.3/32"},
		{"no file any more", func() { l.configure("") }, "", "", ""},
		{"a file that is new, and wrong", func() { l.configure("block_file: block2.txt"); l.write("block2.txt", "x\n") },
			"DIR/block2.txt:1: lists.block_file: wrong value; expected an address, or a network without host bits such as 198.51.100.0/24", "", ""},
	} {
		step.change()
		want := strings.Replace(step.want, "LAST", fmt.Sprint(strings.Count(guarded, "\n")+1), 1)
		assert.Equal(t, want, strings.Join(l.reload(), "\n"), step.what)
		assert.Equal(t, step.allow, strings.Join(l.holds("allow"), " "), step.what)
		assert.Equal(t, step.block, strings.Join(l.holds("block"), " "), step.what)
	}
	// The entries in force and the configuration itself disagree: which is meant?
	l.configure("block_file: block.txt")
	l.write("block.txt", "192.0.2.3\n")
	require.Empty(t, l.reload())
	l.configure("allow: [{net: 192.0.2.3}], block_file: block.txt")
	_, err = configureAfter(&flags{Config: filepath.Join(l.dir, "f.yaml")}, config.RegularFiles, l.inForce)
	assert.ErrorContains(t, err, "lists.block_file"+twice+"lists.allow[0] has it")
}

func TestAStartReadsAFileOfNetworksFromAPipe(t *testing.T) {
	l := newListing(t, "198.51.100.7\n", "")
	pipe := filepath.Join(l.dir, "block.txt")
	require.NoError(t, os.Remove(pipe))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	go func() {
		if f, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteString("192.0.2.1 # a feed\n")
			_ = f.Close()
		}
	}()
	_, err := l.start()
	require.NoError(t, err)
	assert.Equal(t, []string{"192.0.2.1/32 a feed"}, l.holds("block"))
}

func TestAListOfEveryAddressInAFileIsWarnedOf(t *testing.T) {
	l := newListing(t, "# all\n::/0\n", "0.0.0.0/0\n")
	p, err := l.start()
	require.NoError(t, err)
	warnings := strings.Join(p.warnings, "\n")
	assert.Contains(t, warnings, "lists.allow_file holds every IPv6 address, in line 2: no rule blocks any")
	assert.NotContains(t, warnings, "lists.block_file")
}

// The whole way: a file that changes is followed, and a wrong one is said, counted, and
// leaves what is in force.
func TestTheFilesOfListsAreFollowed(t *testing.T) {
	testbed.SkipRace(t, "starts the program")
	t.Parallel()
	block := writeFile(t, "block.txt", "203.0.113.0/24\n")
	r := startReloading(t, guarded+"lists: {block_file: "+block+"}\n")
	require.Equal(t, "block", r.decide(t, "203.0.113.7", "1001"))
	require.Equal(t, "allow", r.decide(t, "192.0.2.1", "1001"))
	write := func(text string) {
		require.NoError(t, os.WriteFile(block+".next", []byte(text), 0o600))
		require.NoError(t, os.Rename(block+".next", block))
	}
	write("192.0.2.0/24 # a feed\n")
	r.await(t, r.stderr, `Configuration reloaded`)
	assert.Equal(t, "block", r.decide(t, "192.0.2.1", "1001"))
	assert.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"))

	write("203.0.113.0/24\nstaple\n")
	r.await(t, r.stderr, `ERROR .*Configuration: .*block\.txt:2: lists\.block_file: wrong value; .*; the entries read from that file before stay in force, and all else is reloaded\n`)
	assert.Equal(t, "block", r.decide(t, "192.0.2.1", "1001"))
	assert.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"))
	metrics, err := r.try(r.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	assert.Contains(t, metrics.body, `fraudcheck_config_reloads_total{result="error"} 1`)
	assert.Contains(t, metrics.body, `fraudcheck_config_reloads_total{result="ok"} 1`)
}
