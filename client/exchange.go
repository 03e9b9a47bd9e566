package fraudcheck

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"syscall"
	"time"
)

// A Cause says why there was no answer.
type Cause string

// The causes.
const (
	Timeout      Cause = "timeout"     // no whole answer in time
	NoConnection Cause = "connection"  // not found, refused, or broken
	Unavailable  Cause = "unavailable" // the service says so: 408, 429, 5xx
	Refused      Cause = "fault"       // the integration is wrong; see Fault
	BadAnswer    Cause = "answer"      // not an answer of fraudcheck
	Cancelled    Cause = "cancelled"   // the caller's context ended
)

// A Failure is the error of a check without an answer.
type Failure struct{ Cause Cause }

// Error says the cause, and nothing of the attempt.
func (f *Failure) Error() string { return "fraudcheck: no answer: " + string(f.Cause) }

// A Fault is a request that the service refused because the integration is wrong: a
// status 3xx, or 4xx but 408 and 429; or a certificate that cannot be verified. It stays
// until somebody mends it, and meanwhile every check fails open.
type Fault struct {
	Path      string // /v1/check or /v1/outcomes
	Status    int    // of HTTP; 0 for the certificate
	Code      string // the service's, such as credentials_invalid; empty where it gave none
	Field     string // of the request, where one is at fault
	RequestID string // the service's, which its log shows
}

// String describes the fault in a line.
func (f Fault) String() string {
	return fmt.Sprintf("fraudcheck: this integration is wrong, nothing is checked: %s: status %d, code %q, field %q, request %q",
		f.Path, f.Status, f.Code, f.Field, f.RequestID)
}

// exchange posts the value as JSON, a second time where the connection broke early, and
// returns the body of an answer with the status expected. ctx ends after timeout.
func (c *Client) exchange(ctx context.Context, path string, v any, timeout time.Duration, expected int) ([]byte, Cause) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, BadAnswer // cannot be: strings, integers and a time
	}
	begin := time.Now()
	status, answer, err := c.post(ctx, path, body, c.kept())
	if isBroken(err) && time.Since(begin) < timeout*6/10 && ctx.Err() == nil {
		c.counted.retries.Add(1)
		// On a new connection: others that were kept may have ended too.
		status, answer, err = c.post(ctx, path, body, nil)
	}
	var certificate *tls.CertificateVerificationError
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return nil, Cancelled
	case errors.As(err, &certificate):
		c.fault(Fault{Path: path, Code: "certificate"})
		return nil, Refused
	case err != nil:
		return nil, causeOf(err)
	case status == expected:
		return answer, ""
	case status == 408 || status == 429 || status >= 500:
		return nil, Unavailable
	case status >= 300:
		c.fault(faultOf(path, status, answer))
		return nil, Refused
	default:
		return nil, BadAnswer
	}
}

// errBroken is a connection that ended before the whole answer.
var errBroken = errors.New("the connection broke")

func isBroken(err error) bool {
	return errors.Is(err, errBroken) || errors.Is(err, syscall.ECONNREFUSED)
}

func causeOf(err error) Cause {
	var network net.Error
	var operation *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	case isBroken(err), errors.As(err, &operation):
		return NoConnection
	default:
		return BadAnswer
	}
}

// What a code, a field and a request id of the service look like. Anything else is not
// shown: it might repeat what the shopper typed.
var (
	codeForm  = regexp.MustCompile(`^[a-z_]{1,40}$`)
	fieldForm = regexp.MustCompile(`^[a-z_]{1,20}[0-9]?$`)
	idForm    = regexp.MustCompile(`^[0-9A-Z]{26}$`)
)

// faultOf reads a problem (RFC 9457) of the service.
func faultOf(path string, status int, answer []byte) Fault {
	p := struct {
		Code, Field string
		RequestID   string `json:"request_id"`
	}{}
	_ = json.NewDecoder(bytes.NewReader(answer)).Decode(&p) // another server's answer says nothing
	shown := func(text string, form *regexp.Regexp) string {
		if !form.MatchString(text) {
			return ""
		}
		return text
	}
	return Fault{Path: path, Status: status, Code: shown(p.Code, codeForm), Field: shown(p.Field, fieldForm), RequestID: shown(p.RequestID, idForm)}
}

// fault reports a fault in a goroutine of its own: the shopper does not wait for it, and
// it cannot end the process.
func (c *Client) fault(f Fault) {
	c.counted.faults.Add(1)
	go func() {
		defer func() { _ = recover() }()
		c.options.OnFault(f)
	}()
}
