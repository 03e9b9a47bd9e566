// Package verify has tests of the real program with real clients: ours, and with the build
// tag verify, which make verify sets, those that need the programs of others.
package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// start starts the program with a caller who may do everything that these tests do. Their
// shoppers have addresses of the loopback, which a collapse guard would not block.
func start(t *testing.T) *testbed.Instance {
	t.Helper()
	config := filepath.Join(t.TempDir(), "fraudcheck.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
listen: 127.0.0.1:0
operator_listen: 127.0.0.1:0
hash_key: staple-0123456789-0123456789-0123456789
auth: {basic: {users: [{username: checkout, password: correct-horse-battery, roles: [checker, analyst]}]}}
collapse_guard: {private: enforce}
`), 0o600))
	cmd := exec.Command(testbed.Program(t), "--config", config)
	i, err := testbed.StartInstance(t.Context(), t.TempDir(), cmd)
	require.NoError(t, err)
	t.Cleanup(i.Kill)
	return i
}
