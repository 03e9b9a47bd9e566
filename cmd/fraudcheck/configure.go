package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"fraudcheck/internal/auth"
	passwords "fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// parts are the settings made into what the program is put together from. All
// that can be wrong with a configuration is found in making them.
type parts struct {
	settings *settings
	files    config.Files // that may be read
	warnings []string

	keys   *velocity.Keys
	plan   *velocity.Plan
	memory *velocity.Memory
	guard  *auth.Guard
	where  *auth.Where // what guard goes by
	tokens *session.Keys
	logKey []byte // hashes callers and addresses for the log

	fileUsers int // how many the users file holds

	certificate *certificate // nil: without TLS
	cors        *wire.CORS   // nil: for nobody

	madeUser string // the credential of its own making, when no user is configured
	madePass string
}

// configure settles the configuration: flags before environment before file
// before defaults. An error names the key that is wrong; the parts beside it hold
// the settings, as far as those could be read.
func configure(f *flags, files config.Files) (*parts, error) {
	s := defaults()
	if f.Config != "" {
		if err := readFile(f.Config, files, s); err != nil {
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
		v, tag := settingAt(s, o.key)
		if err := set(o.key, *o.text, v, tag); err != nil {
			return nil, err
		}
	}
	if f.HashKeyFile != nil {
		s.HashKey = "" // the file's other way of giving it
	}
	if f.MemcachedServers != nil {
		s.Store.Memcached.Servers = strings.Split(*f.MemcachedServers, ",")
	}
	p := &parts{settings: s, files: files}
	for _, step := range []func() error{p.checkAddresses, p.makeCertificate, p.makeKeys, p.makePlan, p.makeMemory, p.makeGuard, p.makeCORS} {
		if err := step(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// settingAt finds the setting by its dotted key.
func settingAt(s *settings, key string) (v reflect.Value, tag reflect.StructTag) {
	v = reflect.ValueOf(s).Elem()
	for _, name := range bytes.Split([]byte(key), []byte(".")) {
		field, _ := fieldOf(v, string(name))
		v, tag = v.FieldByIndex(field.Index), field.Tag
	}
	return v, tag
}

func (p *parts) checkAddresses() error {
	s := p.settings
	for key, address := range map[string]string{"listen": s.Listen, "operator_listen": s.OperatorListen} {
		if !hostPort(address) {
			return &keyError{key, "host:port, such as 127.0.0.1:8080", 0}
		}
	}
	for i, server := range s.Store.Memcached.Servers {
		if key := fmt.Sprintf("store.memcached.servers[%d]", i); !strings.HasPrefix(server, "/") && !hostPort(server) {
			return &keyError{key, "host:port or the path of a unix socket", 0}
		} else if slices.Contains(s.Store.Memcached.Servers[:i], server) {
			return &keyError{key, "a server that is not listed yet", 0}
		}
	}
	if _, port, _ := net.SplitHostPort(s.Listen); s.Listen == s.OperatorListen && port != "0" {
		return &keyError{"operator_listen", "another address than listen", 0}
	}
	if s.Store.Kind == "memcached" && len(s.Store.Memcached.Servers) == 0 {
		return &keyError{"store.memcached.servers", "at least one server", 0}
	}
	return nil
}

func hostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return err == nil && !strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

func (p *parts) makeKeys() error {
	if p.files == config.RegularFiles {
		return nil // a reload keeps the keys
	}
	key, hashKey := "hash_key", []byte(p.settings.HashKey)
	if file := p.settings.HashKeyFile; file != "" {
		if len(hashKey) > 0 {
			return &keyError{"hash_key_file", "only one of hash_key and hash_key_file", 0}
		}
		text, err := p.readNamed("hash_key_file", file)
		if err != nil {
			return err
		}
		key, hashKey = "hash_key_file", bytes.TrimRight(text, "\r\n")
	} else if len(hashKey) == 0 && p.settings.Store.Kind == "memcached" {
		return &keyError{"hash_key_file", "a hash key, the same on all instances, where store.kind is memcached", 0}
	} else if len(hashKey) == 0 && p.settings.Store.Memory.SnapshotFile != "" {
		return &keyError{"hash_key_file", "a hash key, the same at every start, where store.memory.snapshot_file is set", 0}
	} else if len(hashKey) == 0 {
		hashKey = randomKey()
	}
	var err error
	if p.keys, err = velocity.NewKeys(hashKey); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	tokenKey := hashKey
	if p.settings.Store.Kind == "memory" { // who was logged out ends with the process, so what was issued does too
		tokenKey = randomKey()
	}
	if p.tokens, err = session.NewKeys(tokenKey); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	p.logKey, err = hkdf.Key(sha256.New, hashKey, nil, "fraudcheck log", sha256.Size)
	return err
}

func randomKey() []byte {
	key := make([]byte, velocity.MinHashKey)
	_, _ = rand.Read(key) // it never fails
	return key
}

func (p *parts) makePlan() error {
	if len(p.settings.Rules) == 0 {
		return &keyError{"rules", "at least one rule", 0}
	}
	rules := make([]velocity.Rule, len(p.settings.Rules))
	for i, r := range p.settings.Rules {
		rules[i] = r.rule()
		for _, w := range rules[i].Warnings() {
			p.warnings = append(p.warnings, fmt.Sprintf("rules[%d] (%s) %s", i, r.Name, w))
		}
	}
	plan, err := velocity.NewPlan(rules, p.settings.IPv6Prefix)
	if err != nil {
		return err
	}
	lists, err := p.makeLists()
	if err != nil {
		return err
	}
	p.plan = plan.With(lists)
	return nil
}

func (p *parts) makeLists() (*velocity.Lists, error) {
	var entries []velocity.Entry
	var keys []string
	add := func(list string, settings []entrySettings, outcome velocity.Outcome) error {
		for i, s := range settings {
			key := fmt.Sprintf("lists.%s[%d]", list, i)
			e := velocity.Entry{Outcome: outcome, Note: s.Note}
			var ok bool
			if e.Net, ok = velocity.ParseNetwork(s.Net); !ok {
				return &keyError{key + ".net", "an address, or a network without host bits such as 198.51.100.0/24", 0}
			}
			if s.Until != "" {
				var err error
				if e.Until, err = time.Parse(time.RFC3339, s.Until); err != nil {
					return &keyError{key + ".until", "a time such as 2027-01-31T00:00:00Z", 0}
				}
			}
			entries, keys = append(entries, e), append(keys, key)
		}
		return nil
	}
	if err := add("allow", p.settings.Lists.Allow, velocity.Allow); err != nil {
		return nil, err
	}
	if err := add("block", p.settings.Lists.Block, velocity.Block); err != nil {
		return nil, err
	}
	lists, err := velocity.NewLists(entries)
	var twice *velocity.EntryError
	if errors.As(err, &twice) {
		return nil, &keyError{keys[twice.Index] + ".net", "a network that is not listed yet, in either list", 0}
	}
	return lists, err
}

func (p *parts) makeMemory() error {
	var err error
	if p.memory, err = velocity.NewMemory(int64(p.settings.Store.Memory.MaxBytes)); err != nil {
		return fmt.Errorf("store.memory.max_bytes: %w", err)
	}
	return nil
}

// makeGuard never leaves the door unguarded: without a user it makes one.
func (p *parts) makeGuard() error {
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
		return &keyError{"auth.tokens.ttl", "at most auth.tokens.refresh_ttl", 0}
	}
	p.guard = auth.NewGuard(basic, jwt).Within(p.where).WithSigned(signed).WithTokens(session.Settings{
		TTL: t.TTL, RefreshTTL: t.RefreshTTL, PerUser: t.PerUser, Sliding: t.Sliding, SessionTimeout: p.settings.Auth.SessionTimeout,
	})
	return nil
}

func (p *parts) makeWhere() (err error) {
	p.where, err = auth.NewWhere(p.settings.Auth.Networks, p.settings.TrustedProxies)
	var wrong *auth.WhereError
	if errors.As(err, &wrong) {
		key := fmt.Sprintf("%s[%d]", wrong.List, wrong.Index)
		if wrong.List == "networks" {
			key = "auth." + key
		}
		return &keyError{key, wrong.Expected, 0}
	}
	if err == nil && p.where.TrustsAnybody() {
		p.warnings = append(p.warnings, "trusted_proxies holds every address: a caller comes from wherever it says")
	}
	return err
}

// makeJWT makes nothing where nothing of it is configured.
func (p *parts) makeJWT() (*auth.JWT, error) {
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
		return nil, &keyError{"auth.jwt." + wrong.Key, wrong.Expected, 0}
	}
	if err != nil {
		return nil, err
	}
	s.Algorithms = jwt.Algorithms() // what would run, for who asks
	for _, w := range jwt.Warnings() {
		p.warnings = append(p.warnings, "auth.jwt."+w)
	}
	return jwt, nil
}

func (p *parts) makeCORS() (err error) {
	p.cors, err = wire.NewCORS(p.settings.CORS.Origins)
	var wrong *wire.OriginError
	if errors.As(err, &wrong) {
		return fmt.Errorf("cors.%w", wrong)
	}
	return err
}

// readNamed reads the file that a setting names.
func (p *parts) readNamed(key, file string) ([]byte, error) {
	text, err := config.ReadFile(file, p.files)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot read it: %w", key, err)
	}
	return text, nil
}
