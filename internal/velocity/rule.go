package velocity

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The limits of a rule's settings.
const (
	MinWindow    = time.Second
	MaxWindow    = 720 * time.Hour
	MaxHold      = 720 * time.Hour
	MaxBlockOver = 4096
)

// A Retention says when an element leaves its list, as the configuration spells it.
type Retention string

const (
	// Sliding: each element leaves one window after it was last seen.
	Sliding Retention = "sliding"
	// Idle: all elements stay until none was added or refreshed for a whole window.
	Idle Retention = "idle"
)

// A Mode says whether a rule takes part in the decision, as the configuration spells it.
type Mode string

const (
	// Enforce: the rule's outcome counts for the decision.
	Enforce Mode = "enforce"
	// Shadow: recorded, evaluated and reported, without effect on the decision.
	Shadow Mode = "shadow"
)

// A Rule counts how many different elements a subject has shown within a window.
type Rule struct {
	Name       string        // [a-z0-9_]{1,40}, and no other reason of a decision
	Per        string        // the subject's name in the table of kinds, such as ip
	Count      string        // the element's name in the table of kinds, such as cards
	Window     time.Duration // whole seconds, MinWindow to MaxWindow
	ReviewOver int           // 0: no review stage; otherwise below BlockOver
	BlockOver  int           // 1 to MaxBlockOver
	Retention  Retention
	// Hold is for how long the rule blocks after the last attempt that it found over
	// BlockOver while it was enforced: whole seconds, 0 to MaxHold.
	Hold time.Duration
	Mode Mode
}

// DefaultRule counts the different cards that an address shows in a sliding hour: it
// reviews the fourth and blocks the sixth.
var DefaultRule = Rule{
	Name: "cards_per_ip", Per: "ip", Count: "cards", Window: time.Hour,
	ReviewOver: 3, BlockOver: 5, Retention: Sliding, Mode: Enforce,
}

// A RuleError names the setting that makes a rule invalid.
type RuleError struct {
	Index    int    // of the rule in the configuration, from 0
	Key      string // the setting, as the configuration spells it
	Expected string // what a valid setting is, as the end of "expected ..."
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("rules[%d].%s: expected %s", e.Index, e.Key, e.Expected)
}

// check returns the first setting of the rule that is not valid, and what is expected of
// it; "" where all are valid.
func (r *Rule) check() (key, expected string) {
	switch {
	case !isRuleName(r.Name):
		return "name", "1 to 40 characters of a-z, 0-9 and _"
	case slices.Contains(reservedNames, r.Name):
		return "name", "another name than override, list and store_failure, which are reasons that are no rule"
	case kindNamed(r.Per, subjectName) == nil:
		return "per", "one of " + strings.Join(kindNames(subjectName), ", ")
	case kindNamed(r.Count, elementName) == nil:
		return "count", "one of " + strings.Join(kindNames(elementName), ", ")
	case r.countsItself():
		return "count", "another element than the subject itself, such as cards or attempts"
	case r.Window < MinWindow || r.Window > MaxWindow || r.Window%time.Second != 0:
		return "window", "whole seconds from 1s to 720h"
	case r.BlockOver < 1 || r.BlockOver > MaxBlockOver:
		return "block_over", "a number from 1 to 4096"
	case r.ReviewOver < 0 || r.ReviewOver >= r.BlockOver:
		return "review_over", "0 for no review stage, or a number below block_over"
	case r.Retention != Sliding && r.Retention != Idle:
		return "retention", "sliding or idle"
	case r.Hold < 0 || r.Hold > MaxHold || r.Hold%time.Second != 0:
		return "hold", "whole seconds from 0s to 720h"
	case r.Mode != Enforce && r.Mode != Shadow:
		return "mode", "enforce or shadow"
	}
	return "", ""
}

// reservedNames are the reasons of a decision that are no rule's name.
var reservedNames = []string{"override", "list", "store_failure"}

func isRuleName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return 1 <= len(name) && len(name) <= 40
}

// countsItself reports whether the count is always 1: addresses per address, or cards
// per card.
func (r *Rule) countsItself() bool {
	return kindNamed(r.Per, subjectName).from == kindNamed(r.Count, elementName).from
}

// limit is the greatest count with the outcome allow.
func (r *Rule) limit() int {
	if r.ReviewOver > 0 {
		return r.ReviewOver
	}
	return r.BlockOver
}

func (r *Rule) outcome(count int) Outcome {
	switch {
	case count > r.BlockOver:
		return Block
	case r.ReviewOver > 0 && count > r.ReviewOver:
		return Review
	}
	return Allow
}

// Warnings says how the rule, though valid, can hurt an honest shopper. Most rules have
// none, nor has one with an unknown subject.
func (r *Rule) Warnings() (warnings []string) {
	subject := kindNamed(r.Per, subjectName)
	if subject == nil {
		return nil
	}
	if subject.warning != "" {
		warnings = append(warnings, subject.warning)
	}
	if subject.enforcedWarning != "" && r.Mode == Enforce {
		warnings = append(warnings, subject.enforcedWarning)
	}
	if r.Hold > 0 && r.Mode == Shadow {
		warnings = append(warnings, "has a hold that has no effect in mode: shadow: only an enforced rule begins one")
	}
	return warnings
}
