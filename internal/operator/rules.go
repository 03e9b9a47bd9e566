package operator

import (
	"fraudcheck/internal/door"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// A listedRuleHour is a rule in force, and what it said in the last hour.
type listedRuleHour struct {
	Name       string             `json:"name"`
	Per        string             `json:"per"`
	Count      string             `json:"count"`
	Window     int                `json:"window_seconds"`
	ReviewOver int                `json:"review_over"`
	BlockOver  int                `json:"block_over"`
	Retention  velocity.Retention `json:"retention"`
	Hold       int                `json:"hold_seconds"`
	Mode       velocity.Mode      `json:"mode"`
	LastHour   ruleHour           `json:"last_hour"`
}

// A ruleHour is what one rule said; one in shadow: what it would have done.
type ruleHour struct {
	Allow   uint64 `json:"allow"`
	Review  uint64 `json:"review"`
	Block   uint64 `json:"block"`
	Skipped uint64 `json:"skipped"` // the attempt lacked its subject
}

// listRules answers GET /v1/rules: the rules in force, in configuration order, each with its
// last hour at this instance.
func (a *API) listRules(q *door.Request) *wire.Problem {
	if _, p := parseFilters(q.Query); p != nil {
		return p
	}
	said := recent.SumRules(a.Minutes.Last(a.Now(q.Start)))
	rules := []listedRuleHour{}
	for _, r := range a.Checker.Plan().Rules() {
		hour := said[recent.RuleKey{Name: r.Name, Mode: r.Mode}]
		rules = append(rules, listedRuleHour{
			Name: r.Name, Per: r.Per, Count: r.Count, Window: int(r.Window.Seconds()), ReviewOver: r.ReviewOver, BlockOver: r.BlockOver,
			Retention: r.Retention, Hold: int(r.Hold.Seconds()), Mode: r.Mode,
			LastHour: ruleHour{Allow: hour.By[velocity.Allow], Review: hour.By[velocity.Review], Block: hour.By[velocity.Block], Skipped: hour.Skipped},
		})
	}
	answerJSON(q, map[string]any{"rules": rules})
	return nil
}
