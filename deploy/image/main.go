// Image writes the program as an OCI image, a folder that skopeo, umoci and podman read,
// without Docker and without a registry:
//
//	go run . -program fraudcheck -arch amd64 -tag v1.0.0 -o fraudcheck.oci
//
// The same program gives the same bytes: files and image bear the time 0, the image none
// of the machine that made it. What it holds and how it runs stands in the Dockerfile at
// the top of the repository too; a test holds them equal.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
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
	program := flag.String("program", "fraudcheck", "the program, static, for Linux")
	arch := flag.String("arch", "amd64", "what it was built for, as GOARCH names it")
	tag := flag.String("tag", "latest", "name of the image in the folder")
	out := flag.String("o", "fraudcheck.oci", "folder to write, replaced when it is there")
	flag.Parse()
	if err := run(*program, *arch, *tag, *out); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(program, arch, tag, out string) error {
	image, err := build(program, arch)
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

// build returns the image of the program. Its media types are OCI's: the library's own
// are Docker's, which umoci and skopeo refuse in such a folder.
func build(program, arch string) (v1.Image, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	files, err := archive(text)
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
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", user, user),
		Entrypoint:   []string{"/fraudcheck"},
		Env:          []string{"FRAUDCHECK_CONFIG=/etc/fraudcheck/fraudcheck.yaml"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8081/tcp": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "fraudcheck",
			"org.opencontainers.image.licenses": "MIT",
		},
		// OCI's configuration has no health check; Docker and podman read this one all the
		// same.
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/fraudcheck", "healthcheck"},
			Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 5 * time.Second, Retries: 3,
		},
	}
	return mutate.ConfigFile(image, config)
}

// archive returns the files of the image: the program, and folders to mount at. Only
// /var/lib/fraudcheck is the program's to write, and a volume that is made there takes
// over its owner.
func archive(program []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, folder := range []struct {
		name  string
		owner int
	}{{"etc/", 0}, {"etc/fraudcheck/", 0}, {"var/", 0}, {"var/lib/", 0}, {"var/lib/fraudcheck/", user}} {
		if err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeDir, Name: folder.name, Mode: 0o755, Uid: folder.owner, Gid: folder.owner, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}); err != nil {
			return nil, err
		}
	}
	if err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: "fraudcheck", Mode: 0o755, Size: int64(len(program)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
