package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

// unconfigured starts the program as a newcomer does; it returns what is printed
// to be pasted, and the credential in it.
func unconfigured(t *testing.T) (p *program, curl, user, pass string) {
	t.Helper()
	p = start(t, "", "--listen", "127.0.0.1:0")
	curl = p.await(t, p.stdout, `(?s)\n  (curl .*/v1/check)\n\n`)[1]
	credential := p.await(t, p.stdout, `(?m)^  username  (\S+)\n  password  (\S+)$`)
	return p, curl, credential[1], credential[2]
}

func TestUnconfiguredProgramPrintsACommandThatWorks(t *testing.T) {
	p, curl, user, pass := unconfigured(t)

	pieces := regexp.MustCompile(`^curl -u (\S+):(\S+) -H '([^:']+): ([^']+)' \\\n +-d '([^']+)' \\\n +http://(\S+?)(/\S+)$`).FindStringSubmatch(curl)
	require.NotNil(t, pieces, curl)
	assert.Equal(t, []string{user, pass}, pieces[1:3])
	assert.Equal(t, p.addr, pieces[6])
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+pieces[6]+pieces[7], strings.NewReader(pieces[5]))
	require.NoError(t, err)
	r.SetBasicAuth(pieces[1], pieces[2])
	r.Header.Set(pieces[3], pieces[4])
	response, err := p.client.Do(r)
	require.NoError(t, err)
	a, err := readAnswer(response)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.status, a.body)
	assert.Equal(t, "allow", a.Decision)

	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl to paste the command to")
	}
	pasted, err := exec.CommandContext(t.Context(), "sh", "-c", curl).Output()
	require.NoError(t, err)
	assert.Regexp(t, `^\{"decision":"allow",.*"count":1,`, string(pasted), "the same card again")
}

func TestUnconfiguredProgramShowsItsCredentialOnStandardOutputAlone(t *testing.T) {
	t.Parallel()
	p, _, user, pass := unconfigured(t)
	a := p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), "Authorization", basic(user, pass))
	require.Equal(t, http.StatusOK, a.status)
	p.client.CloseIdleConnections()
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Equal(t, 0, code)
	assert.Contains(t, p.stderr.String(), "Response: 200")
	assert.NotContains(t, p.stderr.String(), pass)
	assert.GreaterOrEqual(t, len(pass), 26, "128 bits of base 32")

	_, _, _, another := unconfigured(t)
	assert.NotEqual(t, pass, another)
}

func TestConfiguredProgramMakesNoCredential(t *testing.T) {
	t.Parallel()
	p := start(t, guarded)
	assert.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Equal(t, 0, code)
	assert.Empty(t, p.stdout.String())
}

func TestProgramAnswersOnlyHealthWithoutCredentials(t *testing.T) {
	p := start(t, guarded)
	for _, path := range []string{"/healthz", "/readyz"} {
		assert.Equal(t, http.StatusOK, p.send(t, "GET", path, "", "Authorization", "").status, path)
	}
	for _, path := range []string{"/v1/check", "/v1/outcomes"} {
		for credentials, code := range map[string]string{
			"":                            "authorization_missing",
			"Bearer " + password:          "authorization_malformed",
			basic("checkout", "wrong"):    "credentials_invalid",
			basic("stranger", password):   "credentials_invalid",
			basic("checkout", "(hidden)"): "credentials_invalid",
		} {
			a := p.send(t, "POST", path, attempt("203.0.113.7", "4242"), "Authorization", credentials)
			assert.Equal(t, http.StatusUnauthorized, a.status, a.body)
			assert.Equal(t, code, a.Code)
			assert.Contains(t, a.header.Get("WWW-Authenticate"), "Basic")
		}
	}
	a := p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"))
	require.Len(t, a.Rules, 1)
	assert.Equal(t, 1, a.Rules[0].Count, "the refused counted for nothing")
}

func TestWrongConfigurationEndsTheProgramBeforeItListens(t *testing.T) {
	p := launch(t, guarded+"drain: hunter2")
	code, _ := p.exitCode(t)
	assert.Equal(t, 1, code)
	assert.Empty(t, p.stdout.String())
	assert.Regexp(t, `^fraudcheck: \S+fraudcheck\.yaml:6: drain: wrong value; expected [^\n]+\n$`, p.stderr.String())
}

