package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const version = "1.2.3-test"

// The second build has another folder, umask, time zone, cache and settings of Go. It is
// the comparison that a stranger makes, too.
func TestAReleaseIsTheSameWhereverItIsBuilt(t *testing.T) {
	program, folder, other := built(t), clone(t), clone(t)
	dist := filepath.Join(t.TempDir(), "dist")
	said, err := command(program, folder, "022", []string{version, dist}, "TZ=UTC")
	require.NoError(t, err, said)

	sums := filepath.Join(dist, "SHA256SUMS")
	said, err = command(program, other, "077", []string{"-against", sums, version, "linux/amd64"},
		"TZ=Pacific/Auckland", "LC_ALL=tr_TR.UTF-8", "USER=someone", "GOCACHE="+t.TempDir(), "GOFLAGS=-tags=other -race",
		"GOAMD64=v3", "GOARM64=v9.0", "GOEXPERIMENT=nogreenteagc", "CGO_ENABLED=1", "GOWORK=/nowhere", "GODEBUG=http2server=0")
	require.NoError(t, err, said)
	made := "fraudcheck_" + version + "_linux_amd64"
	assert.Contains(t, said, "\nthose of this commit: "+made+".tar.gz, "+made+".cdx.json\nnot compared: ")

	text := read(t, sums)
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dist
	out, err := check.CombinedOutput()
	assert.NoError(t, err, string(out))
	assert.Equal(t, 2*len(platforms), strings.Count(text, "\n"))
	for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_arm64"} {
		name := "fraudcheck_" + version + "_" + platform
		requireArchive(t, folder, filepath.Join(dist, name+".tar.gz"), name)
		requireBill(t, filepath.Join(dist, name+".cdx.json"))
	}
}

func TestAnArchiveThatIsNotOfTheCommitIsNamed(t *testing.T) {
	const made = "0123  one.tar.gz\n4567  one.cdx.json\n"
	require.NoError(t, compare(made, made, true))
	require.NoError(t, compare(made, made+"89ab  two.tar.gz\n", false))
	for published, says := range map[string]string{
		"0000  one.tar.gz\n4567  one.cdx.json\n": "not those of this commit: one.tar.gz",
		"":                                       "not those of this commit: one.tar.gz, one.cdx.json",
		made + "0000  one.tar.gz\n":              "listed twice: one.tar.gz",
		"0000  one.tar.gz\n" + made:              "listed twice: one.tar.gz",
		made + "89ab  two.tar.gz\n":              "listed, but not made from this commit: two.tar.gz",
		made + "89ab two.tar.gz\n":               `not a line of a checksum and a file: "89ab two.tar.gz\n"`,
		made + "\n0123  one.tar.gz\n":            `not a line of a checksum and a file: "\n"`,
	} {
		assert.EqualError(t, compare(made, published, true), says)
	}
}

func TestAVersionIsSemantic(t *testing.T) {
	for _, right := range []string{"1.0.0", "0.10.0", "1.0.0-rc.1", "1.0.0-0", "1.0.0-01a", "1.0.0--", "1.0.0-x-1.y"} {
		assert.Regexp(t, validVersion, right)
	}
	for _, wrong := range []string{"1.0.0-01", "1.0.0-rc.01", "1.0.0-", "1.0.0-a..b", "1.0.0-a.", "01.0.0", "1.0", "v1.0.0", "1.0.0+x",
		"1.0.0; touch x", "1.0.0 linux/amd64", "1.0.0\n", ""} {
		assert.NotRegexp(t, validVersion, wrong)
	}
}

