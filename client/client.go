// Package fraudcheck asks a fraudcheck service, before a card is charged, whether the
// shopper's IP address is testing stolen cards.
//
//	c, err := fraudcheck.New(fraudcheck.Options{URL: "http://127.0.0.1:8080", Username: "checkout", Password: password})
//	...
//	result, err := c.Check(ctx, fraudcheck.Attempt{IP: ip, Last4: "4242", ExpMonth: 12, ExpYear: 2030})
//	if result.Decision == fraudcheck.Block {
//		// do not charge
//	}
//
// # Policy
//
// A check takes 100 ms at most, for connecting, the answer and a retry together. It is
// sent a second time, with the same attempt_id, when the connection was refused or broke
// within the first 60 ms; the usual reason is a kept connection that the service had
// closed. It is not sent again after a time-out or an answer of any status.
//
// Without an answer of the service, Options.OnFailure decides; Result.Source then says
// [FailedOpen]. What the service refuses because the integration is wrong, such as a
// wrong password, goes to Options.OnFault as well: such an integration protects nothing.
//
// Outcomes are delivered in the background.
//
// # Privacy
//
// Neither errors nor [Fault] nor counters hold anything of the shopper. The package logs
// nothing but faults, and those only where Options.OnFault is nil.
package fraudcheck

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Options are the settings of a client. Only URL is required.
type Options struct {
	// URL of the callers' port: http://host:port, https://host:port, or unix:/path of its
	// socket. It holds no credentials.
	URL                string
	Username, Password string
	// Token returns a bearer token, in place of a user name and password. It is called for
	// every request and must return at once.
	Token func() string
	// TLS is for https; nil verifies the service's certificate by the system's roots.
	TLS *tls.Config
	// OnFailure says what a check without an answer returns; the default is FailAllow.
	OnFailure Policy
	// OnFault is called, in a goroutine of its own, for every fault of the integration. Wake
	// an engineer. nil writes the fault to slog's default logger.
	OnFault func(Fault)
	// Timeout is the longest that a check takes; 0 is 100 ms. A retry begins in the first
	// 60 % of it.
	Timeout time.Duration
}

// A Decision says what to do with an attempt.
type Decision string

// The decisions.
const (
	Allow  Decision = "allow"  // charge
	Review Decision = "review" // charge with a second factor
	Block  Decision = "block"  // do not charge
)

// A Policy says what a check without an answer returns.
type Policy string

// The policies.
const (
	FailAllow  Policy = "allow"
	FailReview Policy = "review"
	FailError  Policy = "error" // Check returns a *Failure
)

// An Attempt is one presentation of a card. The service's documentation says which fields
// are required; the zero value of a field means that it is absent.
type Attempt struct {
	IP        string `json:"ip,omitempty"`         // the shopper's
	NoIP      string `json:"no_ip,omitempty"`      // renewal, phone or unknown, in place of IP
	Card      string `json:"card,omitempty"`       // later: not known before the charge; now, with an outcome: known since the check
	Last4     string `json:"last4,omitempty"`      // the card's last four digits, never more
	ExpMonth  int    `json:"exp_month,omitempty"`  // 1 to 12
	ExpYear   int    `json:"exp_year,omitempty"`   // two digits, or 2000 to 2099
	Expiry    string `json:"expiry,omitempty"`     // 12/30, 2030-12, ..., in place of month and year
	CardID    string `json:"card_id,omitempty"`    // the payment provider's fingerprint of the card
	AttemptID string `json:"attempt_id,omitempty"` // one per press of Pay, of 128 characters at most; made up where it is empty
	Email     string `json:"email,omitempty"`      // of this and the next three the first 256 characters count
	Device    string `json:"device,omitempty"`
	Cart      string `json:"cart,omitempty"`
	Account   string `json:"account,omitempty"`
}

// A Result is the decision on an attempt, and where it comes from.
type Result struct {
	Decision  Decision
	Source    Source
	Cause     Cause    // why the service gave no answer; empty with Service
	Reasons   []string // the rules that decided
	Rules     []Rule   // what each rule found
	Degraded  bool     // the service decided without its shared store
	AttemptID string   // send it with the outcome
}

// A Rule is what a rule of the service found.
type Rule struct {
	Name            string `json:"name"`
	Outcome         string `json:"outcome"` // allow, review or block
	Mode            string `json:"mode"`    // enforce or shadow
	Count           int    `json:"count"`
	ReviewOver      int    `json:"review_over"`
	BlockOver       int    `json:"block_over"`
	WindowSeconds   int    `json:"window_seconds"`
	ClearsInSeconds int    `json:"clears_in_seconds"`
}

// A Source is where a decision comes from.
type Source string

// The sources.
const (
	Service    Source = "service"
	FailedOpen Source = "failed_open" // the client's policy: there was no answer
)

// A Client asks one service. It may be used from many goroutines at once; a process needs
// one.
type Client struct {
	options     Options
	network     string // tcp or unix
	address     string
	tls         *tls.Config // nil for http
	base        string      // the URL before /v1/
	basic       string      // the value of Authorization, where there is a user
	connections pool
	outcomes    *queue
	counted     counted
}

// New returns a client. It does not connect yet.
func New(o Options) (*Client, error) {
	switch o.OnFailure {
	case "":
		o.OnFailure = FailAllow
	case FailAllow, FailReview, FailError:
	default:
		return nil, errors.New("fraudcheck: OnFailure: expected allow, review or error")
	}
	if o.Timeout == 0 {
		o.Timeout = 100 * time.Millisecond
	}
	if o.OnFault == nil {
		o.OnFault = func(f Fault) { slog.Error(f.String()) }
	}
	c := &Client{options: o, outcomes: newQueue()}
	if o.Username != "" {
		c.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(o.Username+":"+o.Password))
	}
	if err := c.reach(o.URL); err != nil {
		return nil, err
	}
	go c.deliver()
	return c, nil
}

// Check asks the service about an attempt. The error is nil but with FailError, where it
// is a *[Failure].
func (c *Client) Check(ctx context.Context, a Attempt) (Result, error) {
	a = a.acceptable()
	c.counted.checks.Add(1)
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	body, cause := c.exchange(ctx, "/v1/check", a, c.options.Timeout, http.StatusOK)
	r := Result{}
	if cause == "" {
		r, cause = readResult(body)
	}
	r.AttemptID = a.AttemptID
	if cause == "" {
		c.counted.answered.Add(1)
		return r, nil
	}
	c.counted.failedOpen.Add(1)
	r = Result{Decision: Decision(c.options.OnFailure), Source: FailedOpen, Cause: cause, AttemptID: a.AttemptID}
	if c.options.OnFailure == FailError {
		r.Decision = ""
		return r, &Failure{Cause: cause}
	}
	return r, nil
}

// readResult reads the answer to a check. Fields that it does not know are passed over; a
// decision that it does not know is no answer.
func readResult(body []byte) (Result, Cause) {
	r := Result{Source: Service}
	fields := map[string]json.RawMessage{} // unlike a struct, it tells small letters from capitals
	if json.Unmarshal(body, &fields) != nil {
		return r, BadAnswer
	}
	for name, to := range map[string]any{"decision": &r.Decision, "reasons": &r.Reasons, "rules": &r.Rules, "degraded": &r.Degraded} {
		if text, there := fields[name]; there && json.Unmarshal(text, to) != nil {
			return r, BadAnswer
		}
	}
	switch r.Decision {
	case Allow, Review, Block:
		return r, ""
	default:
		return r, BadAnswer
	}
}

// idOf returns the id, or a new one in place of none.
func idOf(id string) string {
	if id != "" {
		return id
	}
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
