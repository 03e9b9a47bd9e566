package main

import (
	"context"
	"os"
	"sync"
	"time"

	"fraudcheck/internal/config"
)

// A watch knows how the files looked that the configuration was last read from.
type watch struct {
	mu   sync.Mutex
	seen map[string]fileVersion
}

// fileVersion is what tells one content of a file from the next, zero where there is no
// such file.
type fileVersion struct{ modified, size int64 }

func versionOf(path string) (v fileVersion) {
	if info, err := os.Stat(path); err == nil {
		v = fileVersion{info.ModTime().UnixNano(), info.Size()}
	}
	return v
}

// files are those that the settings name.
func filesOf(s *config.Settings) []string {
	return []string{s.TLS.CertFile, s.TLS.KeyFile, s.Auth.Basic.UsersFile, s.Auth.JWT.PublicKeyFile, s.Auth.JWT.JWKSFile}
}

// follow makes the watch one of these files: also of a configuration that is not in
// force, because one of them may be what is wrong with it.
func (w *watch) follow(config string, s *config.Settings) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[string]fileVersion)
	for _, path := range append(filesOf(s), config) {
		if path == "" {
			continue
		}
		v, known := w.seen[path]
		if !known {
			v = versionOf(path)
		}
		seen[path] = v
	}
	w.seen = seen
}

// look takes the files for read as they are now. It comes before they are read: what
// changes meanwhile is news.
func (w *watch) look() (news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, before := range w.seen {
		now := versionOf(path)
		if now == before || now == (fileVersion{}) { // while it is replaced there is none
			continue
		}
		news = true
		w.seen[path] = now
	}
	return news
}

// changes tells of every change of the files, until ctx ends.
func (w *watch) changes(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if !w.look() {
				continue
			}
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return changed
}