// repository makes a repository of two commits in a new folder and changes into it.
func repository(t *testing.T) {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	t.Chdir(t.TempDir())
	git(t, "init", "--quiet")
	for name, text := range map[string]string{"go.mod": "module x\n", "docs/page.md": "one\ntwo\n", "run.sh": "#!/bin/sh\n", "data": "\x00\n\xff"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	require.NoError(t, os.Chmod("run.sh", 0o755))
	git(t, "add", ".")
	git(t, "commit", "--quiet", "-m", "first")
	git(t, "commit", "--quiet", "--allow-empty", "-m", "second")
}

func git(t *testing.T, args ...string) {
	t.Helper()
	_, err := output("", "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
	require.NoError(t, err)
}

func exported(t *testing.T) (*release, error) {
	t.Helper()
	r := &release{version: "1.0.0", source: t.TempDir()}
	return r, r.export()
}

// A user of git may have it change line ends and leave files out of archives, on the
// machine or in the clone.
func TestNoGitSettingChangesTheFiles(t *testing.T) {
	repository(t)
	plain, err := exported(t)
	require.NoError(t, err)
	require.Equal(t, []file{
		{name: "data", data: []byte("\x00\n\xff")},
		{name: "docs/page.md", data: []byte("one\ntwo\n")},
		{name: "go.mod", data: []byte("module x\n")},
		{name: "run.sh", executable: true, data: []byte("#!/bin/sh\n")},
	}, plain.files)

	const attributes = "* text=auto\n*.md text eol=crlf\ngo.mod export-ignore\nrun.sh ident export-subst\n"
	global := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(global, "attributes"), []byte(attributes), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(global, "config"),
		[]byte("[core]\nautocrlf = true\neol = crlf\nattributesFile = "+filepath.Join(global, "attributes")+"\n[tar]\numask = 0077\n[log]\nshowSignature = true\n"), 0o600))
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(global, "config"))
	require.NoError(t, os.MkdirAll(".git/info", 0o755))
	require.NoError(t, os.WriteFile(".git/info/attributes", []byte(attributes), 0o600))
	set, err := exported(t)
	require.NoError(t, err)
	assert.Equal(t, plain.files, set.files)
	assert.Equal(t, plain.time, set.time)
	archived, err := output("", "git", "archive", "--format=tar", "HEAD", "docs/page.md")
	require.NoError(t, err)
	require.Contains(t, archived, "one\r\ntwo\r\n", "the settings are in force")
	assert.Equal(t, read(t, filepath.Join(plain.source, "docs/page.md")), read(t, filepath.Join(set.source, "docs/page.md")))
}

// What an image holds is of the version, and without one of the files as they are here.
func TestTheProgramOfAnImageSaysItsCommit(t *testing.T) {
	copied := clone(t)
	commit, err := output(copied, "git", "rev-parse", "HEAD")
	require.NoError(t, err)
	t.Chdir(filepath.Join(copied, "deploy/release"))
	program := built(t)
	folder := filepath.Join(t.TempDir(), "folder")
	made := func(version string) string {
		said, err := command(program, ".", "022", []string{"-program", folder, "--", version, "linux/amd64"})
		require.NoError(t, err, said)
		says, err := output("", filepath.Join(folder, "fraudcheck"), "version")
		require.NoError(t, err)
		return says
	}
	assert.Contains(t, made(version), "fraudcheck v"+version+" commit "+commit[:12]+" 20")
	of := read(t, filepath.Join(folder, "labels.json"))
	assert.Contains(t, of, `"org.opencontainers.image.version":"`+version+`"`)
	assert.Contains(t, of, `"org.opencontainers.image.revision":"`+commit+`"`)
	assert.Equal(t, read(t, filepath.Join(copied, "LICENSE")), read(t, filepath.Join(folder, "LICENSE")))
	assert.Contains(t, read(t, filepath.Join(folder, "THIRD-PARTY-LICENSES")), "github.com/valyala/fasthttp@")

	assert.Contains(t, made(""), "fraudcheck (devel) commit "+commit[:12]+" 20")
	of = read(t, filepath.Join(folder, "labels.json"))
	assert.NotContains(t, of, "image.version")
	assert.Contains(t, of, `"org.opencontainers.image.revision":"`+commit+`"`)

	require.NoError(t, os.WriteFile(filepath.Join(copied, "LICENSE"), []byte(read(t, filepath.Join(copied, "LICENSE"))+"changed"), 0o600))
	assert.NotContains(t, made(""), "commit", "it is not of that commit")
	assert.Equal(t, "{}", read(t, filepath.Join(folder, "labels.json")))
	assert.Contains(t, read(t, filepath.Join(folder, "LICENSE")), "changed")
	said, err := command(program, ".", "022", []string{"-program", folder, "--", version, "linux/amd64"})
	require.Error(t, err)
	assert.Contains(t, said, "commit first")
}

