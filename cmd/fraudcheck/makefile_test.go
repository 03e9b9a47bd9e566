package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where Go is missing or too old, make says which one is needed and which one there is.
// One that should fetch a newer Go and cannot is not missing, and its reason is shown.
func TestMakeSaysWhichGoIsNeeded(t *testing.T) {
	const (
		old   = "#!/bin/sh\necho go version go1.19.8 linux/amd64\n"
		stuck = "#!/bin/sh\n[ \"$GOTOOLCHAIN\" = local ] && { echo go version go1.24.4 linux/amd64; exit; }\necho 'go: download go1.26.8: no network' >&2\nexit 1\n"
		needs = "fraudcheck needs Go 1.26 or newer, see https://go.dev/dl; here is "
	)
	for name, c := range map[string]struct{ script, says string }{
		"none":         {"", needs + "none\n"},
		"too old":      {old, needs + "go version go1.19.8 linux/amd64\n"},
		"cannot fetch": {stuck, "go: download go1.26.8: no network\n" + needs + "go version go1.24.4 linux/amd64\n"},
	} {
		t.Run(name, func(t *testing.T) {
			makeProgram, err := exec.LookPath("make")
			if err != nil {
				t.Skip("make is not installed")
			}
			sed, err := exec.LookPath("sed")
			require.NoError(t, err)
			path := t.TempDir()
			require.NoError(t, os.Symlink(sed, filepath.Join(path, "sed")))
			if c.script != "" {
				require.NoError(t, os.WriteFile(filepath.Join(path, "go"), []byte(c.script), 0o700))
			}
			cmd := exec.CommandContext(t.Context(), makeProgram, "build")
			cmd.Dir, cmd.Env = root, []string{"PATH=" + path}
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			assert.Regexp(t, "^"+c.says+"make: ", string(out))
		})
	}
}
