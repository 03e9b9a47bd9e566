package fraudcheck_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	fraudcheck "fraudcheck/client"
	"fraudcheck/client/fraudchecktest"
)

// patient is a time limit that a loaded machine keeps, where a test is not about time.
const patient = 10 * time.Second

var card = fraudcheck.Attempt{IP: "203.0.113.7", Last4: "4242", ExpMonth: 12, ExpYear: 2030, Email: "eva@example.com"}

// fake starts a fake service and a client of it; options may be changed before.
func fake(t *testing.T, change func(*fraudcheck.Options)) (*fraudchecktest.Server, *fraudcheck.Client) {
	t.Helper()
	s := fraudchecktest.New()
	t.Cleanup(s.Close)
	o := fraudcheck.Options{URL: s.URL, Username: "checkout", Password: "secret", Timeout: patient}
	if change != nil {
		change(&o)
	}
	return s, open(t, o)
}

func open(t *testing.T, o fraudcheck.Options) *fraudcheck.Client {
	t.Helper()
	c, err := fraudcheck.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		c.Close(ended)
	})
	return c
}

func check(t *testing.T, c *fraudcheck.Client) fraudcheck.Result {
	t.Helper()
	r, err := c.Check(t.Context(), card)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// within waits until the condition holds.
func within(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for late := time.After(patient); !condition(); {
		select {
		case <-late:
			t.Fatal("it does not come to be: " + what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestADecisionOfTheServiceIsReturned(t *testing.T) {
	s, c := fake(t, nil)
	s.Script(fraudchecktest.Reply{}, fraudchecktest.Reply{Decision: "review", Reasons: []string{"cards_per_ip"}}, fraudchecktest.Reply{Decision: "block"},
		fraudchecktest.Reply{Body: `{"decision":"block","reasons":["a"],"rules":[{"name":"a","outcome":"block","mode":"enforce","count":6,"review_over":3,"block_over":5,
			"window_seconds":3600,"clears_in_seconds":9,"later":true}],"degraded":true,"attempt_id":"x","later":{"version":2}}`})
	for _, want := range []fraudcheck.Decision{fraudcheck.Allow, fraudcheck.Review, fraudcheck.Block} {
		r := check(t, c)
		expect(t, "decision", r.Decision, want)
		expect(t, "source", r.Source, fraudcheck.Service)
		expect(t, "cause", r.Cause, fraudcheck.Cause(""))
		expect(t, "degraded", r.Degraded, false)
	}
	r := check(t, c)
	expect(t, "rules", fmt.Sprint(r.Rules), "[{a block enforce 6 3 5 3600 9}]")
	expect(t, "reasons", fmt.Sprint(r.Reasons), "[a]")
	expect(t, "degraded", r.Degraded, true)
	got := s.Requests()
	expect(t, "requests", len(got), 4)
	expect(t, "the fields", fmt.Sprint(got[0].Fields), "map[attempt_id:"+got[0].AttemptID()+" email:eva@example.com exp_month:12 exp_year:2030 ip:203.0.113.7 last4:4242]")
	expect(t, "authorization", got[0].Authorization, "Basic Y2hlY2tvdXQ6c2VjcmV0")
	expect(t, "the connection is kept", got[3].Reused, true)
	expect(t, "attempt_id", r.AttemptID, got[3].AttemptID())
	if got[0].AttemptID() == got[1].AttemptID() || got[0].AttemptID() == "" {
		t.Error("two attempts have one attempt_id, or none")
	}
	expect(t, "counters", c.Counters(), fraudcheck.Counters{Checks: 4, Answered: 4})
}

// What goes wrong with an answer, why there is none then, and how many requests are made.
var faults = map[fraudchecktest.Fault]struct {
	cause    fraudcheck.Cause
	requests int
}{
	fraudchecktest.Hang:       {fraudcheck.Timeout, 1},
	fraudchecktest.Drop:       {fraudcheck.NoConnection, 2},
	fraudchecktest.Reset:      {fraudcheck.NoConnection, 2},
	fraudchecktest.Half:       {fraudcheck.NoConnection, 2},
	fraudchecktest.Stall:      {fraudcheck.Timeout, 1},
	fraudchecktest.Trickle:    {fraudcheck.Timeout, 1},
	fraudchecktest.Endless:    {fraudcheck.BadAnswer, 1},
	fraudchecktest.CloseAfter: {"", 1},
}

func TestNoFaultKeepsAShopperWaiting(t *testing.T) {
	for _, fault := range fraudchecktest.Faults() {
		want, known := faults[fault]
		if !known {
			t.Errorf("what is expected of %s?", fault)
		}
		t.Run(fault.String(), func(t *testing.T) {
			s, c := fake(t, func(o *fraudcheck.Options) {
				if want.cause == fraudcheck.Timeout {
					o.Timeout = 0
				}
			})
			s.Standing(fraudchecktest.Reply{Decision: "block", Fault: fault})
			begin := time.Now()
			r := check(t, c)
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it took %s", took)
			}
			expect(t, "cause", r.Cause, want.cause)
			got := s.Requests()
			expect(t, "requests", len(got), want.requests)
			expect(t, "all with one attempt_id", got[len(got)-1].AttemptID(), r.AttemptID)
			expect(t, "all with one attempt_id", got[0].AttemptID(), r.AttemptID)
			if want.cause == "" {
				expect(t, "decision", r.Decision, fraudcheck.Block)
				return
			}
			expect(t, "decision", r.Decision, fraudcheck.Allow)
			expect(t, "source", r.Source, fraudcheck.FailedOpen)
			expect(t, "counters", c.Counters(), fraudcheck.Counters{Checks: 1, FailedOpen: 1, Retries: uint64(want.requests - 1)})
		})
	}
}

func TestARetryIsAnswered(t *testing.T) {
	for _, fault := range []fraudchecktest.Fault{fraudchecktest.Drop, fraudchecktest.Reset, fraudchecktest.Half} {
		s, c := fake(t, nil)
		s.Script(fraudchecktest.Reply{}, fraudchecktest.Reply{Fault: fault}, fraudchecktest.Reply{Decision: "block"})
		check(t, c)
		r := check(t, c)
		expect(t, fault.String(), r.Decision, fraudcheck.Block)
		expect(t, "retries", c.Counters().Retries, uint64(1))
		got := s.Requests()
		expect(t, "one attempt_id", got[1].AttemptID(), got[2].AttemptID())
	}
}

func TestAKeptConnectionThatTheServiceClosedCostsNothing(t *testing.T) {
	s, c := fake(t, nil)
	for range 20 {
		expect(t, "source", check(t, c).Source, fraudcheck.Service)
		s.CloseIdle()
	}
	s.Standing(fraudchecktest.Reply{Fault: fraudchecktest.CloseAfter})
	for range 20 {
		expect(t, "source", check(t, c).Source, fraudcheck.Service)
	}
	expect(t, "requests", len(s.Requests()), 40) // a request that met a closed connection was never read
}

func TestARetryBeginsInTime(t *testing.T) {
	s, c := fake(t, func(o *fraudcheck.Options) { o.Timeout = 500 * time.Millisecond })
	s.Standing(fraudchecktest.Reply{Fault: fraudchecktest.Drop, Delay: 300 * time.Millisecond})
	expect(t, "cause", check(t, c).Cause, fraudcheck.NoConnection)
	expect(t, "requests", len(s.Requests()), 1)
}

func TestAPortThatRefusesIsAskedTwice(t *testing.T) {
	s, c := fake(t, nil)
	check(t, c)
	s.Refuse()
	r := check(t, c)
	expect(t, "cause", r.Cause, fraudcheck.NoConnection)
	expect(t, "retries", c.Counters().Retries, uint64(1))
	s.Accept()
	expect(t, "source", check(t, c).Source, fraudcheck.Service)
}

func TestWhatTheServiceRefusesIsNotAskedAgain(t *testing.T) {
	for _, status := range []int{301, 307, 308, 400, 401, 403, 404, 405, 408, 413, 415, 417, 429, 431, 500, 501, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			faults := make(chan fraudcheck.Fault, 9)
			s, c := fake(t, func(o *fraudcheck.Options) { o.OnFault = func(f fraudcheck.Fault) { faults <- f } })
			s.Standing(fraudchecktest.Reply{Status: status, Code: "field_invalid", Field: "exp_month"})
			r := check(t, c)
			expect(t, "decision", r.Decision, fraudcheck.Allow)
			expect(t, "source", r.Source, fraudcheck.FailedOpen)
			expect(t, "requests", len(s.Requests()), 1)
			if status >= 500 || status == 408 || status == 429 {
				expect(t, "cause", r.Cause, fraudcheck.Unavailable)
				expect(t, "faults", c.Counters().Faults, uint64(0))
				return
			}
			expect(t, "cause", r.Cause, fraudcheck.Refused)
			expect(t, "faults", c.Counters().Faults, uint64(1))
			f := <-faults
			expect(t, "fault", f, fraudcheck.Fault{Path: "/v1/check", Status: status, Code: "field_invalid", Field: "exp_month", RequestID: f.RequestID})
			expect(t, "request id", len(f.RequestID), 26)
		})
	}
}

func TestAHookThatPanicsOrWaitsHurtsNobody(t *testing.T) {
	s, c := fake(t, func(o *fraudcheck.Options) { o.OnFault = func(fraudcheck.Fault) { panic("hook") } })
	s.Standing(fraudchecktest.Reply{Status: 401})
	expect(t, "cause", check(t, c).Cause, fraudcheck.Refused)
	hung := make(chan struct{})
	defer close(hung)
	s, c = fake(t, func(o *fraudcheck.Options) { o.OnFault = func(fraudcheck.Fault) { <-hung } })
	s.Standing(fraudchecktest.Reply{Status: 401})
	expect(t, "cause", check(t, c).Cause, fraudcheck.Refused)
}

// Answers that are none.
var lies = []string{
	"<html>welcome</html>", "null", "[]", `"allow"`, "{}", `{"decision":"ALLOW"}`, `{"decision":"approve"}`, `{"decision":1}`, `{"decision":["allow"]}`, `{"decision":null}`,
	`{"Decision":"allow"}`, `{"decision":"allow"`, `{"decision":"allow"} {}`, `{"decision":"allow","reasons":"none"}`, `{"decision":"allow","reasons":[1]}`,
	`{"decision":"allow","degraded":"no"}`, `{"decision":"allow","rules":{}}`, `{"decision":"allow","rules":[7]}`, "\x00\xff", strings.Repeat("[", 60000),
	`{"decision":"allow","later":"` + strings.Repeat("x", 70000) + `"}`,
}

func TestALyingAnswerFailsOpen(t *testing.T) {
	s, c := fake(t, func(o *fraudcheck.Options) { o.OnFailure = fraudcheck.FailReview })
	for _, lie := range lies {
		s.Script(fraudchecktest.Reply{Body: lie})
		r := check(t, c)
		what := lie[:min(len(lie), 50)]
		expect(t, what, r.Cause, fraudcheck.BadAnswer)
		expect(t, what, r.Decision, fraudcheck.Review)
		expect(t, what, fmt.Sprint(r.Reasons, r.Rules, r.Degraded), "[] [] false")
	}
	for _, status := range []int{201, 202, 204, 206} {
		s.Forward(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				_, _ = w.Write([]byte(`{"decision":"allow"}`))
			}
		}))
		expect(t, fmt.Sprint(status), check(t, c).Cause, fraudcheck.BadAnswer)
	}
	expect(t, "requests", len(s.Requests()), len(lies)+4)
}

