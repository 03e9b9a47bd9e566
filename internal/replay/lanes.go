package replay

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"fraudcheck/internal/velocity"
)

// A lane is a set of records and what is counted on it. The first lane has the records of
// the configuration, and decides. The cells of a sweep use these records too: for each of its
// windows the lane's plan has one rule more, in shadow, whose count decides all cells of that
// window. A list that is longer and older than a cell needs tells it the same count, with two
// exceptions, where the history has attempts that come again (a column of attempt_id):
//
//   - Declines. A list of attempts tells an outcome that is heard again, for as long as the
//     longest window of the rules on declines. So each window has a lane of its own, and so
//     has a cell whose block_over makes that list longer.
//   - Attempts whose card is known later. One that comes again within the next second is the
//     same attempt while a list has it. To a shorter list, which has lost it, it is another
//     one. So a sweep of attempts has a lane of its own, and where that happens the sweep is
//     counted again, in another pass, with a lane for each cell.
//
// In a decision log, outcomes may tell the card of a check that did not know it. A list tells
// these when they are heard again, as it does declines, so there every window has a lane.
type lane struct {
	engine *velocity.Replay
	meters []*meter             // by the rules of the lane's plan; nil for one that is not counted
	sweep  *sweep               // the one that is counted again where the records differ; nil for none
	tables map[string]*subjects // by kind of subject

	// parts judge the records at once where there are many, each for some subjects.
	parts     []*velocity.ReplayPart
	results   []velocity.RuleResult // of the parts, by events and rules
	judgement velocity.Judgement
}

// A layout says which lanes there are.
type layout struct {
	plan    *velocity.Plan // of the configuration
	rules   []velocity.Rule
	sweeps  []sweep
	retries bool // the history has a column of attempt_id
	scores  bool // the history has labels
	logged  bool // the history is a decision log
}

func (l *layout) newLane() *lane { return &lane{tables: map[string]*subjects{}} }

// meter adds a meter for the next rule of the lane's plan.
func (l *layout) meter(of *lane, per string, cells []velocity.Rule, byCount bool) *meter {
	if l.scores && of.tables[per] == nil {
		of.tables[per] = newSubjects()
	}
	m := newMeter(cells, byCount, of.tables[per])
	of.meters = append(of.meters, m)
	return m
}

// lanes makes the lanes of the first pass, without records. The meters of the rules of the
// configuration are the first of the first lane.
func (l *layout) lanes() (lanes []*lane, err error) {
	main, wide := l.newLane(), slices.Clone(l.rules)
	for _, r := range l.rules {
		l.meter(main, r.Per, []velocity.Rule{r}, false)
	}
	lanes = append(lanes, main)
	for i := range l.sweeps {
		s := &l.sweeps[i]
		var own []*lane
		switch r := &l.rules[s.rule]; {
		case l.sharesHolds(s):
			own, err = l.wholeLanes(s)
		case l.retries && isOfDeclines(r), l.logged && r.Count != "attempts":
			own, err = l.ownLanes(s, false)
		case l.retries && r.Count == "attempts":
			var together *lane
			if together, err = l.together(s); together != nil {
				own = append(own, together)
			} else if err == nil {
				own, err = l.ownLanes(s, true)
			}
		default:
			var fits bool
			if wide, fits = l.widen(main, wide, s); !fits {
				own, err = l.ownLanes(s, true)
			}
		}
		if err != nil {
			return nil, err
		}
		lanes = append(lanes, own...)
	}
	if main.engine, err = l.engine(wide); err == nil && !l.logged && slices.ContainsFunc(wide, func(r velocity.Rule) bool { return r.Per != wide[0].Per }) {
		n := min(runtime.GOMAXPROCS(0), 4)
		for i := range n {
			main.parts = append(main.parts, main.engine.Part(i, n))
		}
	}
	return lanes, err
}

// widen adds the rules of the sweep's groups to those of the lane. It reports false, and
// changes nothing, where records would become too large.
func (l *layout) widen(of *lane, rules []velocity.Rule, s *sweep) ([]velocity.Rule, bool) {
	wider := slices.Clone(rules)
	groups := l.groups(s, false)
	for _, cells := range groups {
		r := ruleOf(cells)
		r.Name = unusedName(wider)
		wider = append(wider, r)
	}
	if _, err := l.plan.WithRules(wider); err != nil {
		return rules, false
	}
	s.meters = nil
	for _, cells := range groups {
		s.meters = append(s.meters, l.meter(of, cells[0].Per, cells, true))
	}
	return wider, true
}

