package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prompt is the longest that the program may take to start or to end.
const prompt = 20 * time.Second

const labels = `{"org.opencontainers.image.version":"1.0.0","org.opencontainers.image.revision":"0123456789abcdef0123456789abcdef01234567","org.opencontainers.image.created":"2026-11-28T13:00:00Z"}`

// source makes a folder to pack, with that text as the program.
func source(t *testing.T, program string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"fraudcheck": program, "LICENSE": "ours", "THIRD-PARTY-LICENSES": "theirs", "labels.json": labels} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755))
	}
	return folder
}

// command runs it and returns what it says.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, args, out)
	return string(out)
}

// files returns the content of every file below the folder, by its name.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, folder)] = string(text)
		return err
	}))
	require.NotEmpty(t, all)
	return all
}

func TestTheImageOfAProgramIsTheSameEverywhere(t *testing.T) {
	from := source(t, "any")
	file := filepath.Join(from, "fraudcheck")
	one, other := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "other")
	require.NoError(t, run(from, "arm64", "v1", one))

	// Another day, mode, zone and umask.
	require.NoError(t, os.Chmod(file, 0o600))
	require.NoError(t, os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)))
	t.Setenv("TZ", "Asia/Kolkata")
	defer syscall.Umask(syscall.Umask(0o077))
	require.NoError(t, os.Mkdir(other, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(other, "old"), nil, 0o600), "what was there before goes")
	require.NoError(t, run(from, "arm64", "v1", other))
	assert.Equal(t, files(t, one), files(t, other))

	require.NoError(t, os.WriteFile(file, []byte("another"), 0o755))
	require.NoError(t, run(from, "arm64", "v1", other))
	assert.NotEqual(t, files(t, one)["/index.json"], files(t, other)["/index.json"])
	assert.NotContains(t, fmt.Sprint(files(t, one)), "docker", "a media type")
}

func TestTheImageSaysWhatItIs(t *testing.T) {
	from := source(t, "any")
	image, err := build(from, "amd64")
	require.NoError(t, err)
	made, err := image.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"org.opencontainers.image.title":    "fraudcheck",
		"org.opencontainers.image.licenses": "MIT",
		"org.opencontainers.image.version":  "1.0.0",
		"org.opencontainers.image.revision": "0123456789abcdef0123456789abcdef01234567",
		"org.opencontainers.image.created":  "2026-11-28T13:00:00Z",
	}, made.Config.Labels)
	assert.Equal(t, time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC), made.Created.Time)

	require.NoError(t, os.WriteFile(filepath.Join(from, "labels.json"), []byte("{}"), 0o600))
	image, err = build(from, "amd64")
	require.NoError(t, err)
	made, err = image.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, time.Unix(0, 0).UTC(), made.Created.Time, "the commit is not known")

	require.NoError(t, os.Remove(filepath.Join(from, "THIRD-PARTY-LICENSES")))
	_, err = build(from, "amd64")
	require.ErrorContains(t, err, "THIRD-PARTY-LICENSES")
}

func TestWhatIsNoTagIsRefused(t *testing.T) {
	from, out := source(t, "any"), filepath.Join(t.TempDir(), "out")
	for _, tag := range []string{"", "v1.0.0; touch x", "a b", "-a", "a/b", "v1.0.0\n", strings.Repeat("a", 129)} {
		require.ErrorContains(t, run(from, "amd64", tag, out), "is no tag", tag)
	}
	for _, arch := range []string{"", "amd64 x", "../x", "arm64;x"} {
		require.ErrorContains(t, run(from, arch, "v1", out), "is no architecture", arch)
	}
	require.NoDirExists(t, out)
}

// unpack has umoci, which shares no code with what wrote the image, make a bundle of it.
func unpack(t *testing.T) (root string, config struct {
	Process struct {
		User struct{ UID, GID uint32 }
		Args []string
		Env  []string
	}
}) {
	t.Helper()
	oci, bundle := filepath.Join(t.TempDir(), "oci"), filepath.Join(t.TempDir(), "bundle")
	from := filepath.Join(t.TempDir(), "from")
	command(t, "go", "run", "-C", "../release", ".", "-program", from, "--", "", "linux/amd64") // as make image does
	require.NoError(t, run(from, "amd64", "v1", oci))
	command(t, "umoci", "unpack", "--image", oci+":v1", bundle)
	text, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &config))
	return filepath.Join(bundle, "rootfs"), config
}

