// Release builds the archives of a version, bit for bit the same wherever it runs:
//
//	release VERSION FOLDER [OS/ARCH...]                    make them, such as 1.0.0 dist
//	release -against SHA256SUMS VERSION [OS/ARCH...]       make them aside and compare
//	release -program FOLDER VERSION OS/ARCH                only what an image holds of one
//	release -licences FOLDER OS/ARCH                       only the licences, of the files here
//
// For each platform the folder gets fraudcheck_VERSION_OS_ARCH.tar.gz and, beside it, what
// it is made of (CycloneDX) in fraudcheck_VERSION_OS_ARCH.cdx.json; SHA256SUMS holds the
// checksums of all.
//
// What is built is the last commit, from a copy of its files alone, by the toolchain that
// go.mod names, with no setting of Go but those below. Neither a path nor a clock, user,
// umask or git setting of the machine reaches an archive: its times are the commit's.
//
// What deploy/image packs is the same program with the licences, and labels.json, which says
// its version and commit. With "" as VERSION it is of the files as they are here, by any Go.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var platforms = []string{"linux/amd64", "linux/arm64", "darwin/arm64"}

// Semantic Versioning 2.0.0, without build metadata.
var validVersion = func() *regexp.Regexp {
	const number = `(0|[1-9]\d*)`
	const identifier = `(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)`
	return regexp.MustCompile(`^` + number + `(\.` + number + `){2}(-` + identifier + `(\.` + identifier + `)*)?$`)
}()

