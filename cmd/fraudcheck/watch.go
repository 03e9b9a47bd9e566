package main

import (
	"context"
	"os"
	"sync"
	"time"

	"fraudcheck/internal/config"
)

// A fileWatch notices that a file changes which the configuration was last read from. It
// looks at size and modification time once a second, which works for links, mounted
// secrets of Kubernetes and network file systems alike; notifications of the kernel do
// not.
type fileWatch struct {
	mu   sync.Mutex
	seen map[string]fileVersion // by path, as of the last look
}

// A fileVersion tells one content of a file from the next; it is zero for a file that
// does not exist.
type fileVersion struct{ modified, size int64 } // modified in ns since 1970, size in bytes

// versionOf returns the version of the file as it is now.
func versionOf(path string) (v fileVersion) {
	if info, err := os.Stat(path); err == nil {
		v = fileVersion{info.ModTime().UnixNano(), info.Size()}
	}
	return v
}

// filesOf returns the files that the settings name and a reload reads; empty for those
// that are not set.
func filesOf(s *config.Settings) []string {
	files := []string{s.TLS.CertFile, s.TLS.KeyFile, s.Auth.Basic.UsersFile, s.Auth.JWT.PublicKeyFile, s.Auth.JWT.JWKSFile,
		s.Auth.JWT.SecretFile, s.Auth.JWT.PreviousSecretFile, s.Lists.AllowFile, s.Lists.BlockFile}
	for _, u := range s.Auth.Basic.Users {
		files = append(files, u.SigningKeyFile)
	}
	return files
}

// follow watches the configuration file and those that the settings name, and no others.
// The settings may be ones that were refused: a change of such a file may mend them. A
// file that was watched before keeps its version, so that a change meanwhile is not
// missed.
func (w *fileWatch) follow(config string, s *config.Settings) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[string]fileVersion)
	for _, path := range append(filesOf(s), config) {
		if path == "" {
			continue
		}
		// See poll: the version of the last reading counts, not that of now.
		v, known := w.seen[path]
		if !known {
			v = versionOf(path)
		}
		seen[path] = v
	}
	w.seen = seen
}

// poll reports whether a file has changed since the last call. It is called before the
// files are read, so that a change during the reading is reported by the next call.
func (w *fileWatch) poll() (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, before := range w.seen {
		now := versionOf(path)
		if now == before || now == (fileVersion{}) { // a file that is being replaced may be missing
			continue
		}
		changed = true
		w.seen[path] = now
	}
	return changed
}

// changes returns a channel that receives a value after every change of the files, until
// ctx ends. Changes within a second are one.
func (w *fileWatch) changes(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{})
	go every(ctx, time.Second, func(time.Time) {
		if !w.poll() {
			return
		}
		select {
		case changed <- struct{}{}:
		case <-ctx.Done():
		}
	})
	return changed
}
