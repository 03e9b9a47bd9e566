package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
)

// What only serve finds: it would use the file or the address.
func TestASettingThatCannotBeUsedIsNamedByTheStart(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	for _, tt := range []struct{ text, want string }{
		{"listen: " + busy.Addr().String(), "f.yaml:1: listen: listen tcp " + busy.Addr().String() + ": bind: address already in use"},
		{"drain: 1s\nlog:\n  path: f.yaml", "f.yaml:3: log.path: cannot create the folder: mkdir DIR/f.yaml: not a directory"},
		{"store:\n  memory:\n    snapshot_file: none/snapshot\nhash_key: " + hashKey,
			"f.yaml:3: store.memory.snapshot_file: cannot create a file in DIR/none: no such file or directory"},
	} {
		file := writeFile(t, "f.yaml", tt.text+"\n")
		args := []string{"--operator-listen=127.0.0.1:0", "--config", file}
		if !strings.HasPrefix(tt.text, "listen") {
			args = append(args, "--listen=127.0.0.1:0")
		}
		_, stderr, code := command(args...)
		assert.Equal(t, 1, code)
		_, message, _ := strings.Cut(strings.ReplaceAll(stderr, filepath.Dir(file), "DIR"), "/")
		assert.Equal(t, tt.want+"\n", message)
	}
}

// The default is taken: no line of the file sets it.
func TestABusyDefaultIsNamedAsOne(t *testing.T) {
	s := &service{policy: &policy{config: &config.Config{Settings: config.Defaults(), Path: "f.yaml"}}}
	busy := syscall.EADDRINUSE
	assert.EqualError(t, s.config.Locate(s.cannotListen("operator_listen", busy)),
		"f.yaml: operator_listen: address already in use; this is the default: give another one with --operator-listen, or in the configuration")
}

func TestAMistakeInAFlagOrVariableNamesIt(t *testing.T) {
	for _, tt := range []struct{ variable, value, flag, want string }{
		{"", "", "--listen=nowhere", "--listen: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock; the port is missing"},
		{"FRAUDCHECK_LISTEN", "nowhere", "", "FRAUDCHECK_LISTEN: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock; the port is missing"},
		{"FRAUDCHECK_LISTEN", "127.0.0.1:1", "--listen=nowhere", "--listen: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock; the port is missing"},
		{"FRAUDCHECK_LOG_LEVEL", "loud", "", "FRAUDCHECK_LOG_LEVEL: log.level: wrong value; expected one of DISABLED, DEBUG, INFO, WARNING, ERROR, CRITICAL"},
		{"", "", "--store=memcached", "--store: hash_key_file: missing; expected a hash key, the same on all instances, where store.kind is memcached"},
		{"", "", "--memcached-servers=a:1,b", "--memcached-servers: store.memcached.servers[1]: wrong value; expected host:port, such as 127.0.0.1:11211, or the path of a unix socket, which begins with /; the port is missing"},
		{"FRAUDCHECK_HASH_KEY_FILE", "/none/hash.key", "", "FRAUDCHECK_HASH_KEY_FILE: hash_key_file: cannot read /none/hash.key: no such file or directory; there is no folder /none"},
		{"", "", "--config=/none/f.yaml", "--config: cannot read /none/f.yaml: no such file or directory"},
		{"FRAUDCHECK_CONFIG", "/none/f.yaml", "", "FRAUDCHECK_CONFIG: cannot read /none/f.yaml: no such file or directory"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if tt.variable != "" {
				t.Setenv(tt.variable, tt.value)
			}
			args := []string{"check-config"}
			if tt.flag != "" {
				args = append(args, tt.flag)
			}
			_, stderr, code := command(args...)
			assert.Equal(t, 1, code)
			assert.Equal(t, "fraudcheck: "+tt.want+"\n", stderr)
		})
	}
}

func TestFilesAreLookedForBesideTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hash.key"), []byte(hashKey), 0o600))
	config := filepath.Join(dir, "f.yaml")
	require.NoError(t, os.WriteFile(config, []byte("hash_key_file: hash.key\n"), 0o600))
	elsewhere := filepath.Join(t.TempDir(), "link.yaml")
	require.NoError(t, os.Symlink(config, elsewhere))
	_, stderr, code := configCheck(t, "--config", elsewhere)
	assert.Equal(t, 1, code, "the folder is that of the link")
	assert.Contains(t, stderr, "link.yaml:1: hash_key_file: cannot read "+filepath.Dir(elsewhere)+"/hash.key: ")

	t.Chdir(filepath.Dir(dir))
	stdout, stderr, code := configCheck(t, "--config", filepath.Join(filepath.Base(dir), "f.yaml"))
	require.Equal(t, 0, code, stderr)
	assert.Contains(t, stdout, "hash_key_file: "+filepath.Join(dir, "hash.key")+"\n")

	_, stderr, code = configCheck(t, "--hash-key-file", "hash.key")
	assert.Equal(t, 1, code, "a flag's name is relative to the current folder")
	assert.Contains(t, stderr, "--hash-key-file: hash_key_file: cannot read "+filepath.Dir(dir)+"/hash.key: no such file")
	t.Chdir(dir)
	accepts(t, "", "--hash-key-file", "hash.key")
}

func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	for name, want := range map[string]string{
		"FRAUDCHECK_LISTN":           "# warning: environment variable FRAUDCHECK_LISTN is unknown; did you mean FRAUDCHECK_LISTEN?\n",
		"FRAUDCHECK_COLOUR":          "# warning: environment variable FRAUDCHECK_COLOUR is unknown\n",
		"FRAUDCHECK_SERVICE_HOST":    "",
		"FRAUDCHECK_PORT":            "",
		"FRAUDCHECK_PORT_80_TCP":     "",
		"FRAUDCHECK_OPERATOR_LISTEN": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "127.0.0.1:1")
			printed := accepts(t, "")
			if want == "" {
				assert.NotContains(t, printed, "environment variable")
			} else {
				assert.Contains(t, printed, want)
			}
		})
	}
}
