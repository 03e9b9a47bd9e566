package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// ruleOf returns the rule as velocity knows it. It judges nothing.
func ruleOf(r config.Rule) velocity.Rule {
	return velocity.Rule{
		Name: r.Name, Per: r.Per, Count: r.Count, Window: r.Window,
		ReviewOver: r.ReviewOver, BlockOver: r.BlockOver,
		Retention: velocity.Retention(r.Retention), Hold: r.Hold, Mode: velocity.Mode(r.Mode),
	}
}

// makePlan compiles rules and lists into plan. The error is a *config.Error that names
// the entry and its key.
func (p *policy) makePlan() error {
	// Without rules every check would be allowed.
	if len(p.settings.Rules) == 0 {
		return expected("rules", "at least one rule")
	}
	rules := make([]velocity.Rule, len(p.settings.Rules))
	for i, r := range p.settings.Rules {
		rules[i] = ruleOf(r)
		for _, w := range rules[i].Warnings() {
			p.warn("rules[%d] (%s) %s", i, r.Name, w)
		}
	}
	plan, err := velocity.NewPlan(rules, p.settings.IPv6Prefix)
	var wrong *velocity.RuleError
	if errors.As(err, &wrong) {
		word := map[string]string{"per": rules[wrong.Index].Per, "count": rules[wrong.Index].Count,
			"mode": string(rules[wrong.Index].Mode), "retention": string(rules[wrong.Index].Retention)}[wrong.Key]
		return expected(fmt.Sprintf("rules[%d].%s", wrong.Index, wrong.Key), wrong.Expected+config.DidYouMean(word, wrong.Expected))
	}
	if err != nil {
		return err
	}
	networks := p.listFiles[guardFile]
	lists, err := p.makeLists()
	if err != nil {
		return err
	}
	p.plan, err = p.withGuard(plan.With(lists), networks)
	return err
}

// networkHint returns advice, after a semicolon, on text that is no network, as in "; did
// you mean 10.0.0.0/8?" for 10.0.0.1/8; empty where there is none. A ! before it stays.
func networkHint(text string) string {
	bare := strings.TrimPrefix(text, "!")
	meant := func(n netip.Prefix) string {
		return fmt.Sprintf("; did you mean %s%s?", text[:len(text)-len(bare)], n.Masked())
	}
	if n, err := netip.ParsePrefix(bare); err == nil {
		// The IPv4 addresses inside IPv6 ones count as such.
		if inside, ok := velocity.ParseAddress(n.Addr().String()); ok && inside.Is4() && n.Addr().Is6() && n.Bits() >= 96 {
			return meant(netip.PrefixFrom(inside, n.Bits()-96))
		}
		if n != n.Masked() {
			return meant(n)
		}
	}
	address, length, slash := strings.Cut(bare, "/")
	ip, err := netip.ParseAddr(address)
	switch {
	case strings.Contains(bare, "%"):
		return "; an address has no zone (%) here"
	case err == nil && slash:
		if mask := net.ParseIP(length).To4(); mask != nil && ip.Is4() {
			if ones, bits := net.IPMask(mask).Size(); bits > 0 {
				return meant(netip.PrefixFrom(ip, ones))
			}
		}
		return fmt.Sprintf("; the number behind / is from 0 to %d", ip.BitLen())
	case err != nil && leadingZero.MatchString(bare):
		return "; write the numbers without a 0 before them"
	case strings.Contains(bare, "-") && strings.Count(bare, ".") > 3:
		return "; write a range as networks"
	}
	return ""
}

// leadingZero matches an IPv4 address, or a network, of which a number begins with a 0.
var leadingZero = regexp.MustCompile(`^(?:\d+\.)*0\d+(?:\.\d+)*(?:/\d+)?$`)
