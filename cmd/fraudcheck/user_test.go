package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
	"fraudcheck/internal/testbed"
)

// typed runs the program with this on its standard input; it must end by itself.
func typed(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(t.Context(), testbed.Program(t), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problems
	_ = cmd.Run() // its exit code says how it ended
	return out.String(), problems.String(), cmd.ProcessState.ExitCode()
}

// added adds a user with the tests' password.
func added(t *testing.T, args ...string) {
	t.Helper()
	stdout, stderr, code := typed(t, password+"\n", append([]string{"user", "add"}, args...)...)
	require.Equal(t, 0, code, stderr)
	require.Equal(t, "added\n", stdout)
	require.Empty(t, stderr)
}

// withUsers is a configuration whose users are in the file alone.
func withUsers(file string) string {
	return "listen: 127.0.0.1:0\nhash_key: " + hashKey + "\nauth: {basic: {users_file: " + file + "}}\n"
}

func TestTheUsersFileIsFollowedWithoutARestart(t *testing.T) {
	testbed.SkipShort(t, "the program looks at its files once a second")
	users := writeFile(t, "users", "# ours\n")
	config := writeFile(t, "fraudcheck.yaml", withUsers(users))
	p := start(t, "", "--config", config)
	p.await(t, p.stderr, `WARNING .*auth\.basic\.users_file holds no user yet`)
	assert.Empty(t, p.stdout.String(), "and none is made up")
	check := func(name string) int {
		return p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), "Authorization", basic(name, password)).status
	}
	assert.Equal(t, http.StatusUnauthorized, check("checkout"))

	added(t, "checkout", "--config", config)
	p.await(t, p.stderr, `Configuration reloaded`)
	assert.Equal(t, http.StatusOK, check("checkout"))
	assert.Equal(t, http.StatusOK, check("checkout"), "remembered")

	added(t, "desk", "--roles", "analyst", "--networks", "127.0.0.0/8,!127.9.0.0/16", "--users-file", users)
	p.await(t, p.stderr, `(?s)(Configuration reloaded.*){2}`)
	assert.Equal(t, http.StatusForbidden, check("desk"), "an analyst does not check")
	a, err := p.try(p.operators, "GET", "/v1/addresses/203.0.113.7", "", "Authorization", basic("desk", password))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.status)

	stdout, stderr, code := typed(t, "", "user", "list", "--config", config)
	require.Equal(t, 0, code, stderr)
	assert.Equal(t, "NAME      ROLES    NETWORKS                   BIND_IP  ENCRYPTION  NOTE\n"+
		"checkout  checker  anywhere                   no       argon2id    -\n"+
		"desk      analyst  127.0.0.0/8,!127.9.0.0/16  no       argon2id    -\n", stdout)

	for reloads, name := range []string{"checkout", "desk"} {
		stdout, stderr, code = typed(t, "", "user", "remove", name, "--config", config)
		require.Equal(t, "removed\n", stdout, stderr)
		require.Equal(t, 0, code)
		p.await(t, p.stderr, fmt.Sprintf(`(?s)(Configuration reloaded.*){%d}`, 3+reloads))
		assert.Equal(t, http.StatusUnauthorized, check(name), "remembered no more; also the last")
	}
	text, err := os.ReadFile(users)
	require.NoError(t, err)
	assert.Equal(t, "# ours\n", string(text))
	assert.NotContains(t, p.stderr.String(), password)
	assert.NotContains(t, p.stderr.String(), "$argon2id$")
}

func TestAMistakeInTheUsersFileLeavesTheOldInForce(t *testing.T) {
	testbed.SkipShort(t, "the program looks at its files once a second")
	users := writeFile(t, "users", "checkout:"+bcryptHash+"\n")
	p := start(t, withUsers(users))
	require.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
	require.NoError(t, os.WriteFile(users, []byte("checkout:"+bcryptHash+"\nhunter2\n"), 0o600))
	p.await(t, p.stderr, `ERROR .*not reloaded, the old one stays: \S+/users:2: auth\.basic\.users_file: wrong value; expected name:hash`)
	require.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
	require.NotContains(t, p.stderr.String(), "hunter2")
}

