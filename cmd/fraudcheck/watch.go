package main

import (
	"context"
	"os"
	"sync"
	"time"

	"fraudcheck/internal/config"
)

// A fileWatch notices that a file changes which the configuration was last read from. It
// looks at the file, its size and modification time once a second, which works for links,
// mounted secrets of Kubernetes and network file systems alike; notifications of the
// kernel do not.
type fileWatch struct {
	mu      sync.Mutex
	seen    map[string]os.FileInfo // by path, as of the last look; nil: the file was not there
	missing map[string]int         // looks in a row that did not find the file
}

// maxMissing is how many looks in a row may not find a file: it may be one that is being
// replaced. Then its absence is a change like any other.
const maxMissing = 10

// infoOf describes the file as it is now; nil where there is none.
func infoOf(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// sameVersion reports whether the file has not changed in between. Tools may keep the
// modification time of a file that they put in place of another.
func sameVersion(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// filesOf returns the files that the settings name and a reload reads; empty for those
// that are not set.
func filesOf(s *config.Settings) []string {
	files := []string{s.TLS.CertFile, s.TLS.KeyFile, s.TLS.PeerCAFile, s.Auth.Basic.UsersFile, s.Auth.JWT.PublicKeyFile, s.Auth.JWT.JWKSFile,
		s.Auth.JWT.SecretFile, s.Auth.JWT.PreviousSecretFile, s.Lists.AllowFile, s.Lists.BlockFile, s.CollapseGuard.NetworksFile}
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
	seen := make(map[string]os.FileInfo)
	for _, path := range append(filesOf(s), config) {
		if path == "" {
			continue
		}
		// See poll: the version of the last reading counts, not that of now.
		info, known := w.seen[path]
		if !known {
			info = infoOf(path)
		}
		seen[path] = info
	}
	w.seen, w.missing = seen, make(map[string]int)
}

// poll reports whether a file has changed since the last call. It is called before the
// files are read, so that a change during the reading is reported by the next call.
func (w *fileWatch) poll() (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, before := range w.seen {
		now := infoOf(path)
		if sameVersion(now, before) {
			delete(w.missing, path)
			continue
		}
		if now == nil {
			if w.missing[path]++; w.missing[path] <= maxMissing {
				continue
			}
		}
		delete(w.missing, path)
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
