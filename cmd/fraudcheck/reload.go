package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/event"
	"fraudcheck/internal/logging"
)

// A reloader puts a changed configuration in force without a restart: rules, lists, collapse guard,
// callers, trusted proxies and the certificate. The policy is compiled whole and then
// replaced; when anything is wrong with it, the one in force stays. What else has changed
// is logged as needing a restart. One goroutine runs it.
type reloader struct {
	flags   *flags
	files   *fileWatch
	service *service
	manager *manager
	running config.Settings // in force; where a reload changes nothing, those of the start
	lists   listFiles       // in force
	callers auth.Settings   // in force, to be kept where a file names no caller any more
}

// run reloads at each hang-up and each change of the files, until ctx ends.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	changed := r.files.changes(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		// A hang-up reloads also when no file seems to have changed.
		case <-hangups:
			r.reload("SIGHUP")
		case <-changed:
			r.reload("file")
		}
	}
}

// reload reads the configuration and puts it in force, or logs the one line that is
// wrong. by is what asked for it, for the log. A panic costs this reload and not the
// process.
func (r *reloader) reload(by string) {
	s := r.service
	ok := false
	done := r.manager.reloading()
	defer func() { done(ok) }()
	defer func() {
		if fault := recover(); fault != nil {
			s.metrics.Reload("error")
			logPanic(s.log, "panic in a reload", fault)
		}
	}()
	next, err := r.compile()
	if err != nil {
		s.metrics.Reload("error")
		s.log.Error("Configuration not reloaded, the old one stays: " + oneLine(err))
		return
	}
	r.apply(next, by)
	if len(next.refused) > 0 {
		s.metrics.Reload("error")
		return
	}
	s.metrics.Reload("ok")
	ok = true
}

// compile reads the configuration and compiles it whole. From then on the files that it
// names are watched, also when it is refused: a change of one of them may mend it.
func (r *reloader) compile() (*policy, error) {
	r.files.poll()
	next, err := configureAfter(r.flags, config.RegularFiles, r.lists)
	if next != nil {
		r.files.follow(r.flags.Config, next.settings)
	}
	// A file that names no caller would make a new credential; the callers in force stay
	// instead.
	if err == nil && next.generatedUser != "" {
		err = r.keepCallers(next)
	}
	if err == nil {
		next.warnOfDecisionLogKey(r.service.keys.decisionKeySum)
		next.warnOfKeys(r.service.keys.hashKeySum)
	}
	return next, err
}

// apply puts the policy in force. It cannot fail: all that could was done in compile.
func (r *reloader) apply(next *policy, by string) {
	s := r.service
	if s.policy.certificate != nil && next.certificate != nil {
		if refused := s.certificate.replace(next.certificate, time.Now()); refused != "" {
			s.log.Error("Configuration: tls.cert_file " + refused + "; the one before it stays in force")
		}
		r.running.TLS = next.settings.TLS
	}
	if s.peers != nil {
		s.peers.SetRoots(next.peerRoots)
		r.running.TLS.PeerCAFile = next.settings.TLS.PeerCAFile
	}
	r.running.TLS.InFront = next.settings.TLS.InFront
	for _, key := range needRestart(&r.running, next.settings) {
		s.log.Warn("Configuration: " + key + " was changed and needs a restart")
	}
	// Series first: a decision under the new plan must find them.
	s.metrics.AddPlan(next.plan)
	s.checker.Replace(next.plan)
	s.guard.Replace(next.authPolicy)
	r.callers = next.authSettings
	if next.generatedUser != "" && s.generatedUser == "" {
		s.log.Warn("Configuration: auth names nobody any more; those it named before stay until a restart")
	}
	for _, wrong := range next.refused {
		s.log.Error("Configuration: " + oneLine(wrong) + "; the entries read from that file before stay in force, and all else is reloaded")
	}
	for _, w := range next.warnings {
		s.log.Warn("Configuration: " + w)
	}
	text := fmt.Sprintf("Configuration reloaded (%s)", plural(len(next.settings.Rules), "rule"))
	if raised := raisedRules(r.running.Rules, next.settings.Rules); len(raised) > 0 {
		text += "; exact for what is shown from now on, and for old records after one window: " + strings.Join(raised, ", ")
	}
	s.log.Log(context.Background(), logging.LevelAudit, "Audit: reload", "by=", by)
	for _, watch := range s.watchers {
		watch(&event.Event{Kind: event.Reload, Time: s.now(), What: by})
	}
	s.log.Info(text)
	// Only these are in force now: another reload compares with what runs, not with what
	// was read.
	r.running.Rules, r.running.Lists, r.lists = next.settings.Rules, next.settings.Lists, next.listFiles
	s.topShare.limit(next.settings)
	r.running.CollapseGuard = next.settings.CollapseGuard
	r.running.Auth, r.running.TrustedProxies = next.settings.Auth, next.settings.TrustedProxies
}

// keepCallers compiles the callers in force with the next policy's networks, where that
// names no caller: a file that lost its users must lock no caller out.
func (r *reloader) keepCallers(next *policy) (err error) {
	kept := r.callers
	kept.Networks, kept.TrustedProxies = next.authSettings.Networks, next.authSettings.TrustedProxies
	kept.TLSInFront = next.authSettings.TLSInFront
	next.authSettings = kept
	next.authPolicy, err = auth.NewPolicy(kept)
	return err
}

// needRestart returns the keys of the settings that differ and cannot be changed while
// the service runs, in the order of the file.
func needRestart(running, next *config.Settings) (keys []string) {
	for _, key := range config.Changed(running, next) {
		switch section, _, _ := strings.Cut(key, "."); section {
		case "rules", "lists", "collapse_guard", "auth", "trusted_proxies":
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// raisedRules returns the names of the rules whose records were too short for the new
// values: a longer window or a higher block_over needs elements that were not kept. Such
// a rule may count too few for one window.
func raisedRules(old, next []config.Rule) (names []string) {
	for _, n := range next {
		for _, o := range old {
			if o.Per == n.Per && o.Count == n.Count && o.Name == n.Name && (n.BlockOver > o.BlockOver || n.Window > o.Window) {
				names = append(names, n.Name)
			}
		}
	}
	return names
}