func TestAnotherUsersFileIsFollowed(t *testing.T) {
	testbed.SkipShort(t, "the program looks at its files once a second")
	folder := t.TempDir()
	first, second := filepath.Join(folder, "first"), filepath.Join(folder, "second")
	added(t, "checkout", "--users-file", first)
	added(t, "other", "--users-file", second)
	r := startReloading(t, withUsers(first))
	require.Equal(t, "allow", r.decide(t, "203.0.113.7", "4242"))
	r.rewrite(withUsers(second), `Configuration reloaded`)
	require.Equal(t, http.StatusUnauthorized, r.send(t, "POST", "/v1/check", "{}").status)
	added(t, "checkout", "--users-file", second)
	require.Eventually(t, func() bool { return r.send(t, "POST", "/v1/check", "{}").status == http.StatusBadRequest }, prompt, 50*time.Millisecond)
}

func TestTheUsersFileIsRefusedByItsLine(t *testing.T) {
	for _, tt := range []struct{ text, line, want string }{
		{"hunter2\n", "1", "expected name:hash"},
		{"a:" + bcryptHash + "\nb:hunter2\n", "2", "expected a bcrypt hash"},
		{"a:" + bcryptHash + ":rolls=hunter2\n", "1", "expected after name:hash"},
		{"#\na:" + bcryptHash + "\n\na:" + argonHash, "4", "expected a name that no line before has"},
		{"\n\n\ncheckout:" + argonHash + ":roles=analyst", "4", "expected a name that auth.basic.users does not have"},
	} {
		file := writeFile(t, "fraudcheck.yaml", strings.Replace(guarded, "basic: {", "basic: {users_file: "+writeFile(t, "users", tt.text)+", ", 1))
		refusesWith(t, `\S+/users:`+tt.line+`: `, "auth.basic.users_file: "+tt.want, "check-config", "--config", file)
	}
	refuses(t, "auth: {basic: {users_file: "+t.TempDir()+"/none}}", "auth.basic.users_file: cannot read ")
	refuses(t, "auth: {basic: {users_file: 'hunter2:"+bcryptHash+"'}}", "auth.basic.users_file: cannot read it in ")
}

func TestCheckConfigCountsUsersAndHidesTheirHashes(t *testing.T) {
	printed := accepts(t, withUsers(writeFile(t, "users", "a:"+bcryptHash+"\nb:"+argonHash+"\n")))
	assert.Contains(t, printed, "# auth.basic.users_file holds 2 users\n")
	assert.NotContains(t, printed, bcryptHash[7:])
	assert.NotContains(t, printed, "warning")
	printed = accepts(t, `auth: {basic: {users: [{username: a, encryption: argon2id, password: "`+argonHash+`"}]}}`)
	assert.NotContains(t, printed, "$argon2id$")
	assert.NotContains(t, printed, "warning")
	printed = accepts(t, "auth: {basic: {users: [{username: a, password: "+password+"}, {username: b, encryption: sha256, password: "+strings.Repeat("5e", 32)+"}]}}")
	assert.Contains(t, printed, "# warning: auth.basic.users[0].encryption is clear: ")
	assert.Contains(t, printed, "# warning: auth.basic.users[1].encryption is sha256: ")
}

