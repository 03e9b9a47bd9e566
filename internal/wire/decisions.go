package wire

import (
	"fraudcheck/internal/velocity"
)

// A ListedDecision is a decision as lists and streams of decisions show it, in JSON.
type ListedDecision struct {
	Time      string       `json:"time"` // RFC 3339, UTC, to the millisecond
	Instance  string       `json:"instance"`
	IP        *string      `json:"ip"`   // null: no_ip was sent
	Card      *string      `json:"card"` // null: not known
	Decision  string       `json:"decision"`
	Reasons   []string     `json:"reasons"`
	Rules     []ListedRule `json:"rules"`
	Degraded  bool         `json:"degraded"`
	Caller    string       `json:"caller"`
	Attempt   string       `json:"attempt"`
	RequestID string       `json:"request_id"`
	More      int          `json:"more,omitempty"` // decisions on the IP address without an entry
}

// A ListedRule is what one rule found.
type ListedRule struct {
	Name    string        `json:"name"`
	Outcome string        `json:"outcome"`
	Mode    velocity.Mode `json:"mode"`
	Count   int           `json:"count"`
}

// TimeForm is the form of times in answers, for [time.Time.Format] in UTC.
const TimeForm = "2006-01-02T15:04:05.000Z07:00"
