package main

import (
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// stopped is everything that the program logs from its start to its stop.
func (p *program) stopped(t *testing.T) []string {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	require.Zero(t, code)
	return strings.Split(strings.TrimSuffix(p.stderr.String(), "\n"), "\n")
}

func TestTheStartIsOneScreen(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+"drain: 1s\nlog: {days: 7}\n", "--log-level", "INFO")
	lines := p.stopped(t)
	require.Len(t, lines, 7, strings.Join(lines, "\n"))
	for n, want := range []string{
		`INFO .*fraudcheck \S+ .*go1\.\S+ fasthttp v`,
		`INFO .*Configuration: ` + p.config + `, differs from the defaults in listen, operator_listen, hash_key, drain, auth\.basic\.users, log\.days$`,
		`WARNING .*Configuration: auth\.basic\.users\[0\]\.encryption is clear`,
		`INFO .*Listening on `,
		`INFO .*Operators on `,
		`INFO .*Stopping `,
		`INFO .*Stopped `,
	} {
		assert.Regexp(t, want, lines[n])
	}
}

func TestTheStartWithoutAFileSaysSo(t *testing.T) {
	t.Parallel()
	p := start(t, "", "--listen", "127.0.0.1:0")
	assert.Regexp(t, `INFO .*Configuration: no file, differs from the defaults in listen, operator_listen$`, p.stopped(t)[1])
}

func TestTheStartShowsTheWholeConfigurationAtDebug(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+"log: {level: DEBUG}\n")
	log := strings.Join(p.stopped(t), "\n")
	assert.Regexp(t, `DEBUG .*Configuration: hash_key: \(hidden\)\n`, log)
	assert.Regexp(t, `DEBUG .*Configuration: drain: 5s\n`, log)
	assert.NotContains(t, log, hashKey)
	assert.NotContains(t, log, password)
}

func TestTheVersionNamesTheCommitAndItsDate(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}, Deps: []*debug.Module{
		{Path: "example.com/other", Version: "v9"}, {Path: "github.com/valyala/fasthttp", Version: "v1.77.0"},
	}}
	assert.Equal(t, "fraudcheck v1.2.3 go1.26.8 fasthttp v1.77.0", buildVersion(info))
	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}, {Key: "vcs.time", Value: "2026-11-28T13:00:00Z"}, {Key: "vcs.modified", Value: "false"}}
	assert.Equal(t, "fraudcheck v1.2.3 commit 0123456789ab 2026-11-28T13:00:00Z go1.26.8 fasthttp v1.77.0", buildVersion(info))
	info.Settings[2].Value = "true"
	assert.Equal(t, "fraudcheck v1.2.3 commit 0123456789ab (modified) 2026-11-28T13:00:00Z go1.26.8 fasthttp v1.77.0", buildVersion(info))
}

func TestVersionAndHelpAsFlagsAndCommands(t *testing.T) {
	program := testbed.Program(t)
	said := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), program, args...).Output()
		require.NoError(t, err, args)
		return string(out)
	}
	version := said("version")
	assert.Regexp(t, `^fraudcheck \S+ (commit [0-9a-f]{12} (\(modified\) )?\d{4}-\S+Z )?go1\.\S+ fasthttp v\S+\n$`, version)
	assert.Equal(t, version, said("--version"))

	help := said("--help")
	assert.Regexp(t, `(?s)^Usage: fraudcheck .*--config.*--version.*check-config.*hash-password.*user add.*help`, help)
	assert.Equal(t, help, said("-h"))
	assert.Equal(t, help, said("help"))
	assert.Regexp(t, `^Usage: fraudcheck user add <name>`, said("help", "user", "add"))
	assert.Equal(t, said("user", "add", "--help"), said("help", "user", "add"))

	out, err := exec.CommandContext(t.Context(), program, "help", "nonsense").CombinedOutput()
	assert.Error(t, err)
	assert.Regexp(t, `^fraudcheck: unexpected argument nonsense\n$`, string(out))
}
