package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"fraudcheck/internal/velocity"
)

// A decision log as a history. Each line is an event at its own time, in the order in which
// the instance wrote them: that is the order in which it decided, though a request's time may
// be a little before that of the line above. Outcomes are heard at their lines, and
// overrides and forgets take effect as they did.

// A logLine is a line of a decision log: see package decisionlog.
type logLine struct {
	Seq      uint64
	Instance string
	Prefix   *int `json:"ipv6_prefix"`
	Kind     string
	Time     string
	Attempt  string
	Card     string
	Degraded bool
	Outcome  string
	Reason   string
	At       string
	What     string
	Until    string
	Lost     *int64
	Subjects map[string]string
}

// What a line does.
const (
	isCheck  = iota
	isChange // an outcome, an override or a forget
	isOther  // nothing
)

// isLog reports whether names, those of a first line, are of a decision log.
func isLog(names []string) bool {
	text := " " + strings.Join(names, " ") + " "
	return strings.Contains(text, " v ") && strings.Contains(text, " seq ") && strings.Contains(text, " kind ")
}

// logMapping is the mapping of a decision log: the values of a record are its line. The
// error names what a log cannot be asked.
func (c *Columns) logMapping() (*mapping, error) {
	if c.Time+c.OutcomeTime+c.Label+c.Amount != "" || len(c.Fields) > 0 {
		return nil, errors.New("a decision log has no columns to be named")
	}
	return &mapping{names: []string{"line"}, logged: true}, nil
}

// checkLog returns the error of what cannot be tried on a decision log.
func (h *history) checkLog() error {
	switch {
	case h.plan.HasLists():
		return errors.New("lists: a decision log holds no IP addresses, so network lists cannot be tried on it: take them out of the configuration")
	case h.Explain != nil:
		return errors.New("--explain: a decision log holds ids and no values")
	case h.Sort:
		return errors.New("--sort: a decision log is judged in its own order")
	}
	return nil
}

// lines are the rows of a decision log.
func (c *chunk) lines(r *record, visit func(*record)) {
	for line := range strings.Lines(c.text) {
		if line = strings.TrimSpace(line); line != "" {
			r.values[0] = line
			visit(r)
		}
	}
}

// parseLogged judges a line of a decision log.
func (p *parser) parseLogged(line string, r *row) *Fault {
	var l logLine
	at, ok := velocity.Time(0), json.Unmarshal([]byte(line), &l) == nil
	if ok {
		at, ok = parseTime(l.Time)
	}
	if !ok {
		return &Fault{Expected: "a line of a decision log; the last one before a restart may be torn"}
	}
	switch l.Kind {
	case "check", "outcome", "forget", "override":
		if len(l.Subjects) == 0 {
			return &Fault{Expected: "at least one subject; they may have been erased"}
		}
		if r.prefix = velocity.DefaultIPv6Prefix; l.Prefix != nil {
			r.prefix = *l.Prefix
		}
	}
	r.at, r.degraded, r.does, r.seq, r.instance = at, l.Degraded, isChange, l.Seq, l.Instance
	a := velocity.LoggedAttempt{Attempt: l.Attempt, CardWord: l.Card, IDs: l.Subjects}
	until, _ := parseTime(l.Until)
	switch {
	case l.Kind == "check":
		r.does = isCheck
		for i, lane := range p.lanes {
			lane.engine.TraceLoggedCheck(&a, at, &r.checks[i])
		}
	case l.Kind == "outcome":
		if l.At != "" {
			a.AnsweredAt, _ = parseTime(l.At)
		}
		for i, lane := range p.lanes {
			lane.engine.TraceLoggedOutcome(&a, velocity.IssuerAnswer{Outcome: l.Outcome, Reason: l.Reason}, at, &r.outcomes[i])
		}
	case l.Kind == "forget":
		r.forgets = l.What
		for i, lane := range p.lanes {
			lane.engine.TraceForget(&a, l.What, at, &r.outcomes[i])
		}
	case l.Kind == "override":
		outcome := velocity.Allow
		if l.What == "block" {
			outcome = velocity.Block
		}
		if l.What == "remove" {
			until = 0
		}
		for i, lane := range p.lanes {
			lane.engine.TraceOverride(&a, outcome, until, at, &r.outcomes[i])
		}
	default:
		r.does = isOther
		if l.Kind == "gap" {
			r.lost = l.Lost == nil || *l.Lost > 0
		}
	}
	return nil
}

// follow returns the error of a line that does not belong behind those above it. One
// instance's lines have rising numbers, and a request's time may be a little before that of
// the line above; lines of several instances are a history where they are in order of time.
func (h *history) follow(r *row) error {
	if r.prefix != 0 && r.prefix != h.plan.IPv6Prefix() {
		return fmt.Errorf("ipv6_prefix: row %d of the decision log was written with %d and the configuration has %d: the ids of IPv6 addresses are others",
			r.number, r.prefix, h.plan.IPv6Prefix())
	}
	if h.began && r.at < h.last && (r.seq <= h.seq || r.instance != h.instance) {
		return fmt.Errorf("row %d is earlier than the line above it, and of another file or instance: name the files of one instance from the oldest to the newest, or sort those of several by time",
			r.number)
	}
	h.seq, h.instance = r.seq, r.instance
	return nil
}