func TestWhatIsNotHTTPFailsOpen(t *testing.T) {
	for _, text := range []string{"\x00\x01\x02\x03", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\n\tfold\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 4096))
				_, _ = c.Write([]byte(text))
				_ = c.Close()
			}
		}()
		r := check(t, open(t, fraudcheck.Options{URL: "http://" + ln.Addr().String(), Timeout: patient}))
		expect(t, text, r.Source, fraudcheck.FailedOpen)
	}
}

func TestThePolicyDecidesWithoutAnAnswer(t *testing.T) {
	for policy, want := range map[fraudcheck.Policy]fraudcheck.Decision{"": fraudcheck.Allow, fraudcheck.FailAllow: fraudcheck.Allow, fraudcheck.FailReview: fraudcheck.Review, fraudcheck.FailError: ""} {
		s, c := fake(t, func(o *fraudcheck.Options) { o.OnFailure = policy })
		s.Standing(fraudchecktest.Reply{Status: 503})
		r, err := c.Check(t.Context(), card)
		expect(t, "decision", r.Decision, want)
		expect(t, "source", r.Source, fraudcheck.FailedOpen)
		var failure *fraudcheck.Failure
		expect(t, "an error", errors.As(err, &failure), policy == fraudcheck.FailError)
		if failure != nil {
			expect(t, "cause", failure.Cause, fraudcheck.Unavailable)
		}
	}
}