func main() {
	against := flag.String("against", "", "a SHA256SUMS to compare with")
	program := flag.String("program", "", "a folder for the program, its licences and labels.json")
	licences := flag.String("licences", "", "a folder for the licences")
	flag.Parse()
	var err error
	switch {
	case *program != "":
		err = writeProgram(*program, flag.Args())
	case *licences != "":
		err = writeLicences(*licences, flag.Args())
	default:
		err = run(*against, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(against string, args []string) error {
	if len(args) == 0 || !validVersion.MatchString(args[0]) {
		return errors.New("expected a version such as 1.0.0 or 1.1.0-rc.1")
	}
	temp, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	r := &release{version: args[0], source: filepath.Join(temp, "source"), temp: temp}
	if against != "" {
		published, err := os.ReadFile(against)
		if err != nil {
			return err
		}
		r.folder = filepath.Join(temp, "dist")
		if err := r.make(args[1:]); err != nil {
			return err
		}
		return compare(r.sums.String(), string(published), len(args) == 1)
	}
	if len(args) < 2 {
		return errors.New("expected a folder for the archives")
	}
	if r.folder, err = filepath.Abs(args[1]); err != nil {
		return err
	}
	return r.make(args[2:])
}

// A release is one version in the making.
type release struct {
	version string // without v
	folder  string // for the archives
	temp    string
	source  string    // a copy of the files of the commit
	commit  string    // its hash
	time    time.Time // of the commit, UTC
	files   []file    // of the commit
	sums    bytes.Buffer
}

// A file is one of the commit, or of an archive.
type file struct {
	name       string // with slashes
	executable bool
	data       []byte
}

// make makes what belongs to the platforms, or to all where none is named.
func (r *release) make(only []string) error {
	if len(only) == 0 {
		only = platforms
	}
	if err := r.refuseOthers(only); err != nil {
		return err
	}
	if err := r.export(); err != nil {
		return err
	}
	if err := r.pinGo(); err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder, 0o755); err != nil {
		return err
	}
	fmt.Printf("fraudcheck %s, commit %s of %s\n", r.version, r.commit, r.time.Format(time.RFC3339))
	for _, platform := range only {
		if err := r.platform(platform); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	return os.WriteFile(filepath.Join(r.folder, "SHA256SUMS"), r.sums.Bytes(), 0o644)
}

// refuseOthers refuses a folder with archives that the new SHA256SUMS would not list, as
// those of another version.
func (r *release) refuseOthers(only []string) error {
	found, err := filepath.Glob(filepath.Join(r.folder, "fraudcheck_*"))
	if err != nil {
		return err
	}
	for _, path := range found {
		if !slices.ContainsFunc(only, func(platform string) bool {
			return strings.HasPrefix(filepath.Base(path), r.name(platform)+".")
		}) {
			return fmt.Errorf("%s is not of this release: move it away first, or delete it", path)
		}
	}
	return nil
}

// name is the name of what is made for a platform, without an ending.
func (r *release) name(platform string) string {
	return "fraudcheck_" + r.version + "_" + strings.ReplaceAll(platform, "/", "_")
}

// export copies the files of the last commit. It refuses changes that are not committed:
// they would be missing. It also refuses another commit than the one of the version's tag.
func (r *release) export() error {
	if err := os.Setenv("GIT_NO_REPLACE_OBJECTS", "1"); err != nil { // git replace changes commits of one clone
		return err
	}
	root, err := output("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	if changed, err := output(root, "git", "status", "--porcelain", "--untracked-files=no"); err != nil || changed != "" {
		return errors.Join(err, fmt.Errorf("commit first, or take back:\n%s", changed))
	}
	if r.commit, err = output(root, "git", "rev-parse", "HEAD"); err != nil {
		return err
	}
	tag := "refs/tags/v" + r.version
	tagged, err := output(root, "git", "for-each-ref", "--format=%(objectname)", tag)
	if err != nil {
		return err
	}
	if tagged != "" {
		if tagged, err = output(root, "git", "rev-parse", tag+"^{commit}"); err != nil {
			return err
		}
		if tagged != r.commit {
			return fmt.Errorf("v%s is the tag of commit %s, and the last commit here is %s: check out the tag", r.version, tagged, r.commit)
		}
	}
	if r.time, err = commitTime(root, r.commit); err != nil {
		return err
	}
	return r.copyFiles(root)
}

// commitTime returns when the commit was made, UTC.
func commitTime(root, commit string) (time.Time, error) {
	seconds, err := output(root, "git", "-c", "log.showSignature=false", "show", "--no-patch", "--format=%ct", commit)
	if err != nil {
		return time.Time{}, err
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	return time.Unix(n, 0).UTC(), err
}

// copyFiles reads the files of the commit as git keeps them. git archive and a checkout
// would apply attributes, which the machine and the clone may set: line ends, export-ignore.
func (r *release) copyFiles(root string) error {
	tree, err := output(root, "git", "ls-tree", "-r", "-z", "--full-tree", r.commit)
	if err != nil {
		return err
	}
	var objects strings.Builder
	for entry := range strings.SplitSeq(strings.TrimSuffix(tree, "\x00"), "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		fields := strings.Fields(about) // mode, type, object
		if len(fields) != 3 || fields[1] != "blob" || fields[0] == "120000" {
			continue // a symbolic link, or a module of git
		}
		r.files = append(r.files, file{name: name, executable: fields[0] == "100755"})
		objects.WriteString(fields[2] + "\n")
	}
	cat := exec.Command("git", "cat-file", "--batch")
	cat.Dir, cat.Stdin, cat.Stderr = root, strings.NewReader(objects.String()), os.Stderr
	contents, err := cat.Output()
	if err != nil {
		return fmt.Errorf("git cat-file: %w", err)
	}
	in := bufio.NewReader(bytes.NewReader(contents))
	for i := range r.files {
		f := &r.files[i]
		var object, kind string
		var size int
		if _, err := fmt.Fscanf(in, "%s %s %d\n", &object, &kind, &size); err != nil {
			return fmt.Errorf("%s: git cat-file: %w", f.name, err)
		}
		f.data = make([]byte, size)
		if _, err := io.ReadFull(in, f.data); err != nil {
			return err
		}
		if _, err := in.Discard(1); err != nil { // a line end
			return err
		}
		path := filepath.Join(r.source, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// build builds the program for one platform, and returns its path and its parts. Version
// and commit may be unknown.
func (r *release) build(platform string) (string, []*part, error) {
	if err := setPlatform(platform); err != nil {
		return "", nil, err
	}
	program := filepath.Join(r.temp, "fraudcheck")
	flags := "-s -w -buildid="
	if r.version != "" {
		flags += " -X fraudcheck/internal/build.version=v" + r.version
	}
	if r.commit != "" {
		flags += " -X fraudcheck/internal/build.commit=" + r.commit + " -X fraudcheck/internal/build.date=" + r.time.Format(time.RFC3339)
	}
	if _, err := output(r.source, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", program, "./cmd/fraudcheck"); err != nil {
		return "", nil, err
	}
	parts, err := r.modules()
	return program, parts, err
}

// setPlatform has the commands of Go build for OS/ARCH.
func setPlatform(platform string) error {
	goos, arch, found := strings.Cut(platform, "/")
	if !found {
		return fmt.Errorf("expected OS/ARCH, not %q", platform)
	}
	return errors.Join(os.Setenv("GOOS", goos), os.Setenv("GOARCH", arch), os.Setenv("CGO_ENABLED", "0"))
}

// platform makes the archive and the bill of materials for one platform.
func (r *release) platform(platform string) error {
	program, parts, err := r.build(platform)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	name := r.name(platform)
	files := append(r.shipped(),
		file{name: "fraudcheck", executable: true, data: data},
		file{name: "THIRD-PARTY-LICENSES", data: licenceTexts(parts)})
	archive, err := pack(name, files, r.time)
	if err != nil {
		return err
	}
	bill, err := r.bill(program, parts)
	if err != nil {
		return err
	}
	return errors.Join(r.write(name+".tar.gz", archive), r.write(name+".cdx.json", bill))
}

// write writes a file and its line in SHA256SUMS.
func (r *release) write(name string, data []byte) error {
	fmt.Fprintf(&r.sums, "%x  %s\n", sha256.Sum256(data), name)
	fmt.Printf("%8d KiB  %s\n", len(data)>>10, name)
	return os.WriteFile(filepath.Join(r.folder, name), data, 0o644)
}

// compare compares what was made with the published SHA256SUMS. That may list more only
// where not all platforms were made.
func compare(made, published string, all bool) error {
	sums := map[string]string{}
	for line := range strings.Lines(published) {
		sum, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !found || name == "" {
			return fmt.Errorf("not a line of a checksum and a file: %q", line)
		}
		if _, found := sums[name]; found {
			return fmt.Errorf("listed twice: %s", name)
		}
		sums[name] = sum
	}
	var right, wrong []string
	for line := range strings.Lines(made) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if sums[name] == sum {
			right = append(right, name)
		} else {
			wrong = append(wrong, name)
		}
		delete(sums, name)
	}
	if wrong != nil {
		return fmt.Errorf("not those of this commit: %s", strings.Join(wrong, ", "))
	}
	if len(sums) == 0 {
		fmt.Println("all are those of this commit")
		return nil
	}
	rest := strings.Join(slices.Sorted(maps.Keys(sums)), ", ")
	if all {
		return fmt.Errorf("listed, but not made from this commit: %s", rest)
	}
	fmt.Printf("those of this commit: %s\nnot compared: %s\n", strings.Join(right, ", "), rest)
	return nil
}

// output runs a command in the folder and returns what it prints, without the line end.
func output(folder, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, complaints.String())
	}
	return strings.TrimRight(string(out), "\n"), nil
}