func TestEditsOfTheUsersFileAreWholeAndKeepItsOwner(t *testing.T) {
	t.Parallel()
	testbed.Program(t) // before the goroutines that run it
	folder := t.TempDir()
	users := filepath.Join(folder, "users")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { added(t, fmt.Sprint("shop-", i), "--users-file", users) })
	}
	all.Wait()
	file, err := readUsers(users, config.RegularFiles)
	require.NoError(t, err)
	require.Len(t, file.Users(), 8, "none was lost")
	mode := func() os.FileMode {
		info, err := os.Stat(users)
		require.NoError(t, err)
		return info.Mode()
	}
	require.Equal(t, os.FileMode(0o600), mode())

	link := filepath.Join(folder, "link")
	require.NoError(t, os.Symlink(users, link))
	require.NoError(t, os.Chmod(users, 0o644))
	const somebody = 4242
	chowned := os.Chown(users, somebody, somebody) == nil // for root alone
	added(t, "by a link", "--users-file", link)
	require.Equal(t, os.FileMode(0o640), mode(), "no longer for everybody")
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "the link stays")
	if chowned {
		info, err = os.Stat(users)
		require.NoError(t, err)
		require.EqualValues(t, somebody, info.Sys().(*syscall.Stat_t).Uid)
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing else is left behind")
}

func TestUserCommandsThatAreRefused(t *testing.T) {
	const card = "shop-4111-1111-1111-1111"
	lines := "checkout:" + bcryptHash + "\n" + card + ":" + bcryptHash + "\n"
	users := writeFile(t, "users", lines)
	broken := writeFile(t, "broken", "hunter2\n")
	for _, tt := range []struct {
		stdin, want string
		args        []string
	}{
		{password, "auth.basic.users_file: missing; expected a file, ", []string{"add", "a"}},
		{password, "config: cannot read ", []string{"add", "a", "--config", "/nowhere/at/all"}},
		{password, "/broken:1: auth.basic.users_file: wrong value; expected ", []string{"add", "a", "--users-file", broken}},
		{password, "user add: checkout is in " + users + " already: remove it first with fraudcheck user remove checkout --users-file " + users + "\n", []string{"add", "checkout", "--users-file", users}},
		{password, "user add: NAME is in " + users + " already: remove it first with fraudcheck user remove NAME --users-file " + users + "\n", []string{"add", card, "--users-file", users}},
		{password, "user add: expected a name of ", []string{"add", "a:b", "--users-file", users}},
		{password, "user add: expected an address, or a network ", []string{"add", "a", "--networks", "hunter2", "--users-file", users}},
		{password, "--roles: expected checker, analyst or operator", []string{"add", "a", "--roles", "checker,hunter2", "--users-file", users}},
		{"", "password: expected a password of 8 to 1024 bytes", []string{"add", "a", "--users-file", users}},
		{"hunter2\n", "password: expected a password of 8 to 1024 bytes", []string{"add", "a", "--users-file", users}},
		{"Hunter2222\n", "password: expected a password that is not among the most common", []string{"add", "a", "--users-file", users}},
		{"", "user remove: expected a name that is in the file: fraudcheck user list --users-file " + users + " shows them\n", []string{"remove", "hunter2", "--users-file", users}},
		{"", "/broken:1: auth.basic.users_file: wrong value; expected ", []string{"remove", "a", "--users-file", broken}},
		{"", "/broken:1: auth.basic.users_file: wrong value; expected ", []string{"list", "--users-file", broken}},
		{"", "--users-file: auth.basic.users_file: cannot read /nowhere/at/all: no such file or directory; there is no folder /nowhere\n", []string{"list", "--users-file", "/nowhere/at/all"}},
	} {
		stdout, stderr, code := typed(t, tt.stdin, append([]string{"user"}, tt.args...)...)
		assert.Equal(t, 1, code, tt.want)
		assert.Empty(t, stdout, tt.want)
		assert.Regexp(t, `^fraudcheck: [ -~]+\n$`, stderr)
		assert.Contains(t, stderr, tt.want)
		assert.NotContains(t, strings.ToLower(stderr), "hunter2")
	}
	text, err := os.ReadFile(users)
	require.NoError(t, err)
	assert.Equal(t, lines, string(text))
}