func TestACallerMayCancel(t *testing.T) {
	s, c := fake(t, nil)
	s.Standing(fraudchecktest.Reply{Fault: fraudchecktest.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		within(t, "a request", func() bool { return len(s.Requests()) == 1 })
		cancel()
	}()
	r, err := c.Check(ctx, card)
	expect(t, "error", err, nil)
	expect(t, "cause", r.Cause, fraudcheck.Cancelled)
}

func TestOptionsAreVerified(t *testing.T) {
	for _, o := range []fraudcheck.Options{{}, {URL: "127.0.0.1:8080"}, {URL: "ftp://a"}, {URL: "http://"}, {URL: "http://u:p@127.0.0.1"}, {URL: "http://a?b=c"}, {URL: "http://a", OnFailure: "block"}} {
		c, err := fraudcheck.New(o)
		if c != nil || err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%+v: %v", o.URL, err)
		}
	}
}

func TestATokenIsAskedForWithEveryRequest(t *testing.T) {
	n := 0
	s, c := fake(t, func(o *fraudcheck.Options) {
		o.Username, o.Token = "", func() string { n++; return fmt.Sprint("token-", n) }
	})
	check(t, c)
	check(t, c)
	expect(t, "authorization", s.Requests()[1].Authorization, "Bearer token-2")
}