func TestACommitReplacedInTheCloneIsNotBuilt(t *testing.T) {
	repository(t)
	plain, err := exported(t)
	require.NoError(t, err)
	git(t, "checkout", "--quiet", "-b", "other")
	require.NoError(t, os.WriteFile("data", []byte("other"), 0o600))
	git(t, "commit", "--quiet", "-am", "other")
	git(t, "checkout", "--quiet", "-")
	t.Setenv("GIT_NO_REPLACE_OBJECTS", "") // t.Setenv takes back what export sets
	require.NoError(t, os.Unsetenv("GIT_NO_REPLACE_OBJECTS"))
	git(t, "replace", "HEAD", "other")
	replaced, err := exported(t)
	require.NoError(t, err)
	assert.Equal(t, plain.files, replaced.files)
}

func TestATagOfAnotherCommitIsRefused(t *testing.T) {
	repository(t)
	git(t, "tag", "-a", "-m", "x", "v1.0.0")
	_, err := exported(t)
	require.NoError(t, err)
	for _, kind := range [][]string{{"tag", "-f", "v1.0.0", "HEAD~1"}, {"tag", "-f", "-a", "-m", "x", "v1.0.0", "HEAD~1"}} {
		git(t, kind...)
		_, err = exported(t)
		require.ErrorContains(t, err, "v1.0.0 is the tag of commit ")
	}
}

func TestArchivesOfAnotherReleaseAreRefused(t *testing.T) {
	r := &release{version: "1.1.0", folder: t.TempDir()}
	require.NoError(t, r.refuseOthers(platforms))
	for _, own := range []string{"fraudcheck_1.1.0_linux_amd64.tar.gz", "fraudcheck_1.1.0_linux_amd64.cdx.json", "SHA256SUMS"} {
		require.NoError(t, os.WriteFile(filepath.Join(r.folder, own), nil, 0o600))
	}
	require.NoError(t, r.refuseOthers(platforms))
	require.ErrorContains(t, r.refuseOthers([]string{"darwin/arm64"}), "linux_amd64", "the new SHA256SUMS does not list it")
	require.NoError(t, os.WriteFile(filepath.Join(r.folder, "fraudcheck_1.0.0_linux_amd64.tar.gz"), nil, 0o600))
	require.ErrorContains(t, r.refuseOthers(platforms), "fraudcheck_1.0.0_linux_amd64.tar.gz is not of this release")
}

// Whatever the umask of root is, others may run what root unpacks: a service is not root.
// tar applies the umask to folders that the archive does not have.
func TestAnArchiveUnpackedByRootIsForEverybody(t *testing.T) {
	folder := t.TempDir()
	packed, err := pack("one", []file{{name: "deploy/rules/a.yaml"}, {name: "fraudcheck", executable: true}}, time.Unix(0, 0))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "one.tar.gz"), packed, 0o600))
	said, err := command("tar", folder, "077", []string{"-xpzf", "one.tar.gz"}) // -p is what root has by default
	require.NoError(t, err, said)
	for name, mode := range map[string]os.FileMode{"one": 0o755, "one/deploy": 0o755, "one/deploy/rules": 0o755, "one/deploy/rules/a.yaml": 0o644, "one/fraudcheck": 0o755} {
		info, err := os.Stat(filepath.Join(folder, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), name)
	}
}

