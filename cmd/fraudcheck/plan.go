package main

import (
	"errors"
	"fmt"
	"net/netip"
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
