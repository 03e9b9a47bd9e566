package operator

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// A blockedView is who is blocked, at this instance or several, as the answers show it.
type blockedView struct {
	recent.BlockedList
	Unreachable []string // instances that did not answer
	youngest    youngest // of the other instances that answered
}

// The youngest instance is the one that started last.
type youngest struct {
	instance string // empty: there is none
	running  time.Duration
}

// blockedQuery is what may be asked of GET /v1/blocked.
type blockedQuery struct {
	limit     int
	networks  bool // in the text form
	scopeThis bool
}

// blocked answers GET /v1/blocked: who is blocked now, as JSON or for a firewall.
func (a *API) blocked(q *door.Request) *wire.Problem {
	text := prefersText(q.In.Header.Values("Accept"))
	query, p := parseBlockedQuery(q.Query, text)
	if p != nil {
		return p
	}
	now := a.Now(q.Start)
	view := blockedView{BlockedList: a.Blocked.List(query.limit, now)}
	a.ofAllBlocked(q, &view, query.limit, query.scopeThis)
	if !text {
		q.Answer(200, wire.JSON, view.appendJSON(nil, a.running(q, now)))
		return nil
	}
	if len(view.Unreachable) == 0 { // else there is no list, and the peer that is away is not waited for again
		a.withoutAllowed(q, &view, query.scopeThis, now)
	}
	body, p := a.firewallList(&view, query.networks, now)
	if p == nil {
		q.Answer(200, "text/plain; charset=utf-8", body)
	}
	return p
}

// parseBlockedQuery reads the query: scope, as JSON limit, and as text networks.
func parseBlockedQuery(query []byte, text bool) (b blockedQuery, p *wire.Problem) {
	own := "limit"
	if text {
		own = "networks"
	}
	values, p := parseFilters(query, own, "scope")
	if p != nil {
		return b, p
	}
	b.limit, b.networks, b.scopeThis = recent.MaxBlocked, values["networks"] == "1", values["scope"] == "this"
	if limit := values["limit"]; limit != "" {
		var err error
		if b.limit, err = strconv.Atoi(limit); err != nil || b.limit < 1 || b.limit > recent.MaxBlocked {
			return b, wrongFilter("limit", "a number from 1 to 100000")
		}
	}
	switch {
	case values["networks"] != "" && !b.networks:
		return b, wrongFilter("networks", "1")
	case values["scope"] != "" && !b.scopeThis:
		return b, wrongFilter("scope", "this, or no scope")
	}
	return b, nil
}

// prefersText reports whether the Accept header (RFC 9110, 12.5.1) names text/plain, with
// a greater weight than application/json if it names both. The program that lists both is
// an HTTP library; a firewall's job names the one.
func prefersText(accept [][]byte) bool {
	text, json := 0.0, 0.0
	for _, line := range accept {
		for media := range strings.SplitSeq(string(line), ",") {
			name, parameters, _ := strings.Cut(media, ";")
			weight := 1.0
			for parameter := range strings.SplitSeq(parameters, ";") {
				if key, value, _ := strings.Cut(strings.TrimSpace(parameter), "="); strings.EqualFold(key, "q") {
					weight, _ = strconv.ParseFloat(value, 64) // what is no number weighs nothing
				}
			}
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "text/plain":
				text = max(text, weight)
			case wire.JSON:
				json = max(json, weight)
			}
		}
	}
	return text > json
}

// running is how long this instance has run at now, for another instance that asks; otherwise 0.
func (a *API) running(q *door.Request, now velocity.Time) time.Duration {
	if !q.Caller.IsPeer() {
		return 0
	}
	return time.Duration(now-a.Firewall.Began) * time.Millisecond
}

// appendJSON appends the view as the JSON answer, with how long this instance has run unless
// that is 0.
func (v *blockedView) appendJSON(b []byte, running time.Duration) []byte {
	b = slices.Grow(b, 200*len(v.Blocked)+100)
	b = append(b, `{"blocked":[`...)
	for i := range v.Blocked {
		if i > 0 {
			b = append(b, ',')
		}
		e := &v.Blocked[i]
		b = append(appendSubject(append(b, `{"ip":"`...), e.Subject), `","reasons":`...)
		b = appendTime(append(appendNames(b, e.Reasons), `,"first_blocked":`...), e.FirstBlocked)
		b = appendTime(append(b, `,"last_tried":`...), e.Tried)
		b = append(b, `,"clears_in_seconds":`...)
		if e.ClearsIn > 0 {
			b = strconv.AppendInt(b, int64(e.ClearsIn), 10)
		} else {
			b = append(b, "null"...)
		}
		b = append(strconv.AppendUint(append(b, `,"attempts":`...), e.Attempts, 10), '}')
	}
	b = appendNames(append(b, `],"unreachable":`...), v.Unreachable)
	b = strconv.AppendBool(append(b, `,"degraded":`...), v.Degraded)
	b = strconv.AppendInt(append(b, `,"left_out":`...), int64(v.LeftOut), 10)
	if running > 0 {
		b = strconv.AppendInt(append(b, `,"running_seconds":`...), int64(running/time.Second), 10)
	}
	return append(b, '}')
}

// appendSubject appends an address, or a network in CIDR form.
func appendSubject(b []byte, subject netip.Prefix) []byte {
	if subject.IsSingleIP() {
		return subject.Addr().AppendTo(b)
	}
	return subject.AppendTo(b)
}

// appendTime appends a time as in RFC 3339, in UTC with milliseconds, as a JSON string.
func appendTime(b []byte, t velocity.Time) []byte {
	b = time.UnixMilli(int64(t)).UTC().AppendFormat(append(b, '"'), "2006-01-02T15:04:05.000Z07:00")
	return append(b, '"')
}
