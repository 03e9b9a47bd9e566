package replay

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"fraudcheck/internal/velocity"
)

// The oracle decides about a history straight from the sentences of docs/counting.md, in the
// slowest way: it keeps what was shown as text, in maps, and looks at all of it for each
// count. It shares no code with package velocity.
type oracle struct {
	rules []velocity.Rule
	allow []netip.Prefix
	lists map[string]*oracleList // by subject, element and retention
	holds map[string]int64       // by subject, element, retention, window and block_over
	due   []oracleOutcome
	// unsure: which of several elements of one millisecond a list has lost cannot be told,
	// and it was asked for.
	unsure bool
}

type oracleList struct {
	seen  map[string]int64
	began int64 // of an idle list: when the present run began
	fuzzy bool  // it was cut between elements of one millisecond
}

type oracleOutcome struct {
	at  int64
	row *testRow
	id  string
}

type oracleAnswer struct {
	decision, reasons, counts string
	outcomes                  map[string]string // by rule
}

func newOracle(rules []velocity.Rule) *oracle {
	return &oracle{rules: rules, lists: map[string]*oracleList{}, holds: map[string]int64{}}
}

// judge returns what is decided about each row.
func (o *oracle) judge(rows []testRow) (answers []oracleAnswer) {
	for i := range rows {
		r := &rows[i]
		id := r.attemptID
		if id == "" {
			id = "generated " + strconv.Itoa(i)
		}
		o.hear(r.at)
		answers = append(answers, o.check(r, id))
		if r.outcome == "declined" && r.reason != "insufficient_funds" {
			at := r.at + 3000
			if r.heardAt != "" {
				at, _ = strconv.ParseInt(r.heardAt, 10, 64)
			}
			o.due = append(o.due, oracleOutcome{max(at, r.at), r, id})
			sort.SliceStable(o.due, func(i, j int) bool { return o.due[i].at < o.due[j].at })
		}
	}
	return answers
}

func (o *oracle) hear(now int64) {
	for len(o.due) > 0 && o.due[0].at <= now {
		next := o.due[0]
		o.due = o.due[1:]
		for _, per := range []string{"ip", "network", "card", "email"} {
			if subject := oracleSubject(per, next.row); subject != "" {
				o.decline(per, subject, next)
			}
		}
	}
}

// decline adds a decline to the lists of the subject, unless the same attempt with the same
// card is known there: for as long as the longest window of the rules on declines.
func (o *oracle) decline(per, subject string, d oracleOutcome) {
	var longest int64
	for _, r := range o.rules {
		if r.Per == per && strings.HasPrefix(r.Count, "decline") {
			longest = max(longest, r.Window.Milliseconds())
		}
	}
	attempt := oracleCard(d.row) + "|" + d.id
	known := o.list(per, subject, "known declines", "", 0)
	if at, ok := known.seen[attempt]; ok && d.at-at < longest {
		return
	}
	known.seen[attempt] = d.at
	for _, list := range o.listsOf(per) {
		switch list.Count {
		case "declines":
			o.show(list, subject, attempt, "", d.at)
		case "declined_cards":
			if card := oracleCard(d.row); card != "" {
				o.show(list, subject, card, "", d.at)
			}
		}
	}
}

func (o *oracle) check(r *testRow, id string) (a oracleAnswer) {
	a.outcomes = map[string]string{}
	allowed := false
	if ip := oracleIP(r.ip); ip.IsValid() {
		allowed = slices.ContainsFunc(o.allow, func(n netip.Prefix) bool { return n.Contains(ip) })
	}
	for _, per := range []string{"ip", "network", "card", "email"} {
		subject := oracleSubject(per, r)
		if subject == "" {
			continue
		}
		for _, list := range o.listsOf(per) {
			element, before := oracleElement(list.Count, r, id)
			if element != "" {
				o.show(list, subject, element, before, r.at)
			}
		}
	}
	strictest := velocity.Allow
	var counts, reasons []string
	found := map[string]velocity.Outcome{}
	for i := range o.rules { // first all holds begin, then all rules are looked at
		rule := &o.rules[i]
		subject := oracleSubject(rule.Per, r)
		if subject != "" && rule.Mode == velocity.Enforce && rule.Hold > 0 && !allowed && o.count(rule, subject, r.at) > rule.BlockOver {
			o.holds[holdKey(rule, subject)] = r.at
		}
	}
	for i := range o.rules {
		rule := &o.rules[i]
		subject := oracleSubject(rule.Per, r)
		if subject == "" {
			continue
		}
		n := o.count(rule, subject, r.at)
		outcome := velocity.Allow
		switch {
		case n > rule.BlockOver:
			outcome = velocity.Block
		case rule.ReviewOver > 0 && n > rule.ReviewOver:
			outcome = velocity.Review
		}
		if began, ok := o.holds[holdKey(rule, subject)]; ok && r.at-began < rule.Hold.Milliseconds() {
			outcome = velocity.Block
		}
		found[rule.Name] = outcome
		a.outcomes[rule.Name] = outcome.String()
		counts = append(counts, fmt.Sprintf("%s=%d", rule.Name, min(n, rule.BlockOver+1)))
		if rule.Mode == velocity.Enforce {
			strictest = max(strictest, outcome)
		}
	}
	for _, rule := range o.rules {
		if outcome, ok := found[rule.Name]; ok && rule.Mode == velocity.Enforce && outcome == strictest && strictest != velocity.Allow {
			reasons = append(reasons, rule.Name)
		}
	}
	if allowed {
		strictest, reasons = velocity.Allow, []string{"list"}
	}
	a.decision, a.reasons, a.counts = strictest.String(), strings.Join(reasons, " "), strings.Join(counts, " ")
	return a
}

