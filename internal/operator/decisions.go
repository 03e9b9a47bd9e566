package operator

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

const (
	defaultDecisions = 100
	maxDecisions     = 1000
)

// keepsNone answers where decisions.keep is 0, and no other instance is to be asked.
var keepsNone = &wire.Problem{Status: 404, Code: "not_found", Detail: "this instance keeps no decisions: decisions.keep is 0"}

// A decisionsQuery is what a list or a stream of decisions is asked for.
type decisionsQuery struct {
	recent.Filter
	limit    int
	before   *recent.Position // nil: from the newest on
	thisOnly bool             // scope=this
	after    *uint64          // of a peer's stream: the number that it goes on behind
}

// A listedDecision is a decision as lists and streams show it.
type listedDecision struct {
	Time      moment           `json:"time"`
	Instance  string           `json:"instance"`
	IP        *string          `json:"ip"`   // null: no_ip was sent
	Card      *string          `json:"card"` // null: not known
	Decision  string           `json:"decision"`
	Reasons   list[string]     `json:"reasons"`
	Rules     list[listedRule] `json:"rules"`
	Degraded  bool             `json:"degraded"`
	Caller    string           `json:"caller"`
	Attempt   string           `json:"attempt"`
	RequestID string           `json:"request_id"`
	More      int              `json:"more,omitempty"` // decisions on the IP address without an entry
	// Number is told to other instances alone, which put the decision in its place by it.
	Number *uint64 `json:"number,omitempty"`

	place recent.Position // among the decisions of all instances
}

// A listedRule is what one rule found.
type listedRule struct {
	Name    string        `json:"name"`
	Outcome string        `json:"outcome"`
	Mode    velocity.Mode `json:"mode"`
	Count   int           `json:"count"`
}

// listDecisions answers GET /v1/decisions: the newest first.
func (a *API) listDecisions(q *door.Request) *wire.Problem {
	query, p := a.parseDecisions(q, listFilters)
	if p != nil {
		return p
	}
	all, more := a.ownDecisions(q, query), false
	others, unreachable := ofAll[decisionsPage](a, q, decisionsPath, withoutScope(q.Query), query.thisOnly)
	for _, other := range others {
		theirs := placed(other, query)
		all, more = append(all, theirs...), more || len(theirs) > 0 && other.said.Next != nil
	}
	page := a.decisionsPage(query, all, more)
	page.Unreachable = unreachable
	answerJSON(q, page)
	return nil
}

// placed returns the decisions of another instance, at most query.limit, in their places
// behind query.before. What it names itself, and no other, it is taken for.
func placed(of told[decisionsPage], query *decisionsQuery) (found []listedDecision) {
	for _, d := range of.said.Decisions[:min(query.limit, len(of.said.Decisions))] {
		if d.Number == nil || !d.judge() {
			continue
		}
		d.place = recent.Position{Time: velocity.TimeOf(d.Time.Time), Instance: recent.InstanceNumber(of.instance), Number: *d.Number}
		if query.before != nil && d.place.Compare(*query.before) <= 0 {
			continue
		}
		d.Instance, d.Number = of.instance, nil
		found = append(found, d)
	}
	return found
}

// A decisionsPage is the answer to GET /v1/decisions.
type decisionsPage struct {
	Decisions   list[listedDecision] `json:"decisions"`
	Next        *string              `json:"next"` // where the list goes on; null at its end
	Unreachable []string             `json:"unreachable"`
}

// decisionsPage makes a page of decisions, in any order: of each instance those that come
// first behind query.before, up to query.limit or one more. more: there are others.
func (a *API) decisionsPage(query *decisionsQuery, all []listedDecision, more bool) decisionsPage {
	slices.SortFunc(all, func(x, y listedDecision) int { return x.place.Compare(y.place) })
	page := decisionsPage{Decisions: all, Unreachable: []string{}}
	if len(all) > query.limit {
		page.Decisions, more = all[:query.limit], true
	}
	if more {
		next := a.cursor(page.Decisions[len(page.Decisions)-1].place)
		page.Next = &next
	}
	return page
}

// ownDecisions returns this instance's, up to one more than the limit.
func (a *API) ownDecisions(q *door.Request, query *decisionsQuery) []listedDecision {
	if a.Ring == nil {
		return []listedDecision{}
	}
	found := a.Ring.Before(query.before, &query.Filter, query.limit+1)
	listed := make([]listedDecision, len(found))
	for i := range found {
		listed[i] = a.listed(q, &found[i])
	}
	return listed
}

