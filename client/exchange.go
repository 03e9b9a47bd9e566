package fraudcheck

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxAnswer = 64 << 10         // bytes of an answer; the service's are below 16 KiB
	maxIdle   = 60 * time.Second // a kept connection; the service closes it after 75 s
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

// reach sets where the service is.
func (c *Client) reach(text string) error {
	dialer := net.Dialer{Timeout: outcomeTimeout}
	path, unix := strings.CutPrefix(text, "unix:")
	// No proxy of the environment: the service is near, and a shopper's data is not for it.
	c.transport = &http.Transport{
		TLSClientConfig: c.options.TLS, TLSHandshakeTimeout: outcomeTimeout, DisableCompression: true,
		MaxIdleConnsPerHost: 256, IdleConnTimeout: maxIdle, MaxResponseHeaderBytes: maxAnswer,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if unix {
				network, address = "unix", path
			}
			opened, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: opened}, nil
		},
	}
	if unix {
		c.base = "http://localhost"
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return errors.New("fraudcheck: URL: expected http://host:port, https://host:port or unix:/path, without credentials")
	}
	c.base = strings.TrimSuffix(u.String(), "/")
	return nil
}

// exchange posts the value as JSON, a second time where the connection broke early, and
// returns the body of an answer with the status expected. ctx ends after timeout.
func (c *Client) exchange(ctx context.Context, path string, v any, timeout time.Duration, expected int) ([]byte, Cause) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, BadAnswer // cannot be: strings, integers and a time
	}
	begin := time.Now()
	status, answer, err := c.post(ctx, path, body)
	if isBroken(err) && time.Since(begin) < timeout*6/10 && ctx.Err() == nil {
		c.counted.retries.Add(1)
		status, answer, err = c.post(ctx, path, body)
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
	case status == expected && len(answer) <= maxAnswer:
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

// post makes one request. It follows no redirect, which would show the shopper's data to
// others. Of the answer it reads one byte more than an answer may have.
func (c *Client) post(ctx context.Context, path string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.GetBody = nil // so that the transport sends nothing again by itself
	r.Header.Set("Content-Type", "application/json")
	if c.options.Token != nil {
		r.Header.Set("Authorization", "Bearer "+c.options.Token())
	} else if c.basic != "" {
		r.Header.Set("Authorization", c.basic)
	}
	var used *conn
	got, err := c.transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if t, ok := info.Conn.(*tls.Conn); ok {
			info.Conn = t.NetConn()
		}
		used = info.Conn.(*conn)
	}})))
	if err != nil && used != nil && used.ended.Load() {
		return 0, nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, nil, err
	}
	defer got.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(got.Body, maxAnswer+1))
	return got.StatusCode, answer, err
}

// A conn remembers that it ended: net/http takes a header that breaks off for a malformed
// one.
type conn struct {
	net.Conn
	ended atomic.Bool
}

// Read reads from the connection.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		c.ended.Store(true)
	}
	return n, err
}

// isBroken reports whether the connection was refused, or ended before the whole answer.
func isBroken(err error) bool {
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE} {
		if errors.Is(err, broken) {
			return true
		}
	}
	// net/http does not export this one: a kept connection ended as the request was sent.
	return err != nil && strings.Contains(err.Error(), "server closed idle connection")
}

func causeOf(err error) Cause {
	var network net.Error
	var operation *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &network) && network.Timeout():
		return Timeout
	case isBroken(err), errors.As(err, &operation), errors.As(err, &name):
		return NoConnection
	default:
		return BadAnswer
	}
}

// What a code, a field and a request id of the service look like. Anything else is not
// shown: whoever answered might repeat what the shopper typed.
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
	_ = json.Unmarshal(answer, &p) // another server's answer says nothing
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
