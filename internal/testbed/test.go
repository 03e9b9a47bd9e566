package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Main runs the tests of a package that starts the program: it clears the environment
// of the program's settings, and removes what Program built.
func Main(m *testing.M) {
	ClearEnvironment()
	code := m.Run()
	_ = os.RemoveAll(builtIn)
	os.Exit(code)
}

var (
	builtIn string // a folder; empty until something is built
	built   = sync.OnceValues(func() (path string, err error) {
		if path := os.Getenv("TESTBED_PROGRAM"); path != "" {
			return path, nil // one for all packages
		}
		if builtIn, err = os.MkdirTemp("", "fraudcheck"); err != nil {
			return "", err
		}
		path = filepath.Join(builtIn, "fraudcheck")
		return path, Build(context.Background(), "", path)
	})
)

// Program returns the path of the program: that of TESTBED_PROGRAM, or it is built for the
// first test that asks. The package's TestMain must call Main. It skips the test where the race detector
// runs.
func Program(t testing.TB) string {
	t.Helper()
	SkipRace(t, "starts the program, which the detector does not reach")
	path, err := built()
	require.NoError(t, err)
	return path
}

// StartProcess is Start for tests: it kills the process when the test ends.
func StartProcess(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p, err := Start(t.TempDir(), cmd)
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

// NeedMemcached skips the test when memcached is not installed; where CI is set it
// fails it.
func NeedMemcached(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("memcached"); err != nil {
		if os.Getenv("CI") != "" {
			require.NoError(t, err)
		}
		t.Skip("memcached is not installed")
	}
}

// SkipShort skips a test that takes long when tests run with -short; why says what
// takes the time.
func SkipShort(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("long: " + why)
	}
}

// SkipRace skips a test that the race detector makes take long and has nothing to find
// in; why says what the test does. make test runs it without the detector.
func SkipRace(t testing.TB, why string) {
	t.Helper()
	if raceDetector {
		t.Skip("runs without -race: " + why)
	}
}

// A TestMemcached is a Memcached whose errors end the test.
type TestMemcached struct {
	*Memcached
	t testing.TB
}

// StartMemcached is NewMemcached on a port, for tests: it needs memcached on the
// machine, and kills the process when the test ends.
func StartMemcached(t testing.TB, args ...string) *TestMemcached {
	t.Helper()
	NeedMemcached(t)
	m, err := NewMemcached(context.Background(), t.TempDir(), "", append([]string{"-m", "64"}, args...)...)
	require.NoError(t, err)
	t.Cleanup(m.Kill)
	return &TestMemcached{Memcached: m, t: t}
}

// Start starts it again after Kill, on the same port and empty.
func (m *TestMemcached) Start() { require.NoError(m.t, m.Memcached.Start(context.Background())) }

// Hang stops the process without ending it.
func (m *TestMemcached) Hang() { require.NoError(m.t, m.Memcached.Hang(context.Background())) }

// Resume ends a hang.
func (m *TestMemcached) Resume() { require.NoError(m.t, m.Memcached.Resume()) }

// Stat returns a number among the server's statistics.
func (m *TestMemcached) Stat(name string) int {
	stats, err := m.Stats()
	require.NoError(m.t, err)
	require.Contains(m.t, stats, name)
	return int(stats[name])
}

// SecondsLeft returns how long the server means to keep the item.
func (m *TestMemcached) SecondsLeft(key string) (seconds int) {
	reply, err := m.Ask("mg " + key + " t")
	require.NoError(m.t, err)
	_, err = fmt.Sscanf(reply, "HD t%d\r\n", &seconds)
	require.NoError(m.t, err, reply)
	return seconds
}
