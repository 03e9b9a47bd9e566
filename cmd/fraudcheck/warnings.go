package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// warn adds a warning, which begins with the dotted key: the start and a reload log it,
// check-config prints it. A warning stops nothing.
func (p *policy) warn(format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
}

// warnOfRulesAndLists warns of what has no effect, or more than was probably meant: no
// rule that blocks, entries that are past, an allow list that holds every address.
func (p *policy) warnOfRulesAndLists() {
	s := p.settings
	enforced := func(r config.Rule) bool { return r.Mode == string(velocity.Enforce) }
	if !slices.ContainsFunc(s.Rules, enforced) {
		p.warn("rules: none is in mode enforce, so none blocks")
	}
	now := time.Now()
	for _, list := range p.lists() {
		for i, e := range list.entries {
			key := fmt.Sprintf("lists.%s[%d]", list.name, i)
			// A list entry that is past is no error: it would end the next start for
			// nothing.
			if until, err := time.Parse(time.RFC3339, e.Until); err == nil && until.Before(now) {
				p.warn("%s.until is past: the entry has no effect", key)
			}
			if net, ok := velocity.ParseNetwork(e.Net); ok && net.Bits() == 0 && list.name == "allow" {
				p.warn("%s.net holds every %s address: no rule blocks any", key, versionOfIP(net))
			}
		}
	}
	if file := p.listFiles["allow"]; file != nil {
		for i, e := range file.entries {
			if e.Net.Bits() == 0 {
				p.warn("lists.allow_file holds every %s address, in line %d: no rule blocks any", versionOfIP(e.Net), file.lines[i])
			}
		}
	}
}

// versionOfIP names the version of IP that the network is of.
func versionOfIP(n netip.Prefix) string {
	if n.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// warnOfTimes warns of a budget of the store that limits.answer ends before it is spent.
func (p *policy) warnOfTimes() {
	if s := p.settings; s.Store.Kind == "memcached" && s.Store.Budget > s.Limits.Answer {
		p.warn("store.budget is longer than limits.answer (%s), which ends it", s.Limits.Answer)
	}
}

// warnOfCredentials warns of instances that would each make a credential, where a load
// balancer would send a caller to one that does not know it.
func (p *policy) warnOfCredentials() {
	if p.generatedUser != "" && p.settings.Store.Kind == "memcached" {
		p.warn("auth names no caller: each instance makes a credential of its own, and no other takes it")
	}
}