func TestAUnixSocketIsAsked(t *testing.T) {
	s, _ := fake(t, nil)
	path := filepath.Join(t.TempDir(), "check.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		expect(t, "path", r.URL.Path, "/v1/check")
		_, _ = w.Write([]byte(`{"decision":"block"}`))
	})}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	expect(t, "decision", check(t, open(t, fraudcheck.Options{URL: "unix:" + path, Timeout: patient})).Decision, fraudcheck.Block)
	expect(t, "nothing else was asked", len(s.Requests()), 0)
}

func TestTheCertificateIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"decision":"block"}`))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	faults := make(chan fraudcheck.Fault, 1)
	c := open(t, fraudcheck.Options{URL: s.URL, Timeout: patient, OnFault: func(f fraudcheck.Fault) { faults <- f }})
	expect(t, "cause", check(t, c).Cause, fraudcheck.Refused)
	expect(t, "fault", <-faults, fraudcheck.Fault{Path: "/v1/check", Code: "certificate"})

	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c = open(t, fraudcheck.Options{URL: s.URL, Timeout: patient, TLS: &tls.Config{RootCAs: roots}})
	expect(t, "decision", check(t, c).Decision, fraudcheck.Block)
}

// Whatever is answered, nothing of the shopper or the credentials gets into what a shop
// may log.
func TestNothingOfTheShopperIsShown(t *testing.T) {
	secrets := []string{"203.0.113", "4242", "eva@", "2030", "secret", "Y2hlY2tvdXQ6c2VjcmV0"}
	mu, shown := sync.Mutex{}, []string{}
	s, c := fake(t, func(o *fraudcheck.Options) {
		o.OnFailure = fraudcheck.FailError
		o.OnFault = func(f fraudcheck.Fault) {
			mu.Lock()
			defer mu.Unlock()
			shown = append(shown, f.String(), fmt.Sprintf("%+v", f))
		}
	})
	echo := strings.Join(secrets, "_")
	s.Forward(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/"+echo)
		w.WriteHeader(400)
		_, _ = fmt.Fprintf(w, `{"code":%q,"field":%q,"request_id":%q,"detail":%q}`, echo, echo, echo, echo)
	}))
	const n = 20
	for i := range n {
		if i >= n/2 {
			s.Script(fraudchecktest.Reply{Fault: fraudchecktest.Drop}, fraudchecktest.Reply{Fault: fraudchecktest.Drop})
		}
		_, err := c.Check(t.Context(), card)
		mu.Lock()
		shown = append(shown, err.Error(), fmt.Sprintf("%+v", err))
		mu.Unlock()
	}
	within(t, "all faults are shown", func() bool { mu.Lock(); defer mu.Unlock(); return len(shown) == n*2+n/2*2 })
	for _, text := range append(shown, fmt.Sprintf("%+v", c.Counters())) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
}

func TestManyCallersShareAClient(t *testing.T) {
	s, c := fake(t, nil)
	s.Standing(fraudchecktest.Reply{Delay: time.Millisecond})
	var callers sync.WaitGroup
	for range 16 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for range 20 {
				if r, _ := c.Check(t.Context(), card); r.Source != fraudcheck.Service {
					t.Errorf("%+v", r)
				}
			}
		}()
	}
	callers.Wait()
	fresh := 0
	ids := []string{}
	for _, r := range s.Requests() {
		ids = append(ids, r.AttemptID())
		if !r.Reused {
			fresh++
		}
	}
	slices.Sort(ids)
	expect(t, "attempts", len(slices.Compact(ids)), 16*20)
	if fresh > 32 {
		t.Errorf("%d connections for 16 callers", fresh)
	}
}
