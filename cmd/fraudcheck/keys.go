package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"time"

	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// keys are derived from the hash key, one for each purpose, so that none of them tells
// another.
type keys struct {
	records  *velocity.Keys
	previous *velocity.Keys // of the records under hash_key_previous_file; nil without that
	logins   *session.Keys
	log      []byte      // 32 bytes; hashes callers and addresses
	peers    *proof.Keys // nil without operator_peers
	cursors  []byte      // 32 bytes; seals where lists of decisions go on
	short    *velocity.ShortIDs

	decisions *velocity.LogIDs

	hashKeySum, decisionKeySum [sha256.Size]byte // tell whether the key was changed
}

// makeKeys reads the hash key and derives the others. Where none is configured, it makes
// one for this run; memcached and snapshots need one that is configured. The error is a
// *config.Error with its place.
func (p *policy) makeKeys() (k *keys, err error) {
	defer func() { err = p.config.Locate(err) }()
	key, hashKey, err := p.hashKey()
	if err != nil {
		return nil, err
	}
	loginKey := hashKey
	if p.settings.Store.Kind != "memcached" {
		loginKey = randomKey() // logouts are forgotten with the process, so tokens must end with it
	}
	if len(hashKey) < velocity.MinHashKey {
		return nil, expected(key, longEnough(hashKey)+": head -c 32 /dev/urandom | base64 makes such a key"+pathHint(key, hashKey))
	}
	decisionKey, err := p.decisionLogKey(hashKey)
	if err != nil {
		return nil, err
	}
	p.warnOfSecrets(key, hashKey)
	// A key of our own making may begin like a path, too.
	if hint, is := strings.CutPrefix(pathHint(key, hashKey), "; it"); is && p.settings.HashKey != "" {
		p.warn("%s%s", key, hint)
	}
	k = &keys{hashKeySum: sha256.Sum256(hashKey)}
	if k.records, err = velocity.NewKeys(hashKey); err != nil {
		return nil, &config.Error{Key: key, Problem: err}
	}
	if k.logins, err = session.NewKeys(loginKey); err != nil {
		return nil, &config.Error{Key: key, Problem: err}
	}
	k.short = velocity.NewShortIDs(hashKey)
	k.decisionKeySum = sha256.Sum256(decisionKey)
	if k.decisions, err = velocity.NewLogIDs(decisionKey); err != nil {
		return nil, &config.Error{Key: "decision_log.key_file", Problem: err}
	}
	previous, err := p.makePreviousKeys(k, hashKey)
	if err != nil {
		return nil, err
	}
	if len(p.settings.OperatorPeers) > 0 {
		if k.peers, err = proof.NewKeys(hashKey, previous); err != nil {
			return nil, &config.Error{Key: key, Problem: err}
		}
	}
	if k.log, err = hkdf.Key(sha256.New, hashKey, nil, "fraudcheck log", sha256.Size); err != nil {
		return nil, err
	}
	k.cursors, err = hkdf.Key(sha256.New, hashKey, nil, "fraudcheck cursor", sha256.Size)
	return k, err
}

// makePreviousKeys adds the keys of hash_key_previous_file, if it is set, and returns the
// hash key there.
func (p *policy) makePreviousKeys(k *keys, hashKey []byte) (previous []byte, err error) {
	const key = "hash_key_previous_file"
	if p.settings.HashKeyPreviousFile == "" {
		return nil, nil
	}
	if p.settings.HashKey == "" && p.settings.HashKeyFile == "" {
		return nil, &config.Error{Key: "hash_key_file", Needed: key, Missing: true, Expected: "the new hash key, where hash_key_previous_file names the one before it"}
	}
	text, err := p.readNamed(key, p.settings.HashKeyPreviousFile)
	if err != nil {
		return nil, err
	}
	previous = bytes.TrimRight(text, "\r\n")
	switch {
	case len(previous) < velocity.MinHashKey:
		return nil, expected(key, longEnough(previous))
	case bytes.Equal(previous, hashKey):
		return nil, expected(key, "another key than the hash key")
	}
	if k.previous, err = velocity.NewKeys(previous); err != nil {
		return nil, &config.Error{Key: key, Problem: err}
	}
	if p.settings.Store.Kind != "memcached" {
		return previous, nil // logins end with the process
	}
	logins, err := session.NewKeys(previous)
	if err != nil {
		return nil, &config.Error{Key: key, Problem: err}
	}
	k.logins.AlsoUnder(logins)
	return previous, nil
}

