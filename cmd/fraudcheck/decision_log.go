package main

import (
	"bytes"
	"crypto/sha256"
	"os"
	"time"

	"fraudcheck/internal/decisionlog"
	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
)

// decisionLogKey returns the secret that the ids of the decision log are made with: the hash
// key, unless decision_log.key_file names another. It warns of settings of that log that do
// not do what they are for. The error is a *config.Error.
func (p *policy) decisionLogKey(hashKey []byte) ([]byte, error) {
	const key = "decision_log.key_file"
	set := p.settings.DecisionLog
	if set.KeyFile == "" {
		if set.Path != "" && p.settings.HashKey == "" && p.settings.HashKeyFile == "" {
			p.warn("decision_log.path is set without hash_key_file or decision_log.key_file: the ids of each run are made with another key")
		}
		return hashKey, nil
	}
	if set.Path == "" {
		p.warn("decision_log.key_file has no effect without decision_log.path")
	}
	text, err := p.readNamed(key, set.KeyFile)
	if err != nil {
		return nil, err
	}
	secret := bytes.TrimRight(text, "\r\n")
	if len(secret) < velocity.MinHashKey {
		return nil, expected(key, longEnough(secret))
	}
	p.decisionKey = secret
	return secret, nil
}

// warnOfDecisionLogKey is for a reload, which leaves the key as it is: it warns where
// decision_log.key_file holds another than the one in force.
func (p *policy) warnOfDecisionLogKey(inForce [sha256.Size]byte) {
	file := p.settings.DecisionLog.KeyFile
	if info, err := os.Stat(file); file == "" || err == nil && !info.Mode().IsRegular() {
		return
	}
	secret, err := p.decisionLogKey(nil)
	switch {
	case err != nil:
		p.warn("%s; the next start would be refused", p.config.Locate(err))
	case sha256.Sum256(secret) != inForce:
		p.warn("decision_log.key_file holds another key than the one in force, and needs a restart")
	}
}

// openDecisionLog opens the decision log, where one is configured. It is written until the
// service is closed.
func (s *service) openDecisionLog() (err error) {
	set := s.settings.DecisionLog
	if set.Path == "" {
		return nil
	}
	rarely := atMostEvery(time.Minute)
	s.decisions, err = decisionlog.Open(decisionlog.Settings{
		Dir: set.Path, Days: set.Days, MaxBytes: int64(set.MaxBytes), Instance: s.instance,
		IDs: s.keys.decisions, Now: s.now, Plan: s.checker.Plan, Caller: door.NewTags(s.keys.log).Name,
		Failed: func(err error) {
			if rarely() {
				s.log.Error("the decision log cannot be written; checks go on without it", "error", err)
			}
		},
		Panicked: func(fault any) { logPanic(s.log, "panic in the decision log", fault) },
		Shared:   func() { s.log.Warn("decision_log.path: " + sharedFolder) },
	})
	if err != nil {
		return unusable("decision_log.path", err)
	}
	s.open.add(s.decisions.Close)
	return nil
}

// checkDecisionLogFolder returns why no decision log can be kept at decision_log.path, as
// far as that is found without changing anything.
func (p *policy) checkDecisionLogFolder() error {
	return p.checkFolder("decision_log.path", p.settings.DecisionLog.Path)
}