// requireArchive judges what an archive holds, and runs the program where it can.
func requireArchive(t *testing.T, folder, path, name string) {
	t.Helper()
	zip, err := gzip.NewReader(strings.NewReader(read(t, path)))
	require.NoError(t, err)
	assert.Equal(t, gzip.Header{OS: 255}, zip.Header) // neither name nor time
	commit, err := output(folder, "git", "show", "--no-patch", "--format=%H %ct", "HEAD")
	require.NoError(t, err)
	hash, seconds, _ := strings.Cut(commit, " ")
	var names []string
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		inside, found := strings.CutPrefix(h.Name, name+"/")
		require.True(t, found, h.Name)
		names = append(names, inside)
		mode := int64(0o644)
		if h.Typeflag == tar.TypeDir || inside == "fraudcheck" || strings.HasSuffix(inside, ".sh") {
			mode = 0o755
		}
		assert.Equal(t, mode, h.Mode, h.Name)
		assert.Equal(t, seconds, strconv.FormatInt(h.ModTime.Unix(), 10), h.Name)
		assert.Zero(t, h.Uid+h.Gid, h.Name)
		assert.Empty(t, h.Uname+h.Gname, h.Name)
		if inside == "fraudcheck" && strings.HasSuffix(name, "linux_amd64") {
			program := filepath.Join(t.TempDir(), "fraudcheck")
			data, err := io.ReadAll(in)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(program, data, 0o700))
			said, err := output("", program, "version")
			require.NoError(t, err)
			assert.Contains(t, said, "fraudcheck v"+version+" commit "+hash[:12]+" 20")
		}
	}
	assert.IsNonDecreasing(t, names)
	assert.Subset(t, names, []string{"fraudcheck", "LICENSE", "THIRD-PARTY-LICENSES", "README.md", "CHANGELOG.md",
		"docs/configuration.md", "deploy/fraudcheck.example.yaml", "deploy/rules/recommended.yaml",
		"deploy/systemd/fraudcheck.service", "deploy/completion/fraudcheck.bash", "deploy/kubernetes/base/kustomization.yaml",
		"client/go.mod", "client/client.go", "client/node/fraudcheck.mjs", "examples/checkout/curl.sh"})
	for _, inside := range names {
		assert.NotRegexp(t, `_test\.go$`, inside)
	}
}

// requireBill wants a licence of each module.
func requireBill(t *testing.T, path string) {
	t.Helper()
	type component struct {
		Name     string
		Licenses []struct {
			License    struct{ ID string }
			Expression string
		}
	}
	var bom struct {
		BOMFormat  string
		Metadata   struct{ Component component }
		Components []component
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, path)), &bom))
	assert.Equal(t, "CycloneDX", bom.BOMFormat)
	assert.Greater(t, len(bom.Components), 10)
	licences := map[string]string{}
	for _, c := range append(bom.Components, bom.Metadata.Component) {
		require.Len(t, c.Licenses, 1, c.Name)
		licences[c.Name] = c.Licenses[0].License.ID + c.Licenses[0].Expression
		assert.NotEmpty(t, licences[c.Name], c.Name)
	}
	assert.Equal(t, "MIT", licences["fraudcheck"])
	assert.Equal(t, "BSD-3-Clause", licences["std"])
	assert.Equal(t, "BSD-3-Clause", licences["golang.org/x/crypto"])
	assert.Equal(t, "Apache-2.0 AND MIT", licences["go.yaml.in/yaml/v3"])
}

func TestARefusedReleaseSaysWhy(t *testing.T) {
	program, folder := built(t), clone(t)
	refused := func(version, why string) {
		t.Helper()
		said, err := command(program, folder, "022", []string{version, t.TempDir()})
		require.Error(t, err)
		assert.Contains(t, said, why)
	}
	for _, wrong := range []string{"v1.0.0", "1.0", "01.0.0", "1.0.0 -X main.x=y"} {
		refused(wrong, "expected a version such as 1.0.0")
	}
	mod := filepath.Join(folder, "go.mod")
	changed := toolchainLine.ReplaceAllString(read(t, mod), "toolchain go1.26.1")
	require.NoError(t, os.WriteFile(mod, []byte(changed), 0o600))
	refused(version, "commit first")
	_, err := output(folder, "git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qam", "another toolchain")
	require.NoError(t, err)
	refused(version, "releases are built with go1.26.1, this is go")
}

