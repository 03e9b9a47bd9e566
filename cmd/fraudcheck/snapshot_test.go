package main

import (
	"os"
	"path/filepath"
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
	_, stderr, code := command("check-config", "--config", writeFile(t, "fraudcheck.yaml", "store: {memory: {snapshot_file: "+file+"}}"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "hash_key_file: missing; expected ")
}
