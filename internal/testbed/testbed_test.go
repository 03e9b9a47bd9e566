package testbed

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func TestAProcessIsReadAndEnds(t *testing.T) {
	p := StartProcess(t, exec.Command("/bin/sh", "-c", "echo out; echo err >&2; read never; exit 3"))
	found, err := p.AwaitOutput(t.Context(), p.Stderr, regexp.MustCompile(`(e)rr`))
	// Its standard input is empty, so it may have ended by now: what it wrote counts all the same.
	require.NoError(t, err)
	assert.Equal(t, []string{"err", "e"}, found)
	<-p.Exited()
	assert.Equal(t, "out\n", p.Stdout.String())
	assert.Equal(t, 3, p.ExitCode())
	_, err = p.AwaitOutput(t.Context(), p.Stdout, regexp.MustCompile("more"))
	assert.ErrorContains(t, err, "it ended:\nerr")
}

func TestKillEndsWhatAProcessStarted(t *testing.T) {
	p := StartProcess(t, exec.Command("/bin/sh", "-c", "sleep 600 & echo $! ready; wait"))
	_, err := p.AwaitOutput(t.Context(), p.Stdout, regexp.MustCompile("ready"))
	require.NoError(t, err)
	assert.Equal(t, -1, p.ExitCode())
	p.Kill()
	// Its group is empty, or holds what init has not collected yet.
	require.Eventually(t, func() bool { return syscall.Kill(-p.PID(), 0) == syscall.ESRCH }, Prompt, PollInterval)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	p := StartProcess(t, exec.Command("sleep", "600"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, p.Await(ctx, time.Hour, func() bool { return false }), context.DeadlineExceeded)
	assert.ErrorContains(t, p.Await(t.Context(), 0, func() bool { return false }), "not ready")
}

func TestMemcachedComesBackEmptyAtTheSameAddress(t *testing.T) {
	NeedMemcached(t)
	for _, socket := range []string{"", filepath.Join(t.TempDir(), "socket")} {
		m, err := NewMemcached(t.Context(), t.TempDir(), socket)
		require.NoError(t, err)
		t.Cleanup(func() { m.Kill() })
		reply, err := m.Ask("set k 0 0 1\r\nv")
		require.NoError(t, err)
		assert.Equal(t, "STORED\r\n", reply)
		addr := m.Addr
		m.Kill()
		_, err = m.Ask("get k")
		require.Error(t, err)
		require.NoError(t, m.Start(t.Context()))
		assert.Equal(t, addr, m.Addr)
		reply, err = m.Ask("get k")
		require.NoError(t, err)
		assert.Equal(t, "END\r\n", reply)
	}
}

func TestMemcachedHangsAndGoesOn(t *testing.T) {
	m := StartMemcached(t)
	m.Hang()
	assert.True(t, m.stopped())
	m.Resume()
	assert.Zero(t, m.Stat("curr_items"))
	assert.False(t, m.stopped())
}

func TestAnInstanceSaysWhereItListens(t *testing.T) {
	cmd := exec.Command(Program(t), "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	i, err := StartInstance(t.Context(), t.TempDir(), cmd)
	require.NoError(t, err)
	t.Cleanup(i.Kill)
	require.Eventually(t, i.Ready, Prompt, PollInterval)
	m, err := i.Metrics()
	require.NoError(t, err)
	assert.Contains(t, m, "go_goroutines")
	assert.Positive(t, i.ResidentKiB())
	i.Stop()
	assert.Zero(t, i.ExitCode())
	assert.False(t, i.Ready())

	_, err = StartInstance(t.Context(), t.TempDir(), exec.Command(Program(t), "--listen", "nowhere"))
	assert.ErrorContains(t, err, "expected host:port")
}

func TestMetricsAreReadBySeriesAndAddedUpByName(t *testing.T) {
	m := ParseMetrics("# TYPE a counter\na{x=\"1 2\"} 3\na{x=\"}\"} 4\nab 1e+06\n")
	assert.Equal(t, Metrics{`a{x="1 2"}`: 3, `a{x="}"}`: 4, "ab": 1e6}, m)
	sum, there := m.Sum("a")
	assert.True(t, there)
	assert.EqualValues(t, 7, sum)
	_, there = m.Sum("b")
	assert.False(t, there)
}

func TestSettingsOfTheProgramAreNotInherited(t *testing.T) {
	t.Setenv("FRAUDCHECK_LISTEN", "nowhere")
	ClearEnvironment()
	p := StartProcess(t, exec.Command("env"))
	<-p.Exited()
	assert.False(t, strings.Contains(p.Stdout.String(), "FRAUDCHECK_"))
}

func TestACommitIsBuiltAsItWas(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	version := func(text string) { // of the program, which prints it
		write("cmd/fraudcheck/version.go", "package main\n\nconst version = `"+text+"`\n")
	}
	t.Chdir(t.TempDir())
	write("go.mod", "module fraudcheck\n")
	write("cmd/fraudcheck/main.go", "package main\n\nimport `os`\n\nfunc main() { _, _ = os.Stdout.WriteString(version) }\n")
	version("committed")
	for _, args := range []string{"init -q", "add .", "-c user.name=a -c user.email=a@localhost commit -qm first"} {
		out, err := exec.CommandContext(t.Context(), "git", strings.Fields(args)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	version("changed")

	t.Chdir("cmd") // a commit is the whole of it, wherever this is
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	prints := func() string {
		out, err := exec.CommandContext(t.Context(), path).Output()
		require.NoError(t, err)
		return string(out)
	}
	require.NoError(t, BuildCommit(t.Context(), "HEAD", path))
	assert.Equal(t, "committed", prints())
	require.NoError(t, Build(t.Context(), "", path))
	assert.Equal(t, "changed", prints())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "the copy is removed")
	for _, name := range []string{"no-such-commit", "--all", ""} {
		assert.Error(t, BuildCommit(t.Context(), name, path))
	}
}

func TestAMachineSaysWhatItIs(t *testing.T) {
	require.Regexp(t, `^.+, \d+ cores, Linux \S+, go\S+, memcached .+\n.+ socket: [0-9.]+ µs; .+: [0-9.]+ µs$`, Machine())
}
