package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProcessorTimeIsRead(t *testing.T) {
	n, err := ticksIn("17 (a ) b) S 1 17 17 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 99 1 2")
	require.NoError(t, err)
	require.Equal(t, 127, n)
	_, err = ticksIn("17 (a")
	require.Error(t, err)

	before, err := CPU(os.Getpid())
	require.NoError(t, err)
	machine, err := MachineCPU()
	require.NoError(t, err)
	after := before
	for after < before+50*time.Millisecond { // the reading is the work
		after, err = CPU(os.Getpid())
		require.NoError(t, err)
	}
	used := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		require.NoError(t, syscall.Getrusage(who, &u))
		used += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	require.InDelta(t, used, after.Seconds(), 0.1)
	now, err := MachineCPU()
	require.NoError(t, err)
	require.Greater(t, now, machine)
}

func TestATreeHasAllDescendants(t *testing.T) {
	p, err := Start(t.TempDir(), exec.Command("/bin/sh", "-c", "(/bin/sh -c 'sleep 60; :'; :) & sleep 60"))
	require.NoError(t, err)
	var tree []int
	require.NoError(t, p.Await(t.Context(), Prompt, func() bool {
		tree, err = Tree(p.PID())
		return err == nil && len(tree) == 5
	}))
	require.Equal(t, p.PID(), tree[0])
	p.Stop()
	require.Eventually(t, func() bool {
		for _, pid := range tree {
			state, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
			if len(state) > 0 && !strings.Contains(string(state), ") Z ") {
				return false
			}
		}
		return true
	}, Prompt, PollInterval, "all of it ends with its root")
}
