package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// writeProgram writes what an image holds of a version and platform into the folder, which
// it replaces. Without a version the files are those of the working tree.
func writeProgram(folder string, args []string) error {
	if len(args) != 2 || args[0] != "" && !validVersion.MatchString(args[0]) {
		return errors.New("expected a version such as 1.0.0 or 1.1.0-rc.1, and OS/ARCH")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	r := &release{version: args[0], source: filepath.Join(temp, "source"), temp: temp}
	if r.version == "" {
		err = r.workingTree()
	} else if err = r.export(); err == nil {
		err = r.pinGo()
	}
	if err != nil {
		return err
	}
	program, parts, err := r.build(args[1])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	labels := map[string]string{}
	if r.version != "" {
		labels["org.opencontainers.image.version"] = r.version
	}
	if r.commit != "" {
		labels["org.opencontainers.image.revision"] = r.commit
		labels["org.opencontainers.image.created"] = r.time.Format(time.RFC3339)
	}
	text, err := json.Marshal(labels)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return errors.Join(r.writeLicences(folder, parts),
		os.WriteFile(filepath.Join(folder, "labels.json"), text, 0o644),
		os.WriteFile(filepath.Join(folder, "fraudcheck"), data, 0o755))
}

// writeLicences writes the licences of the working tree into the folder.
func writeLicences(folder string, args []string) error {
	if len(args) != 1 {
		return errors.New("expected OS/ARCH")
	}
	r := &release{}
	if err := r.findSource(); err != nil {
		return err
	}
	if err := setPlatform(args[0]); err != nil {
		return err
	}
	parts, err := r.modules()
	if err != nil {
		return err
	}
	return r.writeLicences(folder, parts)
}

func (r *release) writeLicences(folder string, parts []*part) error {
	licence, err := os.ReadFile(filepath.Join(r.source, "LICENSE"))
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(folder, 0o755),
		os.WriteFile(filepath.Join(folder, "LICENSE"), licence, 0o644),
		os.WriteFile(filepath.Join(folder, "THIRD-PARTY-LICENSES"), licenceTexts(parts), 0o644))
}

// workingTree takes the files as they are here. Their commit is known where git knows it
// and nothing differs from it.
func (r *release) workingTree() error {
	if err := r.findSource(); err != nil {
		return err
	}
	// A repository around an unpacked archive is another project's.
	if root, err := output(r.source, "git", "rev-parse", "--show-toplevel"); err != nil || root != r.source {
		return nil
	}
	changed, err := output(r.source, "git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		fmt.Printf("the program does not say its commit, from which these files differ:\n%s\n", changed)
		return nil
	}
	if r.commit, err = output(r.source, "git", "rev-parse", "HEAD"); err != nil {
		return err
	}
	r.time, err = commitTime(r.source, r.commit)
	return err
}

// findSource finds the top of the source, in which this module is deploy/release.
func (r *release) findSource() (err error) {
	if r.source, err = filepath.Abs("../.."); err != nil {
		return err
	}
	r.source, err = filepath.EvalSymlinks(r.source)
	return err
}
