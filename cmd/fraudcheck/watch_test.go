package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
)

func TestAFileIsFollowed(t *testing.T) {
	file := writeFile(t, "list.txt", "192.0.2.1")
	w := new(fileWatch)
	settings := new(config.Settings)
	settings.Lists.BlockFile = file
	w.follow(filepath.Join(t.TempDir(), "none.yaml"), settings)
	require.False(t, w.poll())
	info, err := os.Stat(file)
	require.NoError(t, err)
	put := func(text string, modified time.Time) {
		t.Helper()
		require.NoError(t, os.WriteFile(file+".next", []byte(text), 0o600))
		require.NoError(t, os.Chtimes(file+".next", modified, modified))
		require.NoError(t, os.Rename(file+".next", file))
	}
	for _, step := range []struct {
		what   string
		change func()
	}{
		{"another size", func() { put("192.0.2.10", info.ModTime()) }},
		{"another time", func() { put("192.0.2.20", info.ModTime().Add(time.Second)) }},
		{"another file, else alike", func() { put("192.0.2.30", info.ModTime().Add(time.Second)) }},
		{"written in place", func() { require.NoError(t, os.WriteFile(file, []byte("192.0.2.1"), 0o600)) }},
	} {
		step.change()
		assert.True(t, w.poll(), step.what)
		assert.False(t, w.poll(), step.what)
	}
}

// A file that is being replaced may be missing for a moment; one that is gone is told once.
func TestAFileThatIsGoneIsAChange(t *testing.T) {
	file := writeFile(t, "list.txt", "192.0.2.1")
	w := new(fileWatch)
	w.follow(file, &config.Settings{})
	require.NoError(t, os.Rename(file, file+".away"))
	for range maxMissing {
		require.False(t, w.poll())
	}
	require.NoError(t, os.Rename(file+".away", file))
	require.False(t, w.poll(), "it is the same one")
	require.NoError(t, os.Remove(file))
	for range maxMissing {
		require.False(t, w.poll())
	}
	require.True(t, w.poll())
	for range 2 * maxMissing {
		require.False(t, w.poll(), "told once")
	}
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.True(t, w.poll())
}
