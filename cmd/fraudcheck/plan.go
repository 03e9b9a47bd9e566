package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

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
	lists, err := p.makeLists()
	if err != nil {
		return err
	}
	p.plan = plan.With(lists)
	return nil
}

// networkHint returns what a network with host bits was probably meant for, as in "; did
// you mean 10.0.0.0/8?" for 10.0.0.1/8; empty for every other text. A ! before it stays.
func networkHint(text string) string {
	excluded := strings.HasPrefix(text, "!")
	n, err := netip.ParsePrefix(strings.TrimPrefix(text, "!"))
	if err != nil || n == n.Masked() {
		return ""
	}
	if excluded {
		return fmt.Sprintf("; did you mean !%s?", n.Masked())
	}
	return fmt.Sprintf("; did you mean %s?", n.Masked())
}

// makeLists compiles both lists into one, as the most specific network of either decides.
// A network that stands in both is refused: neither would be the more specific one.
func (p *policy) makeLists() (*velocity.Lists, error) {
	var entries []velocity.Entry
	var keys []string
	add := func(list string, settings []config.ListEntry, outcome velocity.Outcome) error {
		for i, s := range settings {
			key := fmt.Sprintf("lists.%s[%d]", list, i)
			e := velocity.Entry{Outcome: outcome, Note: s.Note}
			var ok bool
			if e.Net, ok = velocity.ParseNetwork(s.Net); !ok {
				return expected(key+".net", "an address, or a network without host bits such as 198.51.100.0/24"+networkHint(s.Net))
			}
			if s.Until != "" {
				var err error
				if e.Until, err = time.Parse(time.RFC3339, s.Until); err != nil {
					return expected(key+".until", "a time such as 2027-01-31T00:00:00Z")
				}
			}
			// keys names the setting of each entry, for the error below.
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
		return nil, expected(keys[twice.Index]+".net", "a network that is not listed yet, in either list")
	}
	return lists, err
}
