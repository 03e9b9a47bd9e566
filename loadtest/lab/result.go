package lab

import (
	"fmt"
	"strings"

	"fraudcheck/internal/velocity"
)

// A Result is what one set of rules made of one scenario.
type Result struct {
	Scenario string `json:"scenario"`
	Rules    string `json:"rules"`

	Cards        int `json:"cards"`  // on the attackers' lists
	Learnt       int `json:"learnt"` // of them, before the end
	Attempts     int `json:"attack_attempts"`
	Passed       int `json:"attack_passed"`
	MostDeclines int `json:"most_declines_of_a_card_in_a_day"`

	Honest          int `json:"honest_attempts"`
	HonestBlocked   int `json:"honest_blocked"`
	HonestReviewed  int `json:"honest_reviewed"`
	Shoppers        int `json:"shoppers"`
	ShoppersBlocked int `json:"shoppers_blocked"`

	// ByRule counts, for each rule, what it alone blocks, or in shadow would.
	ByRule map[string]*RuleCount `json:"by_rule"`
}

// A RuleCount is what one rule blocks, or in shadow would.
type RuleCount struct {
	Attack int `json:"attack"`
	Honest int `json:"honest"`
}

// count counts a decision about an attempt of the attackers, or of the honest.
func (r *Result) count(d *velocity.Decision, attack bool) {
	blocked, reviewed := d.Outcome == velocity.Block, d.Outcome == velocity.Review
	if attack {
		r.Attempts++
		r.Passed += one(!blocked)
	} else {
		r.Honest++
		r.HonestBlocked += one(blocked)
		r.HonestReviewed += one(reviewed)
	}
	for _, rule := range d.Rules {
		n := r.ByRule[rule.Rule.Name]
		if rule.Outcome != velocity.Block || n == nil {
			continue
		}
		if attack {
			n.Attack++
		} else {
			n.Honest++
		}
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Table is the results of one set of rules, as Markdown.
func Table(results []*Result) string {
	var b strings.Builder
	b.WriteString("| scenario | cards learnt | attack passed | most declines of a card in a day | honest attempts blocked / reviewed of 10,000 | shoppers ever blocked of 10,000 |\n")
	b.WriteString("|---|---|---|---|---|---|\n")
	for _, r := range results {
		learnt, passed := "", ""
		if r.Attempts > 0 {
			learnt = fmt.Sprintf("%d of %d", r.Learnt, r.Cards)
			passed = fmt.Sprintf("%s %% of %d", share(r.Passed, r.Attempts, 100), r.Attempts)
		}
		blocked, shoppers := "", ""
		if r.Honest > 0 {
			blocked = share(r.HonestBlocked, r.Honest, 10_000) + " / " + share(r.HonestReviewed, r.Honest, 10_000)
			shoppers = share(r.ShoppersBlocked, r.Shoppers, 10_000)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s | %s |\n", r.Scenario, learnt, passed, r.MostDeclines, blocked, shoppers)
	}
	return b.String()
}

// RuleTable is what each rule blocks by itself, or in shadow would, as Markdown: the attacks
// of which that is a twentieth or more, and all honest scenarios in which it blocks anybody.
func (set *RuleSet) RuleTable(results []*Result) string {
	var b strings.Builder
	b.WriteString("| rule | mode | attack attempts it blocks | honest attempts it blocks, of 10,000 |\n|---|---|---|---|\n")
	for _, rule := range set.rules {
		var attacks, honest []string
		for _, r := range results {
			n := r.ByRule[rule.Name]
			if n.Attack > 0 && 20*n.Attack >= r.Attempts {
				attacks = append(attacks, fmt.Sprintf("%s %s %%", r.Scenario, share(n.Attack, r.Attempts, 100)))
			}
			if n.Honest > 0 {
				honest = append(honest, fmt.Sprintf("%s %s", r.Scenario, share(n.Honest, r.Honest, 10_000)))
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", rule.Name, rule.Mode, strings.Join(attacks, ", "), strings.Join(honest, ", "))
	}
	return b.String()
}

// share is n of all in that many parts, with one decimal, rounded to the nearest; what is
// not 0 is at least 0.1, and what is not all is not shown as all.
func share(n, all, parts int) string {
	tenths := (2*10*parts*n + all) / (2 * all)
	if n > 0 {
		tenths = max(tenths, 1)
	}
	if n < all {
		tenths = min(tenths, 10*parts-1)
	}
	if tenths%10 == 0 {
		return fmt.Sprint(tenths / 10)
	}
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}
