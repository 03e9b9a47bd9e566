package operator

import (
	"regexp"
	"slices"
	"strings"

	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
)

// What a peer answers may be of another version, or a lie. It is shown as an own answer would
// be: an entry that says nothing without its text is left out, other text that no instance
// writes is not shown, and neither is what may be a card number.

const (
	// maxNameTold bounds the name of a user that a peer tells, in bytes.
	maxNameTold = 256
	// maxReasonsTold bounds the reasons, and the rules, of one entry.
	maxReasonsTold = 64
)

// maskedName stands for a name that may be a card number. A peer masks its own, so only one
// that lies tells such a name.
const maskedName = "masked"

var (
	wordTold    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	shortIDTold = regexp.MustCompile(`^[a-z2-7]{8}$`)
	versionTold = regexp.MustCompile(`^[A-Za-z0-9._+:() -]{1,100}$`)
)

// nameTold returns a user's name as it is shown.
func nameTold(name string) string {
	if _, shown := door.ShownName(name); !shown {
		return maskedName
	}
	if len(name) > maxNameTold {
		name = strings.ToValidUTF8(name[:maxNameTold], "")
	}
	return name
}

// addressTold reports whether the text is one IP address.
func addressTold(text string) bool {
	network, ok := velocity.ParseNetwork(text)
	return ok && network.IsSingleIP()
}

// reasonsTold returns those of the reasons that are names, as a list of its own.
func reasonsTold(reasons []string) list[string] {
	kept := list[string]{}
	for _, reason := range reasons[:min(len(reasons), maxReasonsTold)] {
		if ruleName.MatchString(reason) {
			kept = append(kept, reason)
		}
	}
	return kept
}

func isOutcome(name string) bool {
	return slices.ContainsFunc([]velocity.Outcome{velocity.Allow, velocity.Review, velocity.Block}, func(o velocity.Outcome) bool { return o.String() == name })
}

// only returns the text where it is of that form, and "" otherwise.
func only(form *regexp.Regexp, text string) string {
	if form.MatchString(text) {
		return text
	}
	return ""
}

// onlyOr is only for a text that may be missing.
func onlyOr(form *regexp.Regexp, text *string) *string {
	if text == nil || !form.MatchString(*text) {
		return nil
	}
	return text
}

// judge makes of a decision that a peer told what may be shown; false: nothing.
func (d *listedDecision) judge() bool {
	if !isOutcome(d.Decision) || d.IP != nil && !addressTold(*d.IP) {
		return false
	}
	d.Card, d.Attempt, d.Caller = onlyOr(shortIDTold, d.Card), only(shortIDTold, d.Attempt), nameTold(d.Caller)
	if !door.Traceable([]byte(d.RequestID)) {
		d.RequestID = ""
	}
	d.Reasons, d.More = reasonsTold(d.Reasons), max(0, d.More)
	rules := list[listedRule]{}
	for _, r := range d.Rules[:min(len(d.Rules), maxReasonsTold)] {
		if ruleName.MatchString(r.Name) && isOutcome(r.Outcome) && (r.Mode == velocity.Enforce || r.Mode == velocity.Shadow) {
			rules = append(rules, r)
		}
	}
	d.Rules = rules
	return true
}

// judge is likewise for an override.
func (o *listedOverride) judge() bool {
	network, ok := velocity.ParseNetwork(o.Subject)
	if !ok || o.Decision != velocity.Allow.String() && o.Decision != velocity.Block.String() {
		return false
	}
	o.Subject, o.By = string(appendSubject(nil, network)), nameTold(o.By)
	if !velocity.ValidReason(o.Reason) {
		o.Reason = ""
	}
	return true
}

// judge is likewise for a login.
func (l *login) judge() bool {
	l.Username, l.Tag = nameTold(l.Username), only(wordTold, l.Tag)
	if l.From != nil && !addressTold(*l.From) {
		l.From = nil
	}
	return wordTold.MatchString(l.ID)
}

// judge is likewise for an instance.
func (i *instance) judge() {
	i.Version, i.Store = onlyOr(versionTold, i.Version), onlyOr(wordTold, i.Store)
	for _, id := range []**string{&i.Rules, &i.Lists, &i.HashKey, &i.HashKeyPrevious} {
		*id = onlyOr(wordTold, *id)
	}
}
