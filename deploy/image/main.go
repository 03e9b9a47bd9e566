// Image writes the program as an OCI image, a folder that skopeo, umoci and podman read,
// without Docker and without a registry:
//
//	go run . -from ../../bin/image -arch amd64 -tag v1.0.0 -o fraudcheck.oci
//
// The folder of -from is made by deploy/release: it holds the program, static, for Linux,
// its licences, and labels.json. The same folder gives the same bytes: files bear the time
// 0, the image that of the commit, nothing is of the machine that made it. What it holds and
// how it runs stands in the Dockerfile at the top of the repository too; a test holds them
// equal.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is the one the program runs as: of no distribution, and beside the 65534 that
// others use for nobody.
const user = 65532

func main() {
	from := flag.String("from", "bin/image", "folder with the program, its licences and labels.json")
	arch := flag.String("arch", "amd64", "what it was built for, as GOARCH names it")
	tag := flag.String("tag", "latest", "name of the image in the folder")
	out := flag.String("o", "fraudcheck.oci", "folder to write, replaced when it is there")
	flag.Parse()
	if err := run(*from, *arch, *tag, *out); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// What the distribution specification of OCI has for a tag, and Go for an architecture.
var (
	validTag  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	validArch = regexp.MustCompile(`^[a-z0-9]+$`)
)

func run(from, arch, tag, out string) error {
	if !validTag.MatchString(tag) {
		return fmt.Errorf("%q is no tag", tag)
	}
	if !validArch.MatchString(arch) {
		return fmt.Errorf("%q is no architecture", arch)
	}
	image, err := build(from, arch)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	at, err := layout.Write(out, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	if err := at.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s:%s %s\n", out, tag, digest)
	return nil
}

// build returns the image of the folder. Its media types are OCI's: the library's own
// are Docker's, which umoci and skopeo refuse in such a folder.
func build(from, arch string) (v1.Image, error) {
	files, err := archive(from)
	if err != nil {
		return nil, err
	}
	labels, created, err := describe(from)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	config.Created = v1.Time{Time: created}
	config.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", user, user),
		Entrypoint:   []string{"/fraudcheck"},
		Env:          []string{"FRAUDCHECK_CONFIG=/etc/fraudcheck/fraudcheck.yaml"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8081/tcp": {}},
		Labels:       labels,
		// OCI's configuration has no health check; Docker and podman read this one all the
		// same.
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/fraudcheck", "healthcheck"},
			Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 5 * time.Second, Retries: 3,
		},
	}
	return mutate.ConfigFile(image, config)
}

// describe returns the labels, and the time of the commit, which is 0 where the commit is
// not known.
func describe(from string) (map[string]string, time.Time, error) {
	created := time.Unix(0, 0).UTC()
	labels := map[string]string{}
	text, err := os.ReadFile(filepath.Join(from, "labels.json"))
	if err != nil {
		return nil, created, err
	}
	if err := json.Unmarshal(text, &labels); err != nil {
		return nil, created, fmt.Errorf("labels.json: %w", err)
	}
	if at := labels["org.opencontainers.image.created"]; at != "" {
		if created, err = time.Parse(time.RFC3339, at); err != nil {
			return nil, created, fmt.Errorf("labels.json: %w", err)
		}
	}
	labels["org.opencontainers.image.title"] = "fraudcheck"
	labels["org.opencontainers.image.licenses"] = "MIT"
	return labels, created, nil
}

// archive returns the files of the image: the program, its licences, and folders to mount
// at. Only /var/lib/fraudcheck is the program's to write, and a volume that is made there
// takes over its owner.
func archive(from string) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, entry := range []struct {
		name  string // a folder's ends in a slash
		mode  int64
		owner int
	}{
		{"etc/", 0o755, 0}, {"etc/fraudcheck/", 0o755, 0}, {"var/", 0o755, 0}, {"var/lib/", 0o755, 0}, {"var/lib/fraudcheck/", 0o755, user},
		{"licenses/", 0o755, 0}, {"licenses/LICENSE", 0o644, 0}, {"licenses/THIRD-PARTY-LICENSES", 0o644, 0},
		{"fraudcheck", 0o755, 0},
	} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: entry.name, Mode: entry.mode, Uid: entry.owner, Gid: entry.owner, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		var text []byte
		if !strings.HasSuffix(entry.name, "/") {
			var err error
			if text, err = os.ReadFile(filepath.Join(from, path.Base(entry.name))); err != nil {
				return nil, err
			}
			header.Typeflag, header.Size = tar.TypeReg, int64(len(text))
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
