package main

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fraudcheck/internal/auth"
	passwords "fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/config"
	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
)

// A policy is the compiled settings. The start builds a service from it; a reload puts it
// in force in the running service.
type policy struct {
	config   *config.Config // knows where each setting is from
	settings *config.Settings
	files    config.Files // that may be read
	warnings []string

	plan        *velocity.Plan
	certificate *tls.Certificate // nil: without TLS
	guard       *auth.Guard
	where       *auth.Where // what guard goes by
	cors        *door.CORS  // nil: no origin may

	fileUsers int    // how many the users file holds
	madeUser  string // the credential of its own making, when no user is configured
	madePass  string
}

// configure reads the settings (flags before environment before file before defaults)
// and compiles them. The policy beside an error holds the settings that could be read.
func configure(f *flags, files config.Files) (*policy, error) {
	c, err := config.Read(f.Config, f.source("config"), files, f.overrides())
	if err != nil {
		return nil, err
	}
	p := &policy{config: c, settings: c.Settings, files: files}
	if files == config.FilesAndPipes {
		p.warnings = config.UnknownVariables(os.Environ(), variables())
	}
	for _, step := range []func() error{p.checkAddresses, p.makeCertificate, p.makePlan, p.makeGuard, p.makeCORS} {
		if err := step(); err != nil {
			return p, c.Locate(err)
		}
	}
	p.warnOfRulesAndLists()
	p.warnOfCredentials()
	return p, nil
}

// expected is the error of the setting of that dotted key.
func expected(key, what string) error { return &config.Error{Key: key, Expected: what} }

// makeGuard never leaves the door unguarded: without a user it makes one.
func (p *policy) makeGuard() error {
	basic, signed, err := p.makeUsers()
	if err != nil {
		return err
	}
	jwt, err := p.makeJWT()
	if err != nil {
		return err
	}
	if basic == nil && signed == nil && jwt == nil {
		p.madeUser, p.madePass = "fraudcheck", rand.Text()
		basic, err = auth.NewBasic([]auth.User{{Name: p.madeUser, Password: p.madePass, Encryption: passwords.Clear, Roles: auth.Operator}})
	}
	if err != nil {
		return err
	}
	if err := p.makeWhere(); err != nil {
		return err
	}
	t := p.settings.Auth.Tokens
	if t.TTL > t.RefreshTTL {
		return expected("auth.tokens.ttl", "at most auth.tokens.refresh_ttl")
	}
	p.guard = auth.NewGuard(basic, jwt).Within(p.where).WithSigned(signed).WithTokens(session.Settings{
		TTL: t.TTL, RefreshTTL: t.RefreshTTL, PerUser: t.PerUser, Sliding: t.Sliding, SessionTimeout: p.settings.Auth.SessionTimeout,
	})
	return nil
}

func (p *policy) makeWhere() (err error) {
	p.where, err = auth.NewWhere(p.settings.Auth.Networks, p.settings.TrustedProxies)
	var wrong *auth.WhereError
	if errors.As(err, &wrong) {
		key := fmt.Sprintf("%s[%d]", wrong.List, wrong.Index)
		if wrong.List == "networks" {
			key = "auth." + key
		}
		return expected(key, wrong.Expected)
	}
	if err == nil && p.where.TrustsAnybody() {
		p.warnings = append(p.warnings, "trusted_proxies holds every address: a caller comes from wherever it says")
	}
	return err
}

// makeJWT makes nothing where nothing of it is configured.
func (p *policy) makeJWT() (*auth.JWT, error) {
	s := &p.settings.Auth.JWT
	if s.ClientID == "" && s.Secret == "" && s.PublicKeyFile == "" && s.JWKSFile == "" && s.Issuer == "" && len(s.RoleMap) == 0 {
		return nil, nil
	}
	settings := auth.JWTSettings{
		ClientID: s.ClientID, Secret: string(s.Secret), Encoding: auth.Encoding(s.Encoding), Algorithms: s.Algorithms,
		Issuer: s.Issuer, RolesClaim: s.RolesClaim, RoleMap: s.RoleMap,
	}
	var err error
	if s.PublicKeyFile != "" {
		if settings.PublicKey, err = p.readNamed("auth.jwt.public_key_file", s.PublicKeyFile); err != nil {
			return nil, err
		}
	}
	if s.JWKSFile != "" {
		if settings.JWKS, err = p.readNamed("auth.jwt.jwks_file", s.JWKSFile); err != nil {
			return nil, err
		}
	}
	jwt, err := auth.NewJWT(settings)
	var wrong *auth.JWTError
	if errors.As(err, &wrong) {
		return nil, expected("auth.jwt."+wrong.Key, wrong.Expected)
	}
	if err != nil {
		return nil, err
	}
	s.Algorithms = jwt.Algorithms() // those in force, for check-config
	for _, w := range jwt.Warnings() {
		p.warnings = append(p.warnings, "auth.jwt."+w)
	}
	return jwt, nil
}

func (p *policy) makeCORS() (err error) {
	p.cors, err = door.NewCORS(p.settings.CORS.Origins)
	var wrong *door.OriginError
	if errors.As(err, &wrong) {
		return expected(fmt.Sprintf("cors.origins[%d]", wrong.Index),
			"an origin as browsers send it: http or https, host, and the port unless it is the usual one, as in https://shop.example:8443")
	}
	return err
}

// readNamed reads the file that a setting names.
func (p *policy) readNamed(key, file string) ([]byte, error) {
	text, err := config.ReadFile(file, p.files)
	if err != nil {
		return nil, unreadable(key, file, err)
	}
	return text, nil
}

// unreadable names the folder where the file was looked for, not the file: a secret may
// stand in the place of its name.
func unreadable(key, file string, err error) error {
	problem := fmt.Errorf("cannot read it: %w", err)
	folder, _ := filepath.Abs(filepath.Dir(file))
	if info, no := os.Stat(folder); no == nil && info.IsDir() {
		problem = fmt.Errorf("cannot read it in %s: %w", folder, err)
	}
	return &config.Error{Key: key, Problem: problem}
}
