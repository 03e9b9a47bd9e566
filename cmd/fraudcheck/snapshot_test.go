package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// remembering configures a program that keeps its records over a restart.
func remembering(t *testing.T) (config, file string) {
	file = filepath.Join(t.TempDir(), "records")
	return guarded + "store: {memory: {max_bytes: 16MiB, snapshot_every: 1s, snapshot_file: " + file + "}}\n", file
}

func (p *program) block(t *testing.T, ip string) {
	t.Helper()
	for _, last4 := range []string{"1001", "1002", "1003", "1004", "1005"} {
		require.NotEqual(t, "block", p.decide(t, ip, last4))
	}
	require.Equal(t, "block", p.decide(t, ip, "1006"))
}

func TestABlockedAddressStaysBlockedOverARestart(t *testing.T) {
	t.Parallel()
	config, file := remembering(t)
	p := start(t, config)
	p.block(t, "203.0.113.7")
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	require.Zero(t, code)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	p = start(t, config)
	p.await(t, p.stderr, `Remembering 1 record from the snapshot`)
	require.Equal(t, "block", p.decide(t, "203.0.113.7", "1007"))
}

func TestAKilledProgramRemembersItsLastSnapshot(t *testing.T) {
	testbed.SkipShort(t, "snapshots are a second apart")
	config, file := remembering(t)
	p := start(t, config)
	p.block(t, "203.0.113.7")
	since := time.Now()
	require.Eventually(t, func() bool { // one that was begun after that
		info, err := os.Stat(file)
		return err == nil && info.ModTime().After(since.Add(time.Second))
	}, prompt, 10*time.Millisecond)
	p.signal(t, syscall.SIGKILL)
	<-p.Exited()
	p = start(t, config)
	require.Equal(t, "block", p.decide(t, "203.0.113.7", "1007"))
}

func TestAnUnusableSnapshotIsSetAside(t *testing.T) {
	config, file := remembering(t)
	require.NoError(t, os.WriteFile(file, []byte("not a snapshot"), 0o600))
	p := start(t, config)
	p.await(t, p.stderr, `WARNING .*snapshot_file cannot be used and is set aside`)
	text, err := os.ReadFile(file + ".unusable")
	require.NoError(t, err)
	require.Equal(t, "not a snapshot", string(text))
	require.Equal(t, "allow", p.decide(t, "203.0.113.7", "1001"))
}

func TestASnapshotNeedsAHashKeyThatStays(t *testing.T) {
	_, file := remembering(t)
	_, stderr, code := configCheck(t, "--config", writeFile(t, "fraudcheck.yaml", "store: {memory: {snapshot_file: "+file+"}}"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "hash_key_file: missing; expected ")
}

func TestASnapshotFileThatCannotBeWrittenIsRefusedAtTheStart(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	const cannot, irregular = "cannot create a file in ", "not a regular file"
	for name, c := range map[string]struct{ file, problem string }{
		"a folder that is not there": {filepath.Join(folder, "missing", "records"), cannot},
		"a folder that is read-only": {"/proc/records", cannot},
		"a folder":                   {folder, irregular},
		"a FIFO":                     {fifo, irregular},
		"a device":                   {"/dev/zero", irregular},
	} {
		t.Run(name, func(t *testing.T) {
			p := launch(t, guarded+"store: {memory: {snapshot_file: "+c.file+"}}\n")
			code, _ := p.exitCode(t)
			require.Equal(t, 1, code)
			problem := regexp.QuoteMeta(p.config) + `:\d+: store.memory.snapshot_file: ` + c.problem
			require.Regexp(t, "fraudcheck: "+problem, p.stderr)

			stdout, _, code := configCheck(t, "--config", p.config)
			require.Zero(t, code, "it may be another machine's configuration")
			require.Regexp(t, "# warning: "+problem, stdout)
		})
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1, "trying it leaves nothing")
}

// Reading this snapshot takes minutes: 100 GB, of which the beginning is right.
func TestAStopDoesNotWaitForALongSnapshot(t *testing.T) {
	config, file := remembering(t)
	require.NoError(t, os.WriteFile(file, []byte("fraudcheck snapshot 1\n"), 0o600))
	require.NoError(t, os.Truncate(file, 100<<30))
	p := launch(t, config)
	p.await(t, p.stderr, `Reading the snapshot`)
	p.signal(t, syscall.SIGTERM)
	p.exitCode(t)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 100<<30, info.Size(), "it is read again at the next start")
}

