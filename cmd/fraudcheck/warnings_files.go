package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"fraudcheck/internal/config"
)

// warnOfFiles warns of files that every user of the machine may read and should not, or
// may change: those that hold keys or hashes of passwords, and the configuration itself
// where secrets stand in it.
func (p *policy) warnOfFiles() {
	s := p.settings
	type named struct {
		key, path string
		secret    bool
	}
	files := []named{
		{"the configuration", p.config.Path, holdsSecrets(s)},
		{"hash_key_file", s.HashKeyFile, true},
		{"hash_key_previous_file", s.HashKeyPreviousFile, true},
		{"decision_log.key_file", s.DecisionLog.KeyFile, true},
		{"tls.key_file", s.TLS.KeyFile, true},
		{"tls.peer_ca_file", s.TLS.PeerCAFile, false},
		{"lists.allow_file", s.Lists.AllowFile, false},
		{"lists.block_file", s.Lists.BlockFile, false},
		{"collapse_guard.networks_file", s.CollapseGuard.NetworksFile, false},
		{"auth.basic.users_file", s.Auth.Basic.UsersFile, true},
		{"auth.jwt.public_key_file", s.Auth.JWT.PublicKeyFile, false},
		{"auth.jwt.jwks_file", s.Auth.JWT.JWKSFile, false},
		{"auth.jwt.secret_file", s.Auth.JWT.SecretFile, true},
		{"auth.jwt.previous_secret_file", s.Auth.JWT.PreviousSecretFile, true},
	}
	for i, u := range s.Auth.Basic.Users {
		files = append(files, named{fmt.Sprintf("auth.basic.users[%d].signing_key_file", i), u.SigningKeyFile, true})
	}
	for _, file := range files {
		info, err := os.Stat(file.path)
		if file.path == "" || err != nil || !info.Mode().IsRegular() {
			continue
		}
		const othersRead, othersWrite = 0o004, 0o002
		switch mode := info.Mode().Perm(); {
		case mode&othersWrite != 0:
			p.warn("%s can be changed by every user of this machine: chmod o-rw", file.key)
		case file.secret && mode&othersRead != 0:
			p.warn("%s can be read by every user of this machine: chmod o-r", file.key)
		}
	}
}

// holdsSecrets reports whether a secret stands in the settings themselves.
func holdsSecrets(s *config.Settings) bool {
	if s.HashKey != "" || s.Auth.JWT.Secret != "" {
		return true
	}
	for _, u := range s.Auth.Basic.Users {
		if u.Password != "" || u.SigningKey != "" {
			return true
		}
	}
	return false
}

// checkSocketFolder returns why the unix socket of listen cannot be made: its folder has to
// be there and to be writable.
func (p *policy) checkSocketFolder() error {
	path, isSocket := strings.CutPrefix(p.settings.Listen, config.UnixPrefix)
	if !isSocket {
		return nil
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return p.config.Locate(&config.Error{Key: "listen", Problem: err})
	}
	info, err := os.Stat(folder)
	var reason error
	switch {
	case errors.As(err, new(*fs.PathError)):
		reason = errors.Unwrap(err)
	case err == nil && !info.IsDir():
		reason = unix.ENOTDIR
	case err == nil:
		reason = tryFolder(folder)
	}
	if reason != nil {
		return p.config.Locate(&config.Error{Key: "listen", Problem: fmt.Errorf("cannot make the socket in %s: %w", folder, reason)})
	}
	return nil
}

// tryFolder returns why nothing can be made in a folder that is there. Permissions alone do
// not tell: root may write to /proc, which takes no file.
func tryFolder(path string) error {
	if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	made, err := os.MkdirTemp(path, ".fraudcheck-")
	if err != nil {
		return errors.Unwrap(err)
	}
	return os.Remove(made)
}

// checkLogFolder returns why no log file can be kept at log.path, as far as that is found
// without leaving anything.
func (p *policy) checkLogFolder() error { return p.checkFolder("log.path", p.settings.Log.Path) }

// checkFolder returns why no file can be kept in the folder that the setting of that key
// names, if any: a start makes the folder where there is none.
func (p *policy) checkFolder(key, path string) error {
	if path == "" {
		return nil
	}
	for {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path):
			path = filepath.Dir(path)
			continue
		case err == nil && !info.IsDir():
			err = errors.New("not a folder: " + path)
		case err == nil:
			if err = tryFolder(path); err != nil {
				err = &fs.PathError{Op: "cannot write to", Path: path, Err: err}
			}
		}
		if err != nil {
			return p.config.Locate(&config.Error{Key: key, Problem: err})
		}
		return nil
	}
}
