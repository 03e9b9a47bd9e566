package decisionlog

import (
	"encoding/base64"
	"strconv"
	"time"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// kindNames are the kinds of events as lines have them.
var kindNames = [...]string{event.Check: "check", event.Outcome: "outcome", event.Forget: "forget", event.Override: "override", event.Reload: "reload", event.LoginEnded: "login_ended"}

// appendEvent appends the line of an event to the chunk.
func (w *writer) appendEvent(e *entry, rules []velocity.RuleResult, reasons []string) {
	w.head(kindNames[e.kind], e.at)
	b := w.chunk
	switch e.kind {
	case event.Check:
		b = appendDecision(appendAttempt(b, e), e, rules, reasons)
	case event.Outcome:
		b = w.appendAnswer(appendAttempt(b, e), e)
	default:
		b = wire.AppendString(append(b, `,"what":`...), e.what)
		if e.until > 0 {
			b = append(b, `,"until":"`...)
			b = append(w.second.appendTime(b, e.until), '"')
		}
	}
	switch e.kind {
	case event.Reload:
	case event.LoginEnded:
		b = w.appendCaller(b, e)
	default:
		b = w.appendCaller(w.appendSubjects(b, e), e)
	}
	w.chunk = append(b, "}\n"...)
}

// appendAttempt appends what names the attempt of a check or an outcome.
func appendAttempt(b []byte, e *entry) []byte {
	b = append(b, `,"attempt":"`...)
	b = append(e.shortAttempt.AppendTo(b), '"')
	if word := e.attempt.CardWord(); word != "" {
		b = append(append(append(b, `,"card":"`...), word...), '"')
	}
	return b
}

// appendSubjects appends the ids of what the request showed, and the name of their key.
func (w *writer) appendSubjects(b []byte, e *entry) []byte {
	plan := e.plan
	if plan == nil {
		plan = w.Plan()
	}
	b = append(b, `,"subjects":{`...)
	first := len(b)
	w.IDs.All(&e.attempt, plan, func(name string, id velocity.LogID) {
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":"`...)
		b = append(base64.RawURLEncoding.AppendEncode(b, id[:]), '"')
	})
	b = append(append(b, '}'), w.key...)
	if prefix := plan.IPv6Prefix(); prefix != velocity.DefaultIPv6Prefix {
		b = strconv.AppendInt(append(b, `,"ipv6_prefix":`...), int64(prefix), 10)
	}
	return b
}

// appendCaller appends who made the request.
func (w *writer) appendCaller(b []byte, e *entry) []byte {
	return append(append(b, `,"caller":`...), w.callerJSON(e.caller)...)
}

// head appends what begins every line.
func (w *writer) head(kind string, at velocity.Time) {
	w.seq++
	b := strconv.AppendUint(append(w.chunk, `{"v":1,"seq":`...), w.seq, 10)
	b = append(b, `,"time":"`...)
	b = append(w.second.appendTime(b, at), '"')
	b = append(b, w.instance...)
	w.chunk = append(append(append(b, `,"kind":"`...), kind...), '"')
}

// appendGap appends a gap that lost as many events, or unknownLost.
func (w *writer) appendGap(lost uint64) {
	w.head("gap", max(w.latest, w.Now()))
	w.chunk = append(w.chunk, `,"lost":`...)
	if lost == unknownLost {
		w.chunk = append(w.chunk, "null"...)
	} else {
		w.chunk = strconv.AppendUint(w.chunk, lost, 10)
	}
	w.chunk = append(w.chunk, "}\n"...)
	w.gaps = append(w.gaps, lost)
}

// appendDecision appends what a check was answered. Names and modes of rules, and reasons,
// have no character that JSON would escape: the configuration allows none.
func appendDecision(b []byte, e *entry, rules []velocity.RuleResult, reasons []string) []byte {
	b = append(append(b, `,"decision":"`...), e.decision.String()...)
	b = append(b, `","reasons":[`...)
	for i, reason := range reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), reason...), '"')
	}
	b = append(b, `],"rules":[`...)
	for i := range rules {
		r := &rules[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"name":"`...), r.Rule.Name...)
		b = append(append(b, `","outcome":"`...), r.Outcome.String()...)
		b = append(append(b, `","mode":"`...), r.Rule.Mode...)
		b = strconv.AppendInt(append(b, `","count":`...), int64(r.Count), 10)
		b = append(b, '}')
	}
	return strconv.AppendBool(append(b, `],"degraded":`...), e.degraded)
}

// appendAnswer appends what an issuer answered.
func (w *writer) appendAnswer(b []byte, e *entry) []byte {
	b = append(append(append(b, `,"outcome":"`...), e.answer.Outcome...), '"')
	if e.answer.Reason != "" {
		b = append(append(append(b, `,"reason":"`...), e.answer.Reason...), '"')
	}
	if at, told := e.attempt.AnsweredAt(); told {
		b = append(b, `,"at":"`...)
		b = append(w.second.appendTime(b, at), '"')
	}
	return b
}

// timeText is the text of the last second that stood in a line.
type timeText struct {
	second velocity.Time
	text   []byte
}

// appendTime appends the time in UTC with milliseconds, as in 2026-11-28T13:00:00.123Z
// (RFC 3339).
func (t *timeText) appendTime(b []byte, at velocity.Time) []byte {
	if second := at / 1000; second != t.second || t.text == nil {
		t.second, t.text = second, time.UnixMilli(int64(at)).UTC().AppendFormat(t.text[:0], "2006-01-02T15:04:05.")
	}
	ms := at % 1000
	return append(append(b, t.text...), byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// callerText is the JSON of the last caller's name.
type callerText struct {
	name string
	json []byte
}

// callerJSON returns the caller's name as it is logged, as a JSON string.
func (w *writer) callerJSON(name string) []byte {
	if c := &w.caller; name != c.name || c.json == nil {
		c.name, c.json = name, wire.AppendString(c.json[:0], w.Caller(name))
	}
	return w.caller.json
}