// make hands on what it is given as one argument, and runs nothing in it.
func TestMakeRunsNothingThatItIsGiven(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a folder; touch x")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "bin"), 0o755))
	for _, name := range []string{"Makefile", "go.mod"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(read(t, filepath.Join("../..", name))), 0o600))
	}
	// It stands for Go, and notes with what it was called.
	const note = "#!/bin/sh\n[ \"$1\" = version ] && echo go version go1.26.8 && exit\n[ \"$1\" = env ] && echo amd64\n[ \"$1\" = run ] && printf '%s\\n' \"$@\" >>called\nexit 0\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "bin/go"), []byte(note), 0o755))
	called := func(args ...string) []string {
		_ = os.Remove(filepath.Join(folder, "called"))
		said, err := command("make", folder, "022", append([]string{"--no-print-directory"}, args...), "PATH="+filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
		require.NoError(t, err, said)
		return strings.Split(strings.TrimSuffix(read(t, filepath.Join(folder, "called")), "\n"), "\n")
	}
	for _, given := range []string{"1.0.0", "1.0.0; touch x", "$$(touch x)", "$(shell touch x)", "`touch x`", `"; touch x; "`, "'; touch x; '", "1.0.0 linux/amd64", "-against"} {
		assert.Equal(t, []string{"run", "-C", "deploy/release", ".", "--", given, folder + "/dist"}, called("release", "VERSION="+given))
		assert.Equal(t, []string{"run", "-C", "deploy/release", ".", "-against", folder + "/" + given, "--", "1.0.0"}, called("verify-release", "VERSION=1.0.0", "SUMS="+given))
		assert.Equal(t, "/a b/"+given, called("verify-release", "VERSION=1.0.0", "SUMS=/a b/"+given)[5])
		image := func(version, arch, tag string) []string {
			return []string{"run", "-C", "deploy/release", ".", "-program", folder + "/bin/image", "--", version, "linux/" + arch,
				"run", "-C", "deploy/image", ".", "-from", folder + "/bin/image", "-arch", arch, "-tag", tag, "-o", folder + "/fraudcheck.oci"}
		}
		assert.Equal(t, image("", "amd64", "latest"), called("image"))
		assert.Equal(t, image(given, "amd64", "v"+given), called("image", "VERSION="+given))
		assert.Equal(t, image("1.0.0", "amd64", given), called("image", "VERSION=1.0.0", "tag="+given))
		assert.Equal(t, image("", given, given), called("image", "arch="+given, "tag="+given))
		require.NoFileExists(t, filepath.Join(folder, "x"), given)
	}
	assert.Equal(t, folder+"/dist/SHA256SUMS", called("verify-release", "VERSION=1.0.0")[5])
}

func built(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "release")
	_, err := output("", "go", "build", "-o", path, ".")
	require.NoError(t, err)
	return path
}

// clone returns a copy of the last commit, in a folder of its own.
func clone(t *testing.T) string {
	t.Helper()
	root, err := output("", "git", "rev-parse", "--show-toplevel")
	require.NoError(t, err)
	folder := filepath.Join(t.TempDir(), "copy")
	_, err = output("", "git", "clone", "--quiet", root, folder)
	require.NoError(t, err)
	return folder
}

// command runs the program with that umask and returns what it says.
func command(program, folder, umask string, args []string, env ...string) (string, error) {
	cmd := exec.Command("sh", append([]string{"-c", `umask "$0" && exec "$@"`, umask, program}, args...)...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