// longEnough says how long a hash key has to be, and how long the one is that is too short.
func longEnough(key []byte) string {
	if len(key) == 0 {
		return fmt.Sprintf("at least %d bytes, and it is empty", velocity.MinHashKey)
	}
	return fmt.Sprintf("at least %d bytes, and it has %d", velocity.MinHashKey, len(key))
}

// pathHint returns advice, after a semicolon, on a hash key that is the path of a file;
// empty where it is none. Base64 of a key may begin with a slash, but has capital letters
// and no dots, underscores or dashes.
func pathHint(setting string, key []byte) string {
	text := string(key)
	rooted := strings.HasPrefix(text, "/") && (strings.ContainsAny(text, "._-") || text == strings.ToLower(text))
	if setting != "hash_key" || !rooted && !strings.HasSuffix(text, ".key") {
		return ""
	}
	return "; it looks like a path: hash_key_file names the file of a key"
}

// previousKeyUntil says for how long every instance must have run with
// hash_key_previous_file before it may be taken out: then all that counts, and all logins,
// are under the new key.
func (p *policy) previousKeyUntil() time.Duration {
	var longest time.Duration
	for _, r := range p.settings.Rules {
		longest = max(longest, r.Window, r.Hold)
	}
	if p.settings.Store.Kind == "memcached" {
		longest = max(longest, p.settings.Auth.Tokens.RefreshTTL)
	}
	return longest
}

// hashKey returns the hash key and the setting that it is from. Line ends at the end of
// hash_key_file do not count: editors add them.
func (p *policy) hashKey() (key string, hashKey []byte, err error) {
	s := p.settings
	// A key that is made anew at each start would make stored records unreadable, so
	// wherever they outlive the process the key must be configured.
	switch {
	case s.HashKeyFile != "" && s.HashKey != "":
		return "", nil, expected("hash_key_file", "only one of hash_key and hash_key_file")
	case s.HashKeyFile != "":
		text, err := p.readNamed("hash_key_file", s.HashKeyFile)
		return "hash_key_file", bytes.TrimRight(text, "\r\n"), err
	case s.HashKey != "":
		return "hash_key", []byte(s.HashKey), nil
	case s.Store.Kind == "memcached":
		return "", nil, &config.Error{Key: "hash_key_file", Needed: "store.kind",
			Expected: "a hash key, the same on all instances, where store.kind is memcached"}
	case s.Store.Memory.SnapshotFile != "":
		return "", nil, &config.Error{Key: "hash_key_file", Needed: "store.memory.snapshot_file",
			Expected: "a hash key, the same at every start, where store.memory.snapshot_file is set"}
	}
	if len(s.OperatorPeers) > 0 {
		return "", nil, &config.Error{Key: "hash_key_file", Needed: "operator_peers",
			Expected: "a hash key, the same on all instances, where operator_peers is set"}
	}
	return "hash_key", randomKey(), nil
}

// warnOfKeys is for a reload, which leaves the hash key as it is: it warns where the one
// configured now is another than that with the sum, or would refuse the next start, and of
// secrets as makeKeys does. A pipe was read at the start, and is not again.
func (p *policy) warnOfKeys(inForce [sha256.Size]byte) {
	file := p.settings.HashKeyFile
	if info, err := os.Stat(file); file != "" && err == nil && !info.Mode().IsRegular() {
		p.warnOfSecrets("", nil)
		return
	}
	key, hashKey, err := p.hashKey()
	switch {
	case err != nil:
		p.warn("%s; the next start would be refused", p.config.Locate(err))
	case file != "" && sha256.Sum256(hashKey) != inForce:
		p.warn("hash_key_file holds another key than the one in force, and needs a restart")
	}
	p.warnOfSecrets(key, hashKey)
}

// randomKey returns a key of velocity.MinHashKey random bytes, for this run only.
func randomKey() []byte {
	key := make([]byte, velocity.MinHashKey)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return key
}