// The unpacked image, alone in a root that is read-only, as its own user, without a shell.
func TestTheImageServesAndIsHealthy(t *testing.T) {
	root, config := unpack(t)
	assert.EqualValues(t, user, config.Process.User.UID)
	assert.EqualValues(t, user, config.Process.User.GID)
	require.Equal(t, []string{"/fraudcheck"}, config.Process.Args)
	ours, err := os.ReadFile("../../LICENSE")
	require.NoError(t, err)
	licences := files(t, filepath.Join(root, "licenses"))
	assert.Equal(t, string(ours), licences["/LICENSE"])
	assert.Contains(t, licences["/THIRD-PARTY-LICENSES"], "github.com/valyala/fasthttp@")

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := ln.Addr().String()
	require.NoError(t, ln.Close())
	// As docs/deploy.md has it; an image has no /etc/hosts that would know localhost.
	settings := fmt.Sprintf("listen: %s\noperator_listen: 127.0.0.1:0\nhash_key_file: hash.key\nstore: {memory: {snapshot_file: /var/lib/fraudcheck/snapshot}}\n", strings.Replace(address, "127.0.0.1", "0.0.0.0", 1))
	require.NoError(t, os.WriteFile(filepath.Join(root, "etc/fraudcheck/fraudcheck.yaml"), []byte(settings), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "etc/fraudcheck/hash.key"), []byte(strings.Repeat("staple-", 6)), 0o644))

	// unshare for a mount that ends with the process; chroot gives up root.
	inside := func(args ...string) *exec.Cmd {
		enter := fmt.Sprintf(`mount --make-rprivate / && mount --bind %[1]s %[1]s && mount -t tmpfs -o uid=%[2]d,gid=%[2]d,mode=755 none %[1]s/var/lib/fraudcheck &&
mount -o remount,bind,ro %[1]s && exec chroot --userspec=%[2]d:%[2]d %[1]s "$@"`, root, user)
		cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-c", enter, "sh"}, args...)...)
		cmd.Env = append(config.Process.Env, "PATH="+os.Getenv("PATH"))
		return cmd
	}
	service := inside(config.Process.Args...)
	service.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	require.NoError(t, err)
	service.Stdout, service.Stderr = output, output
	require.NoError(t, service.Start())
	ended := make(chan error, 1)
	go func() { ended <- service.Wait() }()
	t.Cleanup(func() { _ = service.Process.Kill() })
	said := func() string { text, _ := os.ReadFile(output.Name()); return string(text) }

	health := func() error { return inside("/fraudcheck", "healthcheck").Run() }
	require.Eventually(t, func() bool { return health() == nil }, prompt, 50*time.Millisecond, said)

	password := regexp.MustCompile(`password  (\S+)`).FindStringSubmatch(said())
	require.NotNil(t, password, said())
	name := regexp.MustCompile(`username  (\S+)`).FindStringSubmatch(said())
	r, err := http.NewRequest("POST", "http://"+address+"/v1/check", strings.NewReader(`{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}`))
	require.NoError(t, err)
	r.SetBasicAuth(name[1], password[1])
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode)

	require.NoError(t, service.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-ended:
		assert.NoError(t, err, said())
		assert.Contains(t, said(), "Stopped (")
		assert.NotContains(t, said(), "cannot be written", "the snapshot")
	case <-time.After(prompt):
		require.Fail(t, "it does not end", said())
	}
	assert.Error(t, health(), "nothing runs any more")
}

// The Dockerfile makes the same of the same program.
func TestTheDockerfileSaysTheSame(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	_, last, found := strings.Cut(string(text), "\nFROM scratch\n")
	require.True(t, found)
	image, err := build(source(t, ""), "amd64")
	require.NoError(t, err)
	made, err := image.ConfigFile()
	require.NoError(t, err)
	c, h := made.Config, made.Config.Healthcheck
	for _, line := range []string{
		"USER " + c.User,
		"ENV " + c.Env[0],
		"EXPOSE 8080 8081",
		fmt.Sprintf("HEALTHCHECK --interval=%s --timeout=%s --start-period=%s --retries=%d CMD [\"%s\", \"%s\"]", h.Interval, h.Timeout, h.StartPeriod, h.Retries, h.Test[1], h.Test[2]),
		fmt.Sprintf("ENTRYPOINT [\"%s\"]", c.Entrypoint[0]),
		fmt.Sprintf("COPY --from=build --chown=%s /out/var/ /var/", c.User),
		"COPY --from=build /out/licenses/ /licenses/",
	} {
		assert.Contains(t, strings.Split(last, "\n"), line)
	}
	for label := range c.Labels {
		assert.Contains(t, last, label+"=")
	}
}
