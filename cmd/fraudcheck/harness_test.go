package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

const prompt = testbed.Prompt

// A program is the real one, running as a process of its own.
type program struct {
	*testbed.Process
	stdout, stderr testbed.Output
	config         string // path of its configuration; empty for none
	addr           string // host:port of the callers' API
	operators      string // host:port of the operators' API
	client         http.Client
}

// launch starts the program with the configuration, or without any when empty. Its
// operators' API is at a port of its own, unless a flag says where.
func launch(t *testing.T, config string, args ...string) *program {
	t.Helper()
	path := ""
	if config != "" {
		path = writeFile(t, "fraudcheck.yaml", config)
		args = append(args, "--config", path)
	}
	cmd := exec.Command(testbed.Program(t), args...)
	cmd.Env = []string{"FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:0"}
	p := launchCommand(t, cmd)
	p.config = path
	return p
}

// startWithFiles starts the program where it may open that many files.
func startWithFiles(t *testing.T, files int, config string) *program {
	t.Helper()
	limited := fmt.Sprintf(`ulimit -n %d && exec "$0" --config "$1"`, files)
	cmd := exec.Command("sh", "-c", limited, testbed.Program(t), writeFile(t, "fraudcheck.yaml", config))
	cmd.Env = []string{"FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:0"}
	return launchCommand(t, cmd)
}

// launchCommand starts a command that runs the program.
func launchCommand(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	process := testbed.StartProcess(t, cmd)
	p := &program{
		Process: process, stdout: process.Stdout, stderr: process.Stderr,
		client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: prompt},
	}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// start launches the program and waits until it listens.
func start(t *testing.T, config string, args ...string) *program {
	t.Helper()
	p := launch(t, config, args...)
	p.awaitPorts(t)
	return p
}

// awaitPorts waits until the program listens.
func (p *program) awaitPorts(t *testing.T) {
	t.Helper()
	p.addr = p.await(t, p.stderr, `Listening on (127\.0\.0\.1:\d+) `)[1]
	p.operators = p.await(t, p.stderr, `Operators on (127\.0\.0\.1:\d+)["\n]`)[1]
}

// await returns the first match of the pattern in what the program writes.
func (p *program) await(t *testing.T, o testbed.Output, pattern string) []string {
	t.Helper()
	found, err := p.AwaitOutput(t.Context(), o, regexp.MustCompile(pattern))
	require.NoError(t, err)
	return found
}

func (p *program) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	require.NoError(t, p.Signal(sig))
}

// signalAgain sends a signal as soon as it is no repeat of the one before, of which the
// program has shown that it got it.
func (p *program) signalAgain(t *testing.T, sig os.Signal) {
	t.Helper()
	since := time.Now()
	require.Eventually(t, func() bool { return time.Since(since) > sameSignal+sameSignal/10 }, prompt, testbed.PollInterval)
	p.signal(t, sig)
}

// exitCode waits for the end and says how long that took.
func (p *program) exitCode(t *testing.T) (code int, took time.Duration) {
	t.Helper()
	since := time.Now()
	select {
	case <-p.Exited():
	case <-time.After(prompt):
		require.Fail(t, "the program does not end", p.stderr)
	}
	return p.ExitCode(), time.Since(since)
}

// An answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
	last   bool // of its connection

	Decision string
	Degraded bool
	Code     string
	Rules    []struct {
		Name  string
		Count int
	}
}

// send makes one request, as guarded's user unless the header says who.
func (p *program) send(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	a, err := p.try(p.addr, method, path, body, header...)
	require.NoError(t, err)
	return a
}

// try is send to either door, for goroutines that must not end the test.
func (p *program) try(door, method, path, body string, header ...string) (a answer, err error) {
	r, err := http.NewRequest(method, "http://"+door+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	r.SetBasicAuth("checkout", password)
	for i := 0; i < len(header); i += 2 {
		if r.Header.Del(header[i]); header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	response, err := p.client.Do(r)
	if err != nil {
		return a, err
	}
	return readAnswer(response)
}

func readAnswer(response *http.Response) (a answer, err error) {
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return a, err
	}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(body, &a)
	}
	a.status, a.header, a.body, a.last = response.StatusCode, response.Header, string(body), response.Close
	return a, err
}

// attempt is the JSON of one card shown from one address.
func attempt(ip, last4 string) string {
	return `{"ip":"` + ip + `","last4":"` + last4 + `","exp_month":12,"exp_year":2030}`
}

// decide shows the card and returns the decision.
func (p *program) decide(t *testing.T, ip, last4 string) string {
	t.Helper()
	a := p.send(t, "POST", "/v1/check", attempt(ip, last4))
	require.Equal(t, http.StatusOK, a.status, a.body)
	return a.Decision
}

const (
	password = "correct-horse-battery"
	// The password, hashed by argon2-cffi and by htpasswd.
	argonHash  = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$R1OMUfftG2lm0EcRnxGvVBQDdZaVUZCnRZ53qLU7ZME"
	bcryptHash = "$2y$04$Zr2KGNC2vQITg1LeTEami.SkxqzS.jWByTmBw9inzxP2JRRJTIbCa"
	hashKey    = "staple-0123456789-0123456789-0123456789"
)

// guarded configures one user and one hash key; further settings may follow.
const guarded = `
listen: 127.0.0.1:0
hash_key: ` + hashKey + `
auth:
  basic: {users: [{username: checkout, password: ` + password + `}]}
`

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// command runs the program's command line in this process; it must end by itself.
func command(args ...string) (stdout, stderr string, code int) {
	var out, err strings.Builder
	ended := make(chan int, 1)
	go func() { ended <- run(args, &out, &err) }()
	select {
	case code = <-ended:
		return out.String(), err.String(), code
	case <-time.After(prompt):
		return "", "(it runs on and on)", -1
	}
}