func TestBusyPortEndsTheProgramInOneLine(t *testing.T) {
	first := start(t, guarded)
	p := launch(t, "", "--listen", first.addr)
	code, _ := p.exitCode(t)
	assert.Equal(t, 1, code)
	assert.Empty(t, p.stdout.String(), "no credential for nothing")
	assert.Regexp(t, `^fraudcheck: --listen: listen: [^\n]+ in use\n$`, p.stderr.String())

	p = launch(t, "", "--listen", "127.0.0.1:0", "--operator-listen", first.operators)
	code, _ = p.exitCode(t)
	assert.Equal(t, 1, code)
	assert.Empty(t, p.stdout.String(), "no credential for nothing")
	assert.Regexp(t, `^fraudcheck: --operator-listen: operator_listen: [^\n]+ in use\n$`, p.stderr.String())
}

func TestLogFolderThatCannotBeMadeEndsTheProgramInOneLine(t *testing.T) {
	p := launch(t, guarded+"log: {path: "+writeFile(t, "a-file", "")+"/log}")
	code, _ := p.exitCode(t)
	assert.Equal(t, 1, code)
	assert.Empty(t, p.stdout.String())
	assert.Regexp(t, `^fraudcheck: \S+fraudcheck\.yaml:6: log\.path: [^\n]+\n$`, p.stderr.String())
}

func TestProgramBlocksCardTestingAlone(t *testing.T) {
	p := start(t, guarded)
	const tester, shopper = "203.0.113.7", "203.0.113.8"
	for n, want := range []string{"allow", "allow", "allow", "review", "review", "block", "block", "block"} {
		assert.Equal(t, want, p.decide(t, tester, fmt.Sprintf("%04d", n)), "card %d", n+1)
		assert.Equal(t, "allow", p.decide(t, shopper, "4242"), "one card, again and again")
	}
	assert.Equal(t, "block", p.decide(t, tester, "0000"), "a card shown before")
	assert.Equal(t, "block", p.decide(t, "::ffff:"+tester, "0000"), "the same address")

	a := p.send(t, "POST", "/v1/check", attempt(tester, "9999"))
	require.Len(t, a.Rules, 1)
	assert.Equal(t, 6, a.Rules[0].Count, "no more than says that it is over")
}

// A log collector that goes away takes no check with it.
func TestProgramOutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(testbed.Program(t), "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	reader, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var addr []string
	for lines := bufio.NewScanner(reader); addr == nil; {
		require.True(t, lines.Scan())
		addr = regexp.MustCompile(`Listening on (\S+)`).FindStringSubmatch(lines.Text())
	}
	require.NoError(t, reader.Close())
	p := &program{addr: addr[1]}
	defer p.client.CloseIdleConnections()
	for range 20 {
		assert.Equal(t, http.StatusUnauthorized, p.send(t, "POST", "/v1/check", "{}").status)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, cmd.Wait())
}

// The memory bound holds whatever comes: the oldest go, in the open.
func TestMemoryBoundEvictsAndCounts(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "20,000 checks over HTTP")
	const addresses, callers = 20_000, 8
	p := start(t, guarded+"store: {memory: {max_bytes: 1MiB}}")
	var all sync.WaitGroup
	for caller := range uint32(callers) {
		all.Go(func() {
			c, err := calls.Dial(p.addr, testbed.Basic("checkout", password))
			if !assert.NoError(t, err) {
				return
			}
			defer c.Conn.Close()
			for n := caller; n < addresses; n += callers {
				if a, err := c.Call(n, 0); err != nil || a.Status != http.StatusOK || a.Decision != 'a' {
					assert.Fail(t, "not allowed", "%+v, %v", a, err)
					return
				}
			}
		})
	}
	all.Wait()
	count := func(n uint32) int {
		a := p.send(t, "POST", "/v1/check", attempt(calls.IP(n), "1881"))
		require.Len(t, a.Rules, 1, a.body)
		return a.Rules[0].Count
	}
	assert.Equal(t, 2, count(addresses-1), "the last is still known")
	assert.Equal(t, 1, count(0), "the first is not")

	evicted := p.metric(t, "fraudcheck_store_evicted_in_window_total")
	assert.NotEqual(t, "0", evicted)
	p.client.CloseIdleConnections()
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Equal(t, 0, code)
	assert.Contains(t, p.stderr.String(), evicted+" forgotten inside their window: "+evicted+" ip)")
	stop := regexp.MustCompile(`Stopped \((\d+) records in memory, (\d+) forgotten `).FindStringSubmatch(p.stderr.String())
	require.NotNil(t, stop)
	kept, err := strconv.Atoi(stop[1])
	require.NoError(t, err)
	forgotten, err := strconv.Atoi(stop[2])
	require.NoError(t, err)
	assert.Equal(t, addresses+1, kept+forgotten, "each is kept or counted; the first came twice")
	assert.Greater(t, kept, 1000)
	assert.Less(t, kept*64, 1<<20, "64 bytes a record, and no more than the bound")
}