func TestALongFileThatIsNoSnapshotIsSetAsideUnread(t *testing.T) {
	config, file := remembering(t)
	require.NoError(t, os.WriteFile(file, []byte("no snapshot"), 0o600))
	require.NoError(t, os.Truncate(file, 100<<30))
	p := start(t, config)
	p.await(t, p.stderr, `WARNING .*snapshot_file cannot be used and is set aside`)
}

// startOnSlowDisk starts the program where every fsync takes that long.
func startOnSlowDisk(t *testing.T, config string, fsync time.Duration) *program {
	t.Helper()
	slow := []string{"-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", fmt.Sprintf("inject=fsync:delay_enter=%d", fsync.Microseconds())}
	if out, err := exec.Command("strace", append(slow, "true")...).CombinedOutput(); err != nil {
		t.Skipf("strace makes the disk slow: %v %s", err, out)
	}
	cmd := exec.Command("strace", append(slow, testbed.Program(t), "--config", writeFile(t, "fraudcheck.yaml", config))...)
	cmd.Env = []string{"FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:0"}
	p := launchCommand(t, cmd)
	p.awaitPorts(t)
	return p
}

// awaitUnfinished waits until the program writes a snapshot, and returns its name.
func awaitUnfinished(t *testing.T, file string) (unfinished string) {
	t.Helper()
	require.Eventually(t, func() bool {
		found, err := filepath.Glob(file + ".new-*")
		if err == nil && len(found) > 0 {
			unfinished = found[0]
		}
		return unfinished != ""
	}, prompt, 5*time.Millisecond)
	return unfinished
}

func TestTheLastSnapshotReplacesOneThatIsStillBeingWritten(t *testing.T) {
	t.Parallel()
	config, file := remembering(t)
	p := startOnSlowDisk(t, config, 500*time.Millisecond)
	awaitUnfinished(t, file)
	p.block(t, "203.0.113.7")
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	require.Zero(t, code)
	p = start(t, config)
	require.Equal(t, "block", p.decide(t, "203.0.113.7", "1007"))
}

func TestASecondSignalDoesNotWaitForTheLastSnapshot(t *testing.T) {
	t.Parallel()
	config, file := remembering(t)
	config = strings.Replace(config, "snapshot_every: 1s", "snapshot_every: 1h", 1)
	p := startOnSlowDisk(t, config, 4*time.Second)
	require.Equal(t, "allow", p.decide(t, "203.0.113.7", "1001"))
	p.signal(t, syscall.SIGTERM)
	awaitUnfinished(t, file)
	p.signalAgain(t, syscall.SIGTERM)
	p.await(t, p.stderr, `(?m)^fraudcheck: stopped by a further signal, before everything was written$`)
	require.NoFileExists(t, file, "the snapshot is not there yet")
	code, _ := p.exitCode(t) // strace lets go of it when the fsync ends
	require.Equal(t, 1, code)
}

func TestAnUnfinishedSnapshotIsRemovedAtTheNextStart(t *testing.T) {
	t.Parallel()
	config, file := remembering(t)
	p := startOnSlowDisk(t, config, 3*time.Second)
	unfinished := awaitUnfinished(t, file)
	p.signal(t, syscall.SIGKILL)
	<-p.Exited()
	require.FileExists(t, unfinished)
	another := file + ".newer"
	require.NoError(t, os.WriteFile(another, nil, 0o600))
	start(t, config)
	require.NoFileExists(t, unfinished)
	require.FileExists(t, another)
}

// Memory is mapped as the store fills, so a bound that the system could never give does
// not stop the start.
func TestALargeStoreStartsUnderALimitOfAddressSpace(t *testing.T) {
	config := writeFile(t, "fraudcheck.yaml", guarded+"store: {memory: {max_bytes: 64GiB}}")
	cmd := exec.Command("sh", "-c", `ulimit -v 8000000 && exec "$0" --config "$1"`, testbed.Program(t), config) // 8 GB
	cmd.Env = []string{"FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:0"}
	p := launchCommand(t, cmd)
	p.awaitPorts(t)
	p.block(t, "203.0.113.7")
}
