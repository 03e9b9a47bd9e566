package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
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
	p.warnOfIdleRules()
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

// warnOfIdleRules warns of rules that decide nothing, since another counts the same over the
// same window, and is over its limits no later and holds no shorter.
func (p *policy) warnOfIdleRules() {
	rules := p.settings.Rules
	for i, r := range rules {
		for j, other := range rules {
			// Of two that are alike the second is idle.
			if i != j && covers(other, r) && (j < i || !covers(r, other)) {
				p.warn("rules[%d] (%s) decides nothing that rules[%d] (%s) does not: both count the same over the same window", i, r.Name, j, other.Name)
				break
			}
		}
	}
}

// covers reports whether a decides whatever b decides.
func covers(a, b config.Rule) bool {
	same := a.Per == b.Per && a.Count == b.Count && a.Window == b.Window && a.Retention == b.Retention && a.Mode == b.Mode
	reviews := b.ReviewOver == 0 || a.BlockOver <= b.ReviewOver || a.ReviewOver != 0 && a.ReviewOver <= b.ReviewOver
	return same && reviews && a.BlockOver <= b.BlockOver && a.Hold >= b.Hold
}

// versionOfIP names the version of IP that the network is of.
func versionOfIP(n netip.Prefix) string {
	if n.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// warnOfSocket warns of users that can never call: a caller over a unix socket has no IP
// address, so it is in no network, and a login of it is bound to none.
func (p *policy) warnOfSocket() {
	s := p.settings
	if !strings.HasPrefix(s.Listen, config.UnixPrefix) {
		return
	}
	const never = ": a caller over the unix socket of listen has no IP address, so "
	if len(s.Auth.Networks) > 0 {
		p.warn("auth.networks%snone can call there", never)
	}
	for i, user := range s.Auth.Basic.Users {
		if len(user.Networks) > 0 {
			p.warn("auth.basic.users[%d].networks%sthis user can never call there", i, never)
		}
		if user.BindIP {
			p.warn("auth.basic.users[%d].bind_ip%sthis user can never log in there", i, never)
		}
	}
	// Users of the file come after those of the list: see users.
	ofFile := 0
	for _, user := range p.authSettings.Users[min(len(s.Auth.Basic.Users), len(p.authSettings.Users)):] {
		if len(user.Networks) > 0 || user.BindIP {
			ofFile++
		}
	}
	if ofFile > 0 {
		p.warn("auth.basic.users_file%s%s with networks or bind_ip can never call or log in there", never, plural(ofFile, "user"))
	}
}

// warnOfTimes warns of a budget of the store that limits.answer ends before it is spent;
// with the embedded store, which needs none, only of one that was set.
func (p *policy) warnOfTimes() {
	s := p.settings
	used := s.Store.Kind == "memcached" || s.Store.Budget != config.Defaults().Store.Budget
	if used && s.Store.Budget > s.Limits.Answer {
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
