package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fraudcheck/internal/testbed"
)

// replaceByFIFO puts a FIFO without a writer where the file was.
func replaceByFIFO(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, syscall.Mkfifo(path+".next", 0o600))
	require.NoError(t, os.Rename(path+".next", path))
}

// status reads a figure in KiB from /proc.
func (p *program) status(t *testing.T, name string) (kib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+) kB$`).FindSubmatch(text)
	require.NotNil(t, found)
	kib, err = strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kib
}

// everyFile is a program whose configuration names all kinds of files, by their keys.
func everyFile(t *testing.T) (r *reloading, files map[string]string) {
	t.Helper()
	i := newIdentity(t, "first", tomorrow())
	files = map[string]string{
		"tls.cert_file":         writeFile(t, "cert.pem", i.certificate),
		"tls.key_file":          writeFile(t, "key.pem", i.key),
		"auth.basic.users_file": writeFile(t, "users", "desk:"+bcryptHash+"\n"),
		"auth.jwt.jwks_file":    writeFile(t, "keys", keySet(newTokenIssuer(t, "any"))),
	}
	text := longDrain + guarded
	text = strings.Replace(text, "basic: {", "basic: {users_file: "+files["auth.basic.users_file"]+", ", 1)
	text += "  jwt: {client_id: shop, jwks_file: " + files["auth.jwt.jwks_file"] + "}\n"
	text += "tls: {cert_file: " + files["tls.cert_file"] + ", key_file: " + files["tls.key_file"] + "}\n"
	r = startReloading(t, text)
	files["config"] = r.file
	return r, files
}

func TestAReloadReadsOnlyRegularFilesAndAStopNeverWaitsForIt(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"config", "tls.cert_file", "tls.key_file", "auth.basic.users_file", "auth.jwt.jwks_file"} {
		t.Run(key, func(t *testing.T) {
			r, files := everyFile(t)
			replaceByFIFO(t, files[key])
			r.signal(t, syscall.SIGHUP)
			r.await(t, r.stderr, `ERROR .*not reloaded, the old one stays: .*`+regexp.QuoteMeta(key)+`: cannot read .*: it is no regular file\n`)
			r.signal(t, syscall.SIGTERM)
			code, _ := r.exitCode(t)
			assert.Zero(t, code)
		})
	}
}

func TestAHugeFileIsRefusedAndNotKeptInMemory(t *testing.T) {
	testbed.SkipShort(t, "writes and reads files of 50 MB")
	for _, key := range []string{"config", "auth.basic.users_file"} {
		t.Run(key, func(t *testing.T) {
			r, files := everyFile(t)
			before := r.status(t, "VmHWM")
			require.NoError(t, os.WriteFile(files[key]+".next", []byte(strings.Repeat("#"+strings.Repeat("x", 99)+"\n", 500_000)), 0o600))
			require.NoError(t, os.Rename(files[key]+".next", files[key]))
			r.signal(t, syscall.SIGHUP)
			r.await(t, r.stderr, `ERROR .*not reloaded, the old one stays: .*`+regexp.QuoteMeta(key)+`: cannot read .*: it is larger than 16 MiB\n`)
			assert.Less(t, r.status(t, "VmHWM")-before, 100<<10, "KiB")
		})
	}
}

func TestAStartReadsThePipeOfAShell(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	text := guarded + "# " + strings.Repeat("x", 1<<18) + "\nipv6_prefix: 56\n" // more than a pipe holds
	users := writeFile(t, "users", "desk:"+bcryptHash+"\n")
	file := writeFile(t, "fraudcheck.yaml", strings.Replace(text, "hash_key: "+hashKey, "", 1))
	key := writeFile(t, "hash.key", hashKey)
	script := fmt.Sprintf("exec %s check-config --config <(cat %s) --hash-key-file <(cat %s)", testbed.Program(t), file, key)
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "ipv6_prefix: 56\n")

	script = fmt.Sprintf("exec %s user list --users-file <(cat %s)", testbed.Program(t), users)
	out, err = exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "desk")
}

// Programs that the tests start must not inherit what package hangup ignores.
func init() { signal.Reset(syscall.SIGHUP) }

func TestHangUpsAreIgnoredBeforeTheLibrariesStart(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), testbed.Program(t), "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	require.NoError(t, cmd.Run())
	library := regexp.MustCompile(`init (net|log|math/big|github\.com/(prometheus|valyala)\S*|fraudcheck/internal/[^h]\S*) `).FindStringIndex(trace.String())
	require.NotNil(t, library, trace.String())
	ours := strings.Index(trace.String(), "init fraudcheck/internal/hangup ")
	require.NotEqual(t, -1, ours, trace.String())
	require.Less(t, ours, library[0], trace.String())
}

// A hang-up may come before the program can reload: here it still waits for its
// configuration.
func TestAHangUpDuringTheStartDoesNotEndTheProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fraudcheck.yaml")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	p := launch(t, "", "--config", file)
	writer, err := os.OpenFile(file, os.O_WRONLY, 0) // opens when the program does
	require.NoError(t, err)
	for range 3 {
		p.signal(t, syscall.SIGHUP)
	}
	_, err = writer.WriteString(guarded)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	p.addr = p.await(t, p.stderr, `Listening on (127\.0\.0\.1:\d+) `)[1]
	assert.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Zero(t, code)
}

func TestAStopDuringTheStartEndsAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fraudcheck.yaml")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	p := launch(t, "", "--config", file)
	writer, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer writer.Close()
	p.signal(t, syscall.SIGTERM)
	p.exitCode(t)
	assert.Empty(t, p.stderr.String(), "it did not wait until reading had taken too long")
}

// fullPipe is a pipe that takes nothing and that nobody reads.
func fullPipe(t *testing.T) (write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = read.Close()
		_ = write.Close()
	})
	size, err := unix.FcntlInt(write.Fd(), unix.F_GETPIPE_SZ, 0) // Fd makes it a blocking one
	require.NoError(t, err)
	_, err = write.Write(make([]byte, size))
	require.NoError(t, err)
	return write
}

func TestAStopIsNotHeldUpByABlockedStandardError(t *testing.T) {
	testbed.SkipShort(t, "waits out the time that a log line may take")
	for _, signals := range []int{1, 2} {
		t.Run(fmt.Sprint(signals, " signals"), func(t *testing.T) {
			folder := t.TempDir()
			cmd := exec.Command(testbed.Program(t), "--operator-listen", "127.0.0.1:0", "--config",
				writeFile(t, "fraudcheck.yaml", guarded+"drain: 1h\nlimits: {read: 1h}\nlog: {path: "+folder+"}\n"))
			cmd.Stderr = fullPipe(t)
			p := launchCommand(t, cmd)
			says := func(pattern string) (found []string) {
				require.Eventually(t, func() bool {
					text, _ := os.ReadFile(filepath.Join(folder, "log"))
					found = regexp.MustCompile(pattern).FindStringSubmatch(string(text))
					return found != nil
				}, prompt, 5*time.Millisecond)
				return found
			}
			p.addr = says(`Listening on (\S+)`)[1]
			if signals == 2 {
				begin(t, p)
				p.awaitAccepted(t)
			} else { // and nothing is in flight
				conn, err := net.Dial("tcp", p.addr)
				require.NoError(t, err)
				require.NoError(t, conn.Close())
			}
			for range signals {
				p.signalAgain(t, syscall.SIGTERM)
				says("Stopping ")
			}
			code, _ := p.exitCode(t)
			assert.Equal(t, signals-1, code)
		})
	}
}
