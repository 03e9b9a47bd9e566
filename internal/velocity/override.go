package velocity

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// An Override is an analyst's decision about an IP address. While it is in force it decides
// before lists and rules; attempts are recorded and reported all the same. It is a mark in
// the record of the "ip" subject that survives forgetting, and so is its removal.
type Override struct {
	Outcome      Outcome // Allow or Block
	By           string  // who set it; at most MaxOverrideBy bytes are kept
	Reason       string  // see ValidReason
	Since, Until Time    // it is in force before Until
}

// The limits of an override.
const (
	MinOverride   = time.Second
	MaxOverride   = 720 * time.Hour
	MaxReason     = 200 // characters
	MaxOverrideBy = 128 // bytes
)

// overridden is the kind of subject that an override is on.
var overridden = kindNamed("ip", subjectName)

// overrideKey is the key of the one override that a record may have.
var overrideKey = markKey{kind: markOverride, lasting: true}

// The data of an override's mark is a state, and unless that is stateRemoved the time at
// which it ends as a varint, and behind it who set it and why, encrypted (see
// Keys.sealOverride). The mark's time is when it was set. A state that this program does
// not know is no override in force.
const (
	stateRemoved = 0
	stateAllow   = 1
	stateBlock   = 2
)

// parseOverride returns what is readable of an override's mark, and what is encrypted. It
// reports false where the mark is a removal, or of a form that this program does not know.
func parseOverride(m *mark) (o Override, header, sealed []byte, ok bool) {
	if len(m.data) == 0 {
		return o, nil, nil, false
	}
	switch m.data[0] {
	case stateAllow:
		o.Outcome = Allow
	case stateBlock:
		o.Outcome = Block
	default:
		return o, nil, nil, false
	}
	until, n := binary.Uvarint(m.data[1:])
	if n <= 0 || until > latestTime {
		return o, nil, nil, false
	}
	o.Since, o.Until = m.at, Time(until)
	return o, m.data[:1+n], m.data[1+n:], true
}

// overrideHeader is what stands before the encrypted part.
func overrideHeader(o *Override) []byte {
	state := byte(stateAllow)
	if o.Outcome == Block {
		state = stateBlock
	}
	return binary.AppendUvarint([]byte{state}, uint64(o.Until))
}

// override returns the outcome of the override that is in force at now.
func (r *Record) override(now Time) (outcome Outcome, inForce bool) {
	if len(r.marks) == 0 {
		return Allow, false
	}
	m := r.mark(overrideKey)
	if m == nil {
		return Allow, false
	}
	o, _, _, ok := parseOverride(m)
	return o.Outcome, ok && now < o.Until
}

// setOverride writes the override of the update, or its removal. A change supersedes what
// the record has, also when a faster clock wrote that; the same change again changes
// nothing.
func (u *Update) setOverride(r *Record) {
	at := u.now
	if m := r.mark(overrideKey); m != nil {
		if m.at >= at && bytes.Equal(m.data, u.override) {
			return
		}
		at = max(at, m.at+1)
	}
	r.setMark(&mark{key: overrideKey, at: at, data: u.override})
	r.boundMarks(true, maxLastingMarks)
}

// passes reports whether an override, or without one a list, lets the attempt through
// whatever the rules find.
func (u *Update) passes(r *Record) bool {
	if outcome, inForce := r.override(u.now); inForce {
		return outcome == Allow
	}
	return u.letThrough
}

// SetOverride puts the override in force at now until o.Until, on the subject of the
// attempt's IP address, in place of any other. It returns the override as it is kept; false
// when only this instance has it: the shared store did not answer in time.
func (c *Checker) SetOverride(a *Attempt, o Override, now Time) (set Override, shared bool) {
	o.By, o.Since = cutText(o.By, MaxOverrideBy), now
	shared = c.changeOverride(a, &o, now)
	return o, shared
}

// RemoveOverride ends the override on the subject of the attempt's IP address. It reports
// false when only this instance knows: the shared store did not answer in time.
func (c *Checker) RemoveOverride(a *Attempt, now Time) (shared bool) {
	return c.changeOverride(a, nil, now)
}

func (c *Checker) changeOverride(a *Attempt, o *Override, now Time) (shared bool) {
	v := c.calls.Get().(*call)
	defer c.calls.Put(v)
	v.begin(c.Plan())
	s := v.plan.overridden()
	c.beginSubject(v, s, a, now, override)
	v.update.override = []byte{stateRemoved}
	if o != nil {
		v.update.override = c.keys.sealOverride(v.update.key, overrideHeader(o), o.By, o.Reason)
	}
	c.update(v, a)
	c.met(v, a)
	if m := v.update.result.known.mark(overrideKey); m != nil && o != nil && bytes.Equal(m.data, v.update.override) {
		o.Since = m.at
	}
	return !v.update.result.degraded
}

// overridden is the plan of the subjects that an override is on. Every plan has it, also
// where no rule watches them.
func (p *Plan) overridden() *subjectPlan { return &p.subjects[0] }

// openOverride returns the override in v's result that is in force at now; nil where there
// is none.
func (c *Checker) openOverride(v *call, now Time) *Override {
	u := &v.update
	m := u.result.known.mark(overrideKey)
	if m == nil {
		return nil
	}
	o, ok := c.keys.openOverride(u.key, m)
	if !ok || now >= o.Until {
		return nil
	}
	return &o
}

// ValidReason reports whether text can be the reason of an override: 1 to MaxReason
// printable characters, not only blanks, and nothing that may be a card number, which is
// neither kept nor logged.
func ValidReason(text string) bool {
	n := utf8.RuneCountInString(text)
	return 1 <= n && n <= MaxReason && utf8.ValidString(text) && strings.TrimSpace(text) != "" &&
		!strings.ContainsFunc(text, isUnprintable) && !holdsPAN(text)
}

func isUnprintable(c rune) bool { return !unicode.IsPrint(c) }

// cutText cuts text to at most that many bytes, between two characters.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