// listed returns the decision as answers show it.
func (a *API) listed(q *door.Request, d *recent.Decision) listedDecision {
	l := listedDecision{
		Time: moment{time.UnixMilli(int64(d.Time))}, Instance: a.Instance,
		Decision: d.Outcome.String(), Reasons: append([]string{}, d.Reasons...), Rules: make(list[listedRule], len(d.Rules)),
		Degraded: d.Degraded, Caller: shownName(q, d.Caller), Attempt: d.Attempt.String(), RequestID: d.RequestID, More: d.More, place: d.Position,
	}
	for i, r := range d.Rules {
		l.Rules[i] = listedRule{Name: r.Rule.Name, Outcome: r.Outcome.String(), Mode: r.Rule.Mode, Count: r.Count}
	}
	if d.Address.IsValid() {
		ip := d.Address.String()
		l.IP = &ip
	}
	if d.Card != 0 {
		card := d.Card.String()
		l.Card = &card
	}
	if q.Caller.IsPeer() {
		l.Number = &d.Number
	}
	return l
}

// shownName returns a user's name; one that may be a card number is masked, as in the log.
func shownName(q *door.Request, name string) string {
	if _, shown := door.ShownName(name); !shown {
		return q.Name(name)
	}
	return name
}

// The parameters of a stream, and those of a list.
var (
	streamFilters = []string{"decision", "rule", "ip", "attempt", "attempt_id", "request_id", "since", "scope"}
	listFilters   = append(slices.Clone(streamFilters), "limit", "before")
	peerFilters   = []string{"scope", "after"} // of a stream to another instance
)

var ruleName = regexp.MustCompile(`^[a-z0-9_]{1,40}$`)

// parseDecisions reads the parameters of these names. One that is empty is absent.
func (a *API) parseDecisions(request *door.Request, names []string) (*decisionsQuery, *wire.Problem) {
	values, p := parseFilters(request.Query, names...)
	if p != nil {
		return nil, p
	}
	q := &decisionsQuery{limit: defaultDecisions}
	for _, name := range names {
		if values[name] == "" {
			continue
		}
		if expected := q.set(a, name, values[name]); expected != "" {
			return nil, wrongFilter(name, expected)
		}
	}
	// A peer hears that there are none: otherwise it would name this instance as one that does
	// not answer.
	if a.Ring == nil && !request.Caller.IsPeer() && (a.Peers == nil || q.thisOnly) {
		return nil, keepsNone
	}
	return q, nil
}

// set takes over a parameter; it returns what was expected where the value is wrong.
func (q *decisionsQuery) set(a *API, name, value string) (expected string) {
	ok := true
	switch name {
	case "decision":
		for _, o := range []velocity.Outcome{velocity.Allow, velocity.Review, velocity.Block} {
			if o.String() == value {
				q.Outcome = &o
			}
		}
		ok, expected = q.Outcome != nil, "allow, review or block"
	case "rule":
		q.Rule, ok, expected = value, ruleName.MatchString(value), "the name of a rule, or a reason such as list"
	case "ip":
		if q.Network, ok = velocity.ParseNetwork(value); !ok {
			if ip, is := velocity.ParseAddress(value); is {
				q.Network, ok = netip.PrefixFrom(ip, ip.BitLen()), true
			}
		}
		expected = "an address such as 203.0.113.7, or a network such as 203.0.113.0/24"
	case "attempt":
		q.Attempt, ok = velocity.ParseShortID(value)
		expected = "the attempt of a decision, such as k7qm2xpz"
	case "attempt_id":
		id := a.ShortIDs.Attempt(value)
		ok, expected = velocity.IsAttemptID(value) && (q.Attempt == 0 || q.Attempt.Alike(id)), "1 to 128 characters, and not those of another attempt"
		q.Attempt = id
	case "request_id":
		q.RequestID, ok, expected = value, door.Traceable([]byte(value)), "the X-Request-ID of an answer"
	case "since":
		q.Since, ok = velocity.ParseTime(value)
		expected = "a time such as 2026-11-28T13:00:00Z, or Unix time"
	case "scope":
		q.thisOnly, ok, expected = true, value == "this", "this, or no scope"
	case "after":
		n, err := strconv.ParseUint(value, 10, 64)
		q.after, ok, expected = &n, err == nil, "a number"
	case "limit":
		n, err := strconv.Atoi(value)
		q.limit, ok, expected = n, err == nil && 1 <= n && n <= maxDecisions, "1 to 1000"
	case "before":
		q.before, ok = a.position(value)
		expected = "the next of an earlier answer of this service"
	}
	if ok {
		expected = ""
	}
	return expected
}
