package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fraudcheck "fraudcheck/client"
)

// A command is what a shop does with its client; clients/shop.py lists them.
type command struct {
	Do      string            `json:"do"`
	Options *options          `json:"options,omitempty"`
	Fields  any               `json:"fields,omitempty"` // a map
	Bytes   map[string]string `json:"bytes,omitempty"`  // more fields, in hexadecimal digits: not all bytes are text
	MS      int               `json:"ms,omitempty"`
}

type options struct {
	URL      string `json:"url"`
	Password string `json:"password"`
	Policy   string `json:"policy"`
	MS       int    `json:"ms"`           // longest that a check takes
	CA       string `json:"ca,omitempty"` // a file of roots to verify with
}

// An answer is what the client returned, and how long it took.
type answer struct {
	Decision  string         `json:"decision"`
	Source    string         `json:"source"`
	Cause     string         `json:"cause"`
	AttemptID string         `json:"attempt_id"`
	Failure   string         `json:"failure"` // the text of the exception
	Counters  map[string]int `json:"counters"`
	Faults    []fault        `json:"faults"`
	MS        float64        `json:"ms"`
}

type fault struct {
	Path      string `json:"path"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Field     string `json:"field"`
	RequestID string `json:"request_id"`
}

// A shop carries out commands with the client of one language.
type shop func(t *testing.T, c command) answer

// shops are those of the languages that every run has; the tag verify adds others.
var shops = map[string]func(t *testing.T) shop{"Go": newGoShop}

// open makes the shop's client, with all settings: a shop has one at a time.
func (s shop) open(t *testing.T, o options) {
	t.Helper()
	if o.Password == "" {
		o.Password = "correct-horse-battery"
	}
	if o.Policy == "" {
		o.Policy = "allow"
	}
	s(t, command{Do: "new", Options: &o})
}

func (s shop) check(t *testing.T, fields map[string]string) answer {
	t.Helper()
	return s(t, command{Do: "check", Fields: fields})
}

func (s shop) counters(t *testing.T) map[string]int {
	t.Helper()
	return s(t, command{Do: "counters"}).Counters
}

// newGoShop is the shop whose client is ours for Go.
func newGoShop(t *testing.T) shop {
	var client *fraudcheck.Client
	var mu sync.Mutex
	var faults []fault
	closeNow := func(c context.Context) {
		if client != nil {
			client.Close(c)
		}
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		closeNow(ended)
	})
	return func(t *testing.T, c command) (a answer) {
		t.Helper()
		var attempt fraudcheck.Outcome
		text, err := json.Marshal(c.Fields)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &attempt))
		for name, digits := range c.Bytes {
			text, err := hex.DecodeString(digits)
			require.NoError(t, err)
			*map[string]*string{"email": &attempt.Email, "device": &attempt.Device, "cart": &attempt.Cart, "account": &attempt.Account, "attempt_id": &attempt.AttemptID}[name] = string(text)
		}
		begin := time.Now()
		switch c.Do {
		case "new":
			o := fraudcheck.Options{
				URL: c.Options.URL, Username: "checkout", Password: c.Options.Password, OnFailure: fraudcheck.Policy(c.Options.Policy),
				Timeout: time.Duration(c.Options.MS) * time.Millisecond,
				OnFault: func(f fraudcheck.Fault) {
					mu.Lock()
					defer mu.Unlock()
					faults = append(faults, fault(f))
				},
			}
			if c.Options.CA != "" {
				text, err := os.ReadFile(c.Options.CA)
				require.NoError(t, err)
				o.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
				o.TLS.RootCAs.AppendCertsFromPEM(text)
			}
			client, err = fraudcheck.New(o)
			require.NoError(t, err)
		case "check":
			r, err := client.Check(t.Context(), attempt.Attempt)
			a = answer{Decision: string(r.Decision), Source: string(r.Source), Cause: string(r.Cause), AttemptID: r.AttemptID}
			if failure := (*fraudcheck.Failure)(nil); errors.As(err, &failure) {
				a = answer{Failure: failure.Error(), Cause: string(failure.Cause)}
			}
		case "outcome":
			client.Outcome(attempt)
		case "counters":
			text, err := json.Marshal(client.Counters())
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &a.Counters))
		case "faults":
			mu.Lock()
			defer mu.Unlock()
			a.Faults = append(a.Faults, faults...)
		case "close":
			closeNow(t.Context())
		case "sleep":
			<-time.After(time.Duration(c.MS) * time.Millisecond)
		}
		a.MS = float64(time.Since(begin)) / float64(time.Millisecond)
		return a
	}
}
