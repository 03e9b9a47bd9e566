package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fraudcheck/internal/testbed"
)

func TestHashPasswordTakesTheFirstLine(t *testing.T) {
	t.Parallel()
	for _, stdin := range []string{password, password + "\n", password + "\r\n", password + "\nanother one\n"} {
		stdout, stderr, code := typed(t, stdin, "hash-password")
		require.Equal(t, 0, code, stderr)
		require.Empty(t, stderr)
		require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$\S+\n$`, stdout)
		accepts(t, `auth: {basic: {users: [{username: a, encryption: argon2id, password: "`+strings.TrimSpace(stdout)+`"}]}}`)
	}
	for _, stdin := range []string{"", "\n", "hunter2\n", "hunter2hunter2\x00\n", strings.Repeat("hunter2", 20000)} {
		stdout, stderr, code := typed(t, stdin, "hash-password")
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Regexp(t, `^fraudcheck: password: expected [ -~]+\n$`, stderr)
		assert.NotContains(t, stderr, "hunter2")
	}
}

// terminal is one that the test types at.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ours.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetUint32(int(ours.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	theirs, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// atTerminal starts hash-password there.
func atTerminal(t *testing.T) (p *program, ours *os.File, echoes func() bool) {
	t.Helper()
	ours, theirs := terminal(t)
	cmd := exec.Command(testbed.Program(t), "hash-password")
	cmd.Stdin = theirs
	p = launchCommand(t, cmd)
	return p, ours, func() bool {
		state, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
		require.NoError(t, err)
		return state.Lflag&unix.ECHO != 0
	}
}

func TestHashPasswordAsksTwiceWithoutEcho(t *testing.T) {
	for again, works := range map[string]bool{password: true, password + "!": false} {
		p, ours, echoes := atTerminal(t)
		for i, line := range []string{password, again} {
			p.await(t, p.stderr, []string{"Password: $", "Password: \nAgain: $"}[i])
			require.Eventually(t, func() bool { return !echoes() }, prompt, time.Millisecond)
			_, err := ours.WriteString(line + "\n")
			require.NoError(t, err)
		}
		code, _ := p.exitCode(t)
		assert.True(t, echoes(), "as it was")
		if works {
			assert.Equal(t, 0, code, p.stderr)
			assert.Regexp(t, `^\$argon2id\$\S+\n$`, p.stdout.String())
			continue
		}
		assert.Equal(t, 1, code)
		assert.Empty(t, p.stdout.String())
		assert.True(t, strings.HasSuffix(p.stderr.String(), "fraudcheck: password: expected the same password twice\n"), p.stderr)
	}
}

func TestATerminalEchoesAgainAfterAnInterrupt(t *testing.T) {
	p, _, echoes := atTerminal(t)
	p.await(t, p.stderr, "Password: $")
	require.Eventually(t, func() bool { return !echoes() }, prompt, time.Millisecond)
	p.signal(t, syscall.SIGINT)
	code, _ := p.exitCode(t)
	assert.Equal(t, 1, code)
	assert.True(t, echoes())
	assert.Equal(t, "Password: \nfraudcheck: password: interrupted\n", p.stderr.String())
}
