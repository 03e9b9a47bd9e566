package operator

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// maxBlockedOfPeer is how many blocked addresses another instance is asked for, those tried
// last: more might not fit in peers.MaxAnswer.
const maxBlockedOfPeer = 25_000

// blockedTold is what another instance answers.
type blockedTold struct {
	Blocked  list[blockedEntry] `json:"blocked"`
	Degraded bool               `json:"degraded"`
	LeftOut  int                `json:"left_out"`
	// Running is told to other instances alone; 0 where an instance does not say it.
	Running int `json:"running_seconds"`
}

// A blockedEntry is an address, or a network that counts as one, that is blocked there.
type blockedEntry struct {
	Subject      subject      `json:"ip"`
	Reasons      list[string] `json:"reasons"`
	FirstBlocked moment       `json:"first_blocked"`
	LastTried    moment       `json:"last_tried"`
	ClearsIn     int          `json:"clears_in_seconds"` // 0 for null: without end
	Attempts     uint64       `json:"attempts"`
}

// A subject is an address, or a network in CIDR form.
type subject struct{ netip.Prefix }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *subject) UnmarshalText(text []byte) (err error) {
	var ok bool
	if s.Prefix, ok = velocity.ParseNetwork(string(text)); !ok {
		err = errors.New("expected an address or a network")
	}
	return err
}

// merge adds who is blocked at another instance. An address that both know is blocked for the
// reasons of both, until it is at neither, and has made the attempts of both. What the plan
// counts as no subject, such as half of all addresses, is left out, and so is what is blocked
// for no reason.
func (v *blockedView) merge(other *blockedTold, plan *velocity.Plan) {
	at := make(map[netip.Prefix]int, len(v.Blocked))
	for i := range v.Blocked {
		at[v.Blocked[i].Subject] = i
	}
	v.Degraded = v.Degraded || other.Degraded
	v.LeftOut += min(max(0, other.LeftOut), recent.MaxBlocked)
	for i := range other.Blocked[:min(len(other.Blocked), maxBlockedOfPeer)] {
		e := &other.Blocked[i]
		reasons := reasonsTold(e.Reasons)
		if !e.Subject.IsValid() || e.Subject.Prefix != plan.AddressSubject(e.Subject.Addr()) || len(reasons) == 0 {
			continue
		}
		next := recent.BlockedAddress{
			Subject: e.Subject.Prefix, Reasons: reasons, FirstBlocked: velocity.TimeOf(e.FirstBlocked.Time), Tried: velocity.TimeOf(e.LastTried.Time),
			ClearsIn: max(0, e.ClearsIn), Attempts: e.Attempts,
		}
		known, found := at[next.Subject]
		if !found {
			at[next.Subject] = len(v.Blocked)
			v.Blocked = append(v.Blocked, next)
			continue
		}
		own := &v.Blocked[known]
		own.FirstBlocked, own.Tried, own.Attempts = min(own.FirstBlocked, next.FirstBlocked), max(own.Tried, next.Tried), own.Attempts+next.Attempts
		if own.ClearsIn != 0 && (next.ClearsIn == 0 || next.ClearsIn > own.ClearsIn) {
			own.ClearsIn = next.ClearsIn
		}
		own.Reasons = slices.Clone(own.Reasons) // others may have the same memory
		for _, reason := range next.Reasons {
			if len(own.Reasons) < maxReasonsTold && !slices.Contains(own.Reasons, reason) {
				own.Reasons = append(own.Reasons, reason)
			}
		}
	}
}

// ofAllBlocked adds who is blocked at the peers, at most limit in all.
func (a *API) ofAllBlocked(q *door.Request, view *blockedView, limit int, scopeThis bool) {
	others, unreachable := ofAll[blockedTold](a, q, blockedPath, fmt.Appendf(nil, "limit=%d", min(limit, maxBlockedOfPeer)), scopeThis)
	view.Unreachable = unreachable
	if len(others) == 0 {
		return
	}
	view.Blocked = slices.Clone(view.Blocked) // those who ask at the same time have the same list
	for i := range others {
		view.merge(&others[i].said, a.Checker.Plan())
		running := time.Duration(max(0, min(others[i].said.Running, 1<<31))) * time.Second
		if view.youngest.instance == "" || running < view.youngest.running {
			view.youngest = youngest{others[i].instance, running}
		}
	}
	slices.SortStableFunc(view.Blocked, func(x, y recent.BlockedAddress) int { return cmp.Compare(y.Tried, x.Tried) })
	view.Blocked = view.Blocked[:min(limit, len(view.Blocked))]
}

// withoutAllowed takes out what an override allows, at this instance or another: where
// each has records of its own, what one lets go another may block.
func (a *API) withoutAllowed(q *door.Request, view *blockedView, scopeThis bool, now velocity.Time) {
	if a.Peers == nil {
		return
	}
	allowed := make(map[string]bool)
	for _, o := range a.Checker.Overrides(now) {
		allowed[o.Subject] = allowed[o.Subject] || o.Override.Outcome == velocity.Allow
	}
	others, unreachable := ofAll[overrides](a, q, overridesPath, nil, scopeThis)
	for i := range others {
		for _, o := range others[i].said.Overrides {
			if !o.judge() {
				continue
			}
			allowed[o.Subject] = allowed[o.Subject] || o.Decision == velocity.Allow.String()
		}
	}
	view.Unreachable = unreachable
	view.Blocked = slices.DeleteFunc(slices.Clone(view.Blocked), func(b recent.BlockedAddress) bool {
		return allowed[string(appendSubject(nil, b.Subject))]
	})
}