// together returns a lane for all cells of the sweep; nil where records would become too
// large.
func (l *layout) together(s *sweep) (*lane, error) {
	own := l.newLane()
	own.sweep = s
	rules, fits := l.widen(own, nil, s)
	if !fits {
		return nil, nil
	}
	var err error
	own.engine, err = l.engine(rules)
	return own, err
}

// ownLanes returns a lane for each group of the sweep, or for each cell: with the other
// rules that may share lists with it, and no others.
func (l *layout) ownLanes(s *sweep, eachCell bool) (lanes []*lane, err error) {
	s.meters = nil
	for _, cells := range l.groups(s, eachCell) {
		own, rules := l.newLane(), []velocity.Rule(nil)
		for i, r := range replaced(l.rules, s.rule, ruleOf(cells)) {
			switch {
			case i == s.rule:
				s.meters = append(s.meters, l.meter(own, r.Per, cells, true))
			case r.Per == cells[0].Per && (l.logged || r.Count == cells[0].Count || isOfDeclines(&r) && isOfDeclines(&cells[0])):
				own.meters = append(own.meters, nil)
			default:
				continue
			}
			rules = append(rules, r)
		}
		if own.engine, err = l.engine(rules); err != nil {
			return nil, err
		}
		lanes = append(lanes, own)
	}
	return lanes, nil
}

// sharesHolds reports whether a cell with a hold may be held by what another rule found: rules
// that count alike share the time from which a hold runs. In a log overrides end and begin what
// is held, too.
func (l *layout) sharesHolds(s *sweep) bool {
	if !slices.ContainsFunc(s.cells, func(c velocity.Rule) bool { return c.Hold > 0 }) {
		return false
	}
	if l.logged {
		return true
	}
	swept := &l.rules[s.rule]
	for i := range l.rules {
		r := &l.rules[i]
		if i != s.rule && r.Hold > 0 && r.Per == swept.Per && r.Count == swept.Count && r.Retention == swept.Retention {
			return true
		}
	}
	return false
}

// wholeLanes returns a lane for each cell, with the cell itself as a rule among the others on
// its subject: what it found is its outcome.
func (l *layout) wholeLanes(s *sweep) (lanes []*lane, err error) {
	s.meters = nil
	for _, c := range s.cells {
		own, rules := l.newLane(), []velocity.Rule(nil)
		for i, r := range replaced(l.rules, s.rule, c) {
			switch {
			case i == s.rule:
				s.meters = append(s.meters, l.meter(own, c.Per, []velocity.Rule{c}, false))
			case r.Per == c.Per:
				own.meters = append(own.meters, nil)
			default:
				continue
			}
			rules = append(rules, r)
		}
		if own.engine, err = l.engine(rules); err != nil {
			return nil, err
		}
		lanes = append(lanes, own)
	}
	return lanes, nil
}

// groups returns the cells of the sweep that one count can decide: those of one window, or
// each by itself.
func (l *layout) groups(s *sweep, eachCell bool) (groups [][]velocity.Rule) {
	type key struct {
		window time.Duration
		alone  int // a number for each cell that is by itself
	}
	at := map[key]int{}
	// recognised is the greatest block_over that leaves the list of attempts as long as it is.
	const recognised = 63
	for i, c := range s.cells {
		k := key{window: c.Window}
		if eachCell || l.retries && isOfDeclines(&c) && c.BlockOver > recognised {
			k.alone = i + 1
		}
		g, found := at[k]
		if !found {
			g, groups = len(groups), append(groups, nil)
			at[k] = g
		}
		groups[g] = append(groups[g], c)
	}
	return groups
}

// ruleOf returns a rule whose count decides all of the cells, which have one window. It
// changes no decision.
func ruleOf(cells []velocity.Rule) velocity.Rule {
	r := cells[0]
	r.ReviewOver, r.Hold, r.Mode = 0, 0, velocity.Shadow
	for _, c := range cells {
		r.BlockOver = max(r.BlockOver, c.BlockOver)
	}
	return r
}

func (l *layout) engine(rules []velocity.Rule) (*velocity.Replay, error) {
	plan, err := l.plan.WithRules(rules)
	if err != nil {
		return nil, err
	}
	return velocity.NewReplay(plan)
}

func isOfDeclines(r *velocity.Rule) bool { return strings.HasPrefix(r.Count, "decline") }

// unusedName returns a name that no rule has.
func unusedName(rules []velocity.Rule) string {
	for n := len(rules); ; n++ {
		name := fmt.Sprintf("cells_%d", n)
		if !slices.ContainsFunc(rules, func(r velocity.Rule) bool { return r.Name == name }) {
			return name
		}
	}
}
