package build

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAReleaseSaysItsVersionAndCommit(t *testing.T) {
	recorded, ok := Info()
	require.True(t, ok)
	version, commit, date = "v1.2.3", "0123456789abcdef0123456789abcdef01234567", "2026-11-28T13:00:00Z"
	t.Cleanup(func() { version, commit, date = "", "", "" })
	info, ok := Info()
	require.True(t, ok)
	assert.Equal(t, "v1.2.3", info.Main.Version)
	assert.Contains(t, info.Settings, debug.BuildSetting{Key: "vcs.revision", Value: commit})
	assert.Contains(t, info.Settings, debug.BuildSetting{Key: "vcs.time", Value: date})
	assert.Equal(t, recorded.GoVersion, info.GoVersion)
}

func TestAnImageWithoutVersionSaysItsCommit(t *testing.T) {
	recorded, ok := Info()
	require.True(t, ok)
	commit, date = "0123456789abcdef0123456789abcdef01234567", "2026-11-28T13:00:00Z"
	t.Cleanup(func() { commit, date = "", "" })
	info, ok := Info()
	require.True(t, ok)
	assert.Equal(t, recorded.Main.Version, info.Main.Version)
	assert.Contains(t, info.Settings, debug.BuildSetting{Key: "vcs.revision", Value: commit})
	assert.Contains(t, info.Settings, debug.BuildSetting{Key: "vcs.time", Value: date})
}