func holdKey(r *velocity.Rule, subject string) string {
	return fmt.Sprint(r.Per, "|", subject, "|", r.Count, "|", r.Retention, "|", r.Window, "|", r.BlockOver)
}

// listsOf returns a rule for each list of the subjects of that kind: with the longest window
// and the largest block_over of the rules that read it.
func (o *oracle) listsOf(per string) (lists []velocity.Rule) {
	for _, r := range o.rules {
		if r.Per != per {
			continue
		}
		i := slices.IndexFunc(lists, func(l velocity.Rule) bool {
			return l.Count == r.Count && l.Retention == r.Retention && (r.Retention == velocity.Sliding || l.Window == r.Window)
		})
		if i < 0 {
			lists = append(lists, r)
			continue
		}
		lists[i].Window, lists[i].BlockOver = max(lists[i].Window, r.Window), max(lists[i].BlockOver, r.BlockOver)
	}
	return lists
}

func (o *oracle) list(per, subject, element, retention string, window int64) *oracleList {
	key := fmt.Sprint(per, "|", subject, "|", element, "|", retention)
	if retention == string(velocity.Idle) {
		key += fmt.Sprint("|", window)
	}
	if o.lists[key] == nil {
		o.lists[key] = &oracleList{seen: map[string]int64{}}
	}
	return o.lists[key]
}

func (o *oracle) of(r *velocity.Rule, subject string) *oracleList {
	return o.list(r.Per, subject, r.Count, string(r.Retention), r.Window.Milliseconds())
}

// show adds an element to a list of the subject, or refreshes it. before is the name under
// which it may be there already.
func (o *oracle) show(list velocity.Rule, subject, element, before string, at int64) {
	l, window := o.of(&list, subject), list.Window.Milliseconds()
	l.expire(list.Retention, window, at)
	if before != "" {
		_, there := l.seen[element]
		_, earlier := l.seen[before]
		o.unsure = o.unsure || l.fuzzy
		if !there && earlier {
			element = before
		}
	}
	if len(l.seen) == 0 {
		l.began, l.fuzzy = at, false
	}
	l.seen[element] = at
	for len(l.seen) > list.BlockOver+1 {
		oldest, same := "", 0
		for e, t := range l.seen {
			if oldest == "" || t < l.seen[oldest] {
				oldest = e
			}
		}
		for _, t := range l.seen {
			if t == l.seen[oldest] {
				same++
			}
		}
		l.fuzzy = l.fuzzy || same > 1
		delete(l.seen, oldest)
	}
}

// expire drops what does not count any more.
func (l *oracleList) expire(retention velocity.Retention, window, now int64) {
	var last int64
	for _, at := range l.seen {
		last = max(last, at)
	}
	for e, at := range l.seen {
		if retention == velocity.Idle && now-last >= window || retention == velocity.Sliding && now-at >= window {
			delete(l.seen, e)
		}
	}
}

func (o *oracle) count(r *velocity.Rule, subject string, now int64) (n int) {
	l, window := o.of(r, subject), r.Window.Milliseconds()
	if r.Retention == velocity.Idle {
		l.expire(r.Retention, window, now)
		return len(l.seen)
	}
	for _, at := range l.seen {
		if now-at < window {
			n++
		}
	}
	return n
}

func oracleIP(text string) netip.Addr {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap()
}

func oracleSubject(per string, r *testRow) string {
	ip := oracleIP(r.ip)
	switch per {
	case "ip":
		if ip.Is6() {
			return netip.PrefixFrom(ip, 64).Masked().String()
		}
		return text(ip)
	case "network":
		if !ip.IsValid() {
			return ""
		}
		bits := 24
		if ip.Is6() {
			bits = 48
		}
		return netip.PrefixFrom(ip, bits).Masked().String()
	case "card":
		return oracleCard(r)
	}
	return oracleEmail(r.email)
}

func text(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

func oracleCard(r *testRow) string {
	switch {
	case r.cardID != "":
		return "id " + r.cardID
	case r.last4 != "" && r.expiry != "":
		return r.last4 + " 12/30" // every expiry of the histories beside last4 is that
	}
	return ""
}

func oracleEmail(text string) string {
	text = strings.ToLower(text)
	local, domain, found := strings.Cut(text, "@")
	if !found {
		return text
	}
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain
}

// oracleElement is what a check adds to the lists of that element, and for an attempt whose
// card is not known its name of the second before.
func oracleElement(count string, r *testRow, id string) (element, before string) {
	card := oracleCard(r)
	switch count {
	case "cards":
		return card, ""
	case "ips":
		return oracleSubject("ip", r), ""
	case "emails":
		return oracleEmail(r.email), ""
	case "expiries":
		if r.cardID == "" {
			return "", ""
		}
		return r.expiry, ""
	case "attempts":
		if card == "" {
			return fmt.Sprint("later ", r.at/1000, " ", id), fmt.Sprint("later ", r.at/1000-1, " ", id)
		}
		return card + "|" + id, ""
	}
	return "", ""
}
