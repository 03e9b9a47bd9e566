package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/velocity"
)

// A reloader puts a changed configuration in force without a restart: rules, lists,
// who may ask and the certificate. All of it is checked first and swapped at once; when any of it
// is wrong the old stays.
type reloader struct {
	flags   *flags
	running *parts // what was put in force last
	checker *velocity.Checker
	guard   *auth.Guard
	metrics *operator.Metrics
	log     *slog.Logger
	files   *watch
}

// run reloads at each hang-up and each change of the files, until ctx ends.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	changed := r.files.changes(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		case <-changed:
		}
		r.reload()
	}
}

func (r *reloader) reload() {
	r.files.look()
	next, err := configure(r.flags, config.RegularFiles)
	if next != nil {
		r.files.follow(r.flags.Config, next.settings)
	}
	if err != nil {
		r.metrics.Reload("error")
		r.log.Error("Configuration not reloaded, the old one stays: " + oneLine(err))
		return
	}
	if r.running.certificate != nil && next.certificate != nil {
		r.running.certificate.Store(next.certificate.Load())
		r.running.settings.TLS = next.settings.TLS
	}
	for _, key := range needRestart(reflect.ValueOf(*r.running.settings), reflect.ValueOf(*next.settings), "") {
		r.log.Warn("Configuration: " + key + " was changed and needs a restart")
	}
	r.checker.Replace(next.plan)
	if next.madeUser == "" {
		r.guard.Replace(next.guard)
	} else {
		r.guard.Within(next.where)
		if r.running.madeUser == "" {
			r.log.Warn("Configuration: auth names nobody any more; those it named before stay until a restart")
		}
	}
	for _, w := range next.warnings {
		r.log.Warn("Configuration: " + w)
	}
	r.metrics.Reload("ok")
	text := fmt.Sprintf("Configuration reloaded (%s)", plural(len(next.settings.Rules), "rule"))
	if raised := raisedRules(r.running.settings.Rules, next.settings.Rules); len(raised) > 0 {
		text += "; exact for what is shown from now on, and for old records after one window: " + strings.Join(raised, ", ")
	}
	r.log.Info(text)
	r.running.settings.Rules, r.running.settings.Lists = next.settings.Rules, next.settings.Lists
	r.running.settings.Auth, r.running.settings.TrustedProxies = next.settings.Auth, next.settings.TrustedProxies
}

// needRestart names the settings that differ and cannot be changed while running.
func needRestart(old, next reflect.Value, key string) (keys []string) {
	for i := range old.NumField() {
		f := old.Type().Field(i)
		name := config.Join(key, f.Tag.Get("yaml"))
		switch {
		case name == "rules", name == "lists", name == "auth", name == "trusted_proxies":
		case f.Type.Kind() == reflect.Struct:
			keys = append(keys, needRestart(old.Field(i), next.Field(i), name)...)
		case !reflect.DeepEqual(old.Field(i).Interface(), next.Field(i).Interface()):
			keys = append(keys, name)
		}
	}
	return keys
}

// raisedRules names the rules that need to remember more than they did.
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
