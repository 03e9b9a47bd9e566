package replay

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fraudcheck/internal/velocity"
)

// A sweep is one rule with all combinations of some values: the cells.
type sweep struct {
	rule    int // in the configuration
	cells   []velocity.Rule
	invalid int // combinations that are no valid rule
	meters  []*meter
}

// maxCells bounds the combinations of all sweeps together.
const maxCells = 10_000

// parseSweep reads a rule's name and what to try, as in "cards_per_ip block_over=1..10
// window=10m,1h". What is not named is as the rule has it, but review_over, which is 0.
func parseSweep(text string, plan *velocity.Plan) (sweep, error) {
	rules := plan.Rules()
	words := strings.Fields(text)
	if len(words) < 2 {
		return sweep{}, errors.New("expected the name of a rule and what to try, as in 'cards_per_ip block_over=1..10 window=10m,1h'")
	}
	s := sweep{rule: slices.IndexFunc(rules, func(r velocity.Rule) bool { return r.Name == words[0] })}
	if s.rule < 0 {
		var names []string
		for i := range rules {
			names = append(names, rules[i].Name)
		}
		return s, fmt.Errorf("expected the name of a rule of the configuration, which has %s", strings.Join(names, ", "))
	}
	first := rules[s.rule]
	first.ReviewOver = 0
	cells := []velocity.Rule{first}
	// Windows vary slowest, so that a table of cells reads in blocks.
	values := map[string]string{}
	for _, word := range words[1:] {
		key, list, found := strings.Cut(word, "=")
		if !slices.Contains(sweepKeys, key) || !found || values[key] != "" {
			return s, fmt.Errorf("expected each of %s once at most, with its values", strings.Join(sweepKeys, "=, ")+"=")
		}
		values[key] = list
	}
	for _, key := range sweepKeys {
		if values[key] == "" {
			continue
		}
		vary, err := variations(key, values[key])
		if err != nil {
			return s, err
		}
		var all []velocity.Rule
		for _, c := range cells {
			for _, set := range vary {
				set(&c)
				all = append(all, c)
			}
			if len(all) > maxCells {
				return s, fmt.Errorf("expected at most %d combinations", maxCells)
			}
		}
		cells = all
	}
	for _, c := range cells {
		switch {
		case slices.Contains(s.cells, c):
		case valid(plan, s.rule, c):
			s.cells = append(s.cells, c)
		default:
			s.invalid++
		}
	}
	return s, nil
}

// sweepKeys are the settings of a rule that a sweep may try.
var sweepKeys = []string{"window", "hold", "block_over", "review_over"}

// variations returns what sets each of the values: numbers as in 1..10,20 or times as in
// 10m,1h.
func variations(key, list string) (vary []func(*velocity.Rule), err error) {
	for text := range strings.SplitSeq(list, ",") {
		if key == "window" || key == "hold" {
			d, err := time.ParseDuration(text)
			if err != nil {
				return nil, fmt.Errorf("%s: expected times as in 10m,1h,24h", key)
			}
			vary = append(vary, func(r *velocity.Rule) {
				if key == "window" {
					r.Window = d
				} else {
					r.Hold = d
				}
			})
			continue
		}
		low, high, isRange := strings.Cut(text, "..")
		from, err := strconv.Atoi(low)
		to := from
		if isRange && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err != nil || from < 0 || to < from || to > velocity.MaxBlockOver {
			return nil, fmt.Errorf("%s: expected numbers as in 1..10 or 3,5,8, to %d", key, velocity.MaxBlockOver)
		}
		for n := from; n <= to; n++ {
			vary = append(vary, func(r *velocity.Rule) {
				if key == "block_over" {
					r.BlockOver = n
				} else {
					r.ReviewOver = n
				}
			})
		}
	}
	return vary, nil
}

// valid reports whether the configuration would be valid with that rule in place of the
// i-th.
func valid(plan *velocity.Plan, i int, cell velocity.Rule) bool {
	_, err := plan.WithRules(replaced(plan.Rules(), i, cell))
	return err == nil
}

func replaced(rules []velocity.Rule, i int, by velocity.Rule) []velocity.Rule {
	rules = slices.Clone(rules)
	rules[i] = by
	return rules
}
