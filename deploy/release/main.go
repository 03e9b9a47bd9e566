// Release builds the archives of a version, bit for bit the same wherever it runs:
//
//	release VERSION FOLDER [OS/ARCH...]                    make them, such as 1.0.0 dist
//	release -against SHA256SUMS VERSION [OS/ARCH...]       make them aside and compare
//
// For each platform the folder gets fraudcheck_VERSION_OS_ARCH.tar.gz and, beside it, what
// it is made of (CycloneDX) in fraudcheck_VERSION_OS_ARCH.cdx.json; SHA256SUMS holds the
// checksums of all.
//
// What is built is the last commit, from a copy of its files alone, by the toolchain that
// go.mod names, with no setting of Go but those below. Neither a path nor a clock, user or
// umask of the machine reaches an archive: its times are the commit's.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
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
var validVersion = regexp.MustCompile(`^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z.-]+)?$`)

func main() {
	against := flag.String("against", "", "a SHA256SUMS to compare with")
	flag.Parse()
	if err := run(*against, flag.Args()); err != nil {
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
		return compare(r.sums.String(), string(published))
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
	if len(only) == 0 {
		only = platforms
	}
	for _, platform := range only {
		if err := r.platform(platform); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	return os.WriteFile(filepath.Join(r.folder, "SHA256SUMS"), r.sums.Bytes(), 0o644)
}

// export copies the files of the last commit. It refuses changes that are not committed:
// they would be missing.
func (r *release) export() error {
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
	seconds, err := output(root, "git", "show", "--no-patch", "--format=%ct", r.commit)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	r.time = time.Unix(n, 0).UTC()
	archive, err := output(root, "git", "-c", "core.autocrlf=false", "archive", "--format=tar", r.commit)
	if err != nil {
		return err
	}
	for in := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		f := file{name: header.Name, executable: header.Mode&0o100 != 0}
		if f.data, err = io.ReadAll(in); err != nil {
			return err
		}
		r.files = append(r.files, f)
		path := filepath.Join(r.source, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return err
		}
	}
}

// platform makes the archive and the bill of materials for one platform.
func (r *release) platform(platform string) error {
	goos, arch, found := strings.Cut(platform, "/")
	if !found {
		return errors.New("expected OS/ARCH")
	}
	os.Setenv("GOOS", goos)
	os.Setenv("GOARCH", arch)
	program := filepath.Join(r.temp, "fraudcheck")
	flags := "-s -w -buildid=" +
		" -X fraudcheck/internal/build.version=v" + r.version +
		" -X fraudcheck/internal/build.commit=" + r.commit +
		" -X fraudcheck/internal/build.date=" + r.time.Format(time.RFC3339)
	if _, err := output(r.source, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", program, "./cmd/fraudcheck"); err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	parts, err := r.modules()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("fraudcheck_%s_%s_%s", r.version, goos, arch)
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

// compare says what was made that is not in the published SHA256SUMS.
func compare(made, published string) error {
	lines := slices.Collect(strings.Lines(published))
	var wrong []string
	for line := range strings.Lines(made) {
		if !slices.Contains(lines, line) {
			wrong = append(wrong, strings.Fields(line)[1])
		}
	}
	if wrong != nil {
		return fmt.Errorf("not those of this commit: %s", strings.Join(wrong, ", "))
	}
	fmt.Println("all are those of this commit")
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
