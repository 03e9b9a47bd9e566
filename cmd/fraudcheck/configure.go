package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// A policy is what the settings say, compiled whole: a start builds a service from it,
// a reload puts it in force in the one that runs.
type policy struct {
	settings *config.Settings
	files    config.Files // that may be read
	warnings []string

	plan         *velocity.Plan
	certificate  *tls.Certificate // nil: without TLS
	authSettings auth.Settings    // what authPolicy is compiled from
	authPolicy   *auth.Policy
	cors         *wire.CORS // nil: for nobody

	fileUsers int    // how many the users file holds
	madeUser  string // the credential of its own making, when no user is configured
	madePass  string
}

// configure reads the settings (flags before environment before file before defaults)
// and compiles them. The policy beside an error holds the settings that could be read.
func configure(f *flags, files config.Files) (*policy, error) {
	s := config.Defaults()
	if f.Config != "" {
		if err := config.Read(f.Config, files, s); err != nil {
			return nil, err
		}
	}
	for _, o := range []struct {
		key  string
		text *string
	}{
		{"listen", f.Listen}, {"operator_listen", f.OperatorListen}, {"store.kind", f.Store},
		{"hash_key_file", f.HashKeyFile}, {"log.level", f.LogLevel},
	} {
		if o.text == nil {
			continue
		}
		if err := config.Set(s, o.key, *o.text); err != nil {
			return nil, err
		}
	}
	if f.HashKeyFile != nil {
		s.HashKey = "" // the file's other way of giving it
	}
	if f.MemcachedServers != nil {
		s.Store.Memcached.Servers = strings.Split(*f.MemcachedServers, ",")
	}
	p := &policy{settings: s, files: files}
	for _, step := range []func() error{p.checkAddresses, p.makeCertificate, p.makePlan, p.makeCallers, p.makeCORS} {
		if err := step(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// expected is the error of the setting of that dotted key.
func expected(key, what string) error { return &config.Error{Key: key, Expected: what} }

func (p *policy) makeCORS() (err error) {
	p.cors, err = wire.NewCORS(p.settings.CORS.Origins)
	var wrong *wire.OriginError
	if errors.As(err, &wrong) {
		return fmt.Errorf("cors.%w", wrong)
	}
	return err
}

// readNamed reads the file that a setting names.
func (p *policy) readNamed(key, file string) ([]byte, error) {
	text, err := config.ReadFile(file, p.files)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot read it: %w", key, err)
	}
	return text, nil
}
