package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"time"
)

// What an archive has beside the program, where the commit has it. Names that end in a
// slash are folders.
var ships = []string{
	"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "api/openapi.yaml", "docs/",
	"deploy/fraudcheck.example.yaml", "deploy/rules/", "deploy/systemd/", "deploy/completion/", "deploy/firewall/", "deploy/nginx/", "deploy/haproxy/",
	"deploy/kubernetes/base/", "deploy/kubernetes/servicemonitor/",
	"deploy/grafana/", "deploy/prometheus/alerts.yaml", "deploy/prometheus/recordings.yaml", "deploy/prometheus/prometheus.yml",
	"client/", "examples/",
}

func (r *release) shipped() (files []file) {
	for _, f := range r.files {
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		if slices.ContainsFunc(ships, func(s string) bool { return f.name == s || strings.HasSuffix(s, "/") && strings.HasPrefix(f.name, s) }) {
			files = append(files, f)
		}
	}
	return files
}

// pack returns a gzipped tar of the files, in the order of their names, below one folder.
// All have the same time and belong to root. Folders are entries of their own: those that
// are not get their mode from the umask of root, under which no service may reach them.
func pack(folder string, files []file, at time.Time) ([]byte, error) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression) // its header has neither name nor time
	if err != nil {
		return nil, err
	}
	out := tar.NewWriter(zip)
	packedFolders := map[string]bool{}
	for _, f := range files {
		name := folder + "/" + f.name
		for i, c := range name {
			if parent := name[:i] + "/"; c == '/' && !packedFolders[parent] {
				packedFolders[parent] = true
				if err := out.WriteHeader(&tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeDir, Name: parent, Mode: 0o755, ModTime: at}); err != nil {
					return nil, err
				}
			}
		}
		header := &tar.Header{Format: tar.FormatUSTAR, Name: name, Size: int64(len(f.data)), Mode: 0o644, ModTime: at}
		if f.executable {
			header.Mode = 0o755
		}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := out.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
