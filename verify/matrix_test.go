package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/client/fraudchecktest"
	"fraudcheck/internal/testbed"
)

// patient is a time limit in ms that a loaded machine keeps, where a test is not about
// time; usual is the one that clients have.
const (
	patient = 10_000
	usual   = 100
)

// startCounting starts the program with rules that count much and block nothing, and more
// settings, if any.
func startCounting(t *testing.T, listen string, more ...string) *testbed.Instance {
	t.Helper()
	return startRules(t, []string{"cards", "attempts", "declined_cards"}, listen, more...)
}

// startRules starts the program with a rule per IP address for each element. A rule has
// the name of its element's first word.
func startRules(t *testing.T, elements []string, listen string, more ...string) *testbed.Instance {
	t.Helper()
	rules := ""
	for _, element := range elements {
		name, _, _ := strings.Cut(element, "_")
		rules += fmt.Sprintf("  - {name: %s, per: ip, count: %s, window: 1h, block_over: %d}\n", name, element, 3000/len(elements))
	}
	config := filepath.Join(t.TempDir(), "fraudcheck.yaml")
	require.NoError(t, os.WriteFile(config, []byte("listen: "+listen+"\n"+strings.Join(more, "\n")+`
operator_listen: 127.0.0.1:0
hash_key: staple-0123456789-0123456789-0123456789
auth: {basic: {users: [{username: checkout, password: correct-horse-battery, roles: [checker, analyst]}]}}
rules:
`+rules), 0o600))
	i, err := testbed.StartInstance(t.Context(), t.TempDir(), exec.Command(testbed.Program(t), "--config", config))
	require.NoError(t, err)
	t.Cleanup(i.Kill)
	return i
}

// counts are what the rules count for an IP address, by the name of the rule.
func counts(t *testing.T, i *testbed.Instance, ip string) map[string]int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+i.Operators+"/v1/addresses/"+ip, nil)
	require.NoError(t, err)
	r.SetBasicAuth("checkout", "correct-horse-battery")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	require.Equal(t, http.StatusOK, got.StatusCode)
	var body struct {
		Rules []struct {
			Name  string
			Count int
		}
	}
	require.NoError(t, json.NewDecoder(got.Body).Decode(&body))
	counts := map[string]int{}
	for _, rule := range body.Rules {
		counts[rule.Name] = rule.Count
	}
	return counts
}

// faultyProxy starts a proxy in front of the instance. The instance has answered, and
// counted, when a fault begins.
func faultyProxy(t *testing.T, i *testbed.Instance) *fraudchecktest.Server {
	t.Helper()
	s := fraudchecktest.New()
	t.Cleanup(s.Close)
	target, err := url.Parse("http://" + i.Addr)
	require.NoError(t, err)
	s.Forward(httputil.NewSingleHostReverseProxy(target))
	return s
}

// perShop runs the test with the shop of every language; addresses returns IP addresses
// that no other shop has.
func perShop(t *testing.T, test func(t *testing.T, s shop, address func() string)) {
	for n, language := range slices.Sorted(maps.Keys(shops)) {
		t.Run(language, func(t *testing.T) {
			last := 0
			test(t, shops[language](t), func() string { last++; return fmt.Sprintf("10.%d.%d.%d", n, last/256, last%256) })
		})
	}
}

func attempt(ip string, n int) map[string]string {
	return map[string]string{"ip": ip, "card_id": fmt.Sprint("card-", n), "attempt_id": fmt.Sprint("order-", n)}
}

// What happens to the first request of each attempt, and what the client returns.
var matrix = []struct {
	name         string
	reply        fraudchecktest.Reply
	before       func(*fraudchecktest.Server) // each attempt
	limit        int                          // ms
	requests     int                          // per attempt
	either       bool                         // answered or not, as the machine is fast
	cause        string                       // empty: answered
	neverReaches bool                         // the service
}{
	{name: "nothing", limit: patient, requests: 1},
	{name: "refuses", limit: patient, before: (*fraudchecktest.Server).Refuse, cause: "connection", neverReaches: true},
	{name: "hangs", limit: usual, reply: fraudchecktest.Reply{Fault: fraudchecktest.Hang}, requests: 1, cause: "timeout"},
	{name: "closes", limit: patient, reply: fraudchecktest.Reply{Fault: fraudchecktest.Drop}, requests: 2},
	{name: "resets", limit: patient, reply: fraudchecktest.Reply{Fault: fraudchecktest.Reset}, requests: 2},
	{name: "half an answer", limit: patient, reply: fraudchecktest.Reply{Fault: fraudchecktest.Half}, requests: 2},
	{name: "half an answer, then nothing", limit: usual, reply: fraudchecktest.Reply{Fault: fraudchecktest.Stall}, requests: 1, cause: "timeout"},
	{name: "429", limit: patient, reply: fraudchecktest.Reply{Status: 429}, requests: 1, cause: "unavailable", neverReaches: true},
	{name: "503", limit: patient, reply: fraudchecktest.Reply{Status: 503}, requests: 1, cause: "unavailable", neverReaches: true},
	{name: "lies", limit: patient, reply: fraudchecktest.Reply{Body: "<html>"}, requests: 1, cause: "answer", neverReaches: true},
	{name: "slow by 90 ms", limit: usual, reply: fraudchecktest.Reply{Delay: 90e6}, requests: 1, either: true},
	{name: "slow by 90 ms, more time", limit: patient, reply: fraudchecktest.Reply{Delay: 90e6}, requests: 1},
	{name: "closes kept connections", limit: patient, before: (*fraudchecktest.Server).CloseIdle, requests: 1},
	{name: "closes after each answer", limit: patient, reply: fraudchecktest.Reply{Fault: fraudchecktest.CloseAfter}, requests: 1},
	{name: "a header without end", limit: usual, reply: fraudchecktest.Reply{Fault: fraudchecktest.Trickle}, requests: 1, cause: "timeout"},
	{name: "a body without end", limit: patient, reply: fraudchecktest.Reply{Fault: fraudchecktest.Endless}, requests: 1, cause: "answer"},
}

// Whatever goes wrong, a client returns in time, makes as many requests as its policy
// says, and the service counts what it would have counted without the fault.
func TestClientsKeepTheirPolicyWhateverGoesWrong(t *testing.T) {
	t.Parallel()
	const attempts = 4
	i := startCounting(t, "127.0.0.1:0")
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		for _, c := range matrix {
			ip := address()
			t.Run(c.name, func(t *testing.T) {
				s := faultyProxy(t, i)
				shop.open(t, options{URL: s.URL, MS: c.limit})
				for n := range attempts {
					if c.before != nil {
						c.before(s)
					}
					if c.requests > 0 {
						s.Script(c.reply)
					}
					a := shop.check(t, attempt(ip, n))
					assert.Less(t, a.MS, float64(c.limit+1000), "it outlives its deadline")
					source := "service"
					if c.cause != "" {
						source = "failed_open"
					}
					if !c.either {
						assert.Equal(t, c.cause, a.Cause)
						assert.Equal(t, source, a.Source)
					}
					assert.Equal(t, "allow", a.Decision)
					assert.Equal(t, fmt.Sprint("order-", n), a.AttemptID)
				}
				assert.Len(t, s.Requests(), attempts*c.requests)
				reached := attempts
				if c.neverReaches {
					reached = 0
				}
				assert.Equal(t, map[string]int{"cards": reached, "attempts": reached, "declined": 0}, counts(t, i, ip))

				s.Accept()
				shop.open(t, options{URL: s.URL, MS: patient})
				for n := range attempts { // the shopper tries again, without a fault
					assert.Equal(t, "service", shop.check(t, attempt(ip, n)).Source)
				}
				assert.Equal(t, map[string]int{"cards": attempts, "attempts": attempts, "declined": 0}, counts(t, i, ip))
			})
		}
	})
}

// An answer that breaks off, wherever it does, is asked for again, and counts once.
func TestAnAnswerIsCutAnywhere(t *testing.T) {
	t.Parallel()
	i := startCounting(t, "127.0.0.1:0")
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		s := faultyProxy(t, i)
		shop.open(t, options{URL: s.URL, MS: patient})
		ip := address()
		var whole int
		for cut := 1; ; cut++ {
			s.Script(fraudchecktest.Reply{Fault: fraudchecktest.Half, Bytes: cut})
			a := shop.check(t, attempt(ip, 1))
			require.Equal(t, "service", a.Source, "cut after %d bytes: %s", cut, a.Cause)
			if len(s.Requests()) != 2*cut {
				whole = cut
				break
			}
		}
		assert.Greater(t, whole, 300, "bytes of an answer")
		assert.Equal(t, map[string]int{"cards": 1, "attempts": 1, "declined": 0}, counts(t, i, ip))
		assert.Equal(t, whole-1, shop.counters(t)["retries"])
	})
}

// How long calls take of which nothing comes back, beside the runtime's own sleep of the
// same length.
func TestNoCallOutlivesItsDeadline(t *testing.T) {
	t.Parallel()
	const calls = 10
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		s := fraudchecktest.New()
		defer s.Close()
		late := map[string][]float64{}
		for _, f := range []fraudchecktest.Fault{fraudchecktest.Hang, fraudchecktest.Trickle} {
			s.Standing(fraudchecktest.Reply{Fault: f})
			shop.open(t, options{URL: s.URL, MS: usual})
			for range calls {
				a := shop.check(t, attempt("203.0.113.7", 1))
				assert.Equal(t, "timeout", a.Cause)
				late[f.String()] = append(late[f.String()], a.MS-usual)
				late["sleep"] = append(late["sleep"], shop(t, command{Do: "sleep", MS: usual}).MS-usual)
			}
		}
		for what, ms := range late {
			slices.Sort(ms)
			t.Logf("%-8s later than 100 ms: median %.2f ms, most %.2f ms", what, ms[len(ms)/2], ms[len(ms)-1])
			assert.Less(t, ms[len(ms)-1], 1000.0)
			assert.Greater(t, ms[0], -2.0, "it ends early")
		}
	})
}

func TestARetryOfAnyClientBeginsInTime(t *testing.T) {
	t.Parallel()
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		s := fraudchecktest.New()
		defer s.Close()
		s.Standing(fraudchecktest.Reply{Fault: fraudchecktest.Drop, Delay: 700e6})
		shop.open(t, options{URL: s.URL, MS: 1000})
		a := shop.check(t, attempt("203.0.113.7", 1))
		assert.Equal(t, "connection", a.Cause)
		assert.Len(t, s.Requests(), 1)
	})
}

// A connection that breaks twice is not tried a third time, also when the first of them
// had been kept.
func TestAClientTriesTwice(t *testing.T) {
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		for _, f := range []fraudchecktest.Fault{fraudchecktest.Drop, fraudchecktest.Reset, fraudchecktest.Half} {
			s := fraudchecktest.New()
			defer s.Close()
			shop.open(t, options{URL: s.URL, MS: patient})
			assert.Equal(t, "service", shop.check(t, attempt("203.0.113.7", 0)).Source)
			s.Standing(fraudchecktest.Reply{Fault: f})
			a := shop.check(t, map[string]string{"ip": "203.0.113.7", "card_id": "card-1"})
			assert.Equal(t, "connection", a.Cause)
			got := s.Requests()
			assert.Len(t, got, 3)
			assert.True(t, got[1].Reused)
			for _, r := range got[1:] {
				assert.Equal(t, a.AttemptID, r.AttemptID(), "one attempt_id, which the client made up")
				assert.NotEmpty(t, r.AttemptID())
			}
			assert.Equal(t, 1, shop.counters(t)["retries"])
		}
	})
}

// An integration that is wrong fails open and is shown. Nothing of the shopper is.
func TestEveryClientShowsAWrongIntegration(t *testing.T) {
	i := startCounting(t, "127.0.0.1:0")
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		shop.open(t, options{URL: "http://" + i.Addr, MS: patient, Password: "wrong"})
		a := shop.check(t, attempt(address(), 1))
		assert.Equal(t, answer{Decision: "allow", Source: "failed_open", Cause: "fault", AttemptID: "order-1", MS: a.MS}, a)
		shop.open(t, options{URL: "http://" + i.Addr, MS: patient})
		a = shop.check(t, map[string]string{"ip": "4.4.4.4.4", "card_id": "card-1"})
		assert.Equal(t, "fault", a.Cause)
		var got []fault
		require.Eventually(t, func() bool {
			got = shop(t, command{Do: "faults"}).Faults
			return len(got) == 2
		}, testbed.Prompt, testbed.PollInterval)
		assert.Len(t, got[0].RequestID, 26)
		assert.Len(t, got[1].RequestID, 26)
		assert.Equal(t, []fault{
			{Path: "/v1/check", Status: 401, Code: "credentials_invalid", RequestID: got[0].RequestID},
			{Path: "/v1/check", Status: 400, Code: "field_invalid", Field: "ip", RequestID: got[1].RequestID},
		}, got)
		assert.Equal(t, 1, shop.counters(t)["faults"])

		s := fraudchecktest.New()
		defer s.Close()
		echo := `{"code":"eva@example.com","field":"card-4242","request_id":"203.0.113.7","detail":"eva@example.com card-4242 203.0.113.7"}`
		for _, reply := range []fraudchecktest.Reply{{Status: 400, Body: echo}, {Status: 503, Body: echo}, {Status: 307, Body: echo}, {Body: echo}, {Fault: fraudchecktest.Drop}} {
			s.Standing(reply)
			shop.open(t, options{URL: s.URL, MS: patient, Policy: "error"})
			a = shop.check(t, map[string]string{"ip": "203.0.113.7", "card_id": "card-4242", "email": "eva@example.com"})
			assert.NotEmpty(t, a.Failure)
			text := fmt.Sprintf("%s %+v %v", a.Failure, shop(t, command{Do: "faults"}).Faults, shop.counters(t))
			for _, secret := range []string{"203.0.113", "4242", "eva@", "correct-horse", "Y2hlY2tvdXQ6"} {
				assert.NotContains(t, text, secret)
			}
		}
	})
}

func TestThePolicyOfAnyClientDecidesWithoutAnAnswer(t *testing.T) {
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		s := fraudchecktest.New()
		defer s.Close()
		for status, cause := range map[int]string{301: "fault", 400: "fault", 401: "fault", 404: "fault", 408: "unavailable", 417: "fault", 429: "unavailable", 500: "unavailable", 503: "unavailable", 202: "answer", 0: ""} {
			for policy, decision := range map[string]string{"allow": "allow", "review": "review", "error": ""} {
				reply := fraudchecktest.Reply{Status: status, Decision: "block"}
				s.Forward(nil)
				if status == 202 {
					s.Forward(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						w.WriteHeader(202)
						_, _ = w.Write([]byte(`{"decision":"block"}`))
					}))
					reply = fraudchecktest.Reply{}
				}
				s.Script(reply)
				shop.open(t, options{URL: s.URL, MS: patient, Policy: policy})
				a := shop.check(t, attempt("203.0.113.7", 1))
				assert.Equal(t, cause, a.Cause, status)
				switch {
				case cause == "":
					assert.Equal(t, "block", a.Decision)
				case policy == "error":
					assert.True(t, strings.Contains(a.Failure, "fraudcheck: no answer: "+cause), a.Failure)
				default:
					assert.Equal(t, decision, a.Decision)
				}
			}
		}
	})
}

// Answers that are none, and some that are.
func TestNoClientBelievesALyingAnswer(t *testing.T) {
	lies := []string{
		"<html>welcome</html>", "null", "[]", `"allow"`, "7", "{}", `{"decision":"ALLOW"}`, `{"decision":"approve"}`, `{"decision":1}`, `{"decision":true}`, `{"decision":["allow"]}`,
		`{"decision":{"allow":1}}`, `{"decision":null}`, `{"Decision":"allow"}`, `{"decision":"allow"`, `{"decision":"allow"} {}`, `{"decision":"allow","reasons":"none"}`,
		`{"decision":"allow","reasons":[1]}`, `{"decision":"allow","reasons":{"a":"b"}}`, `{"decision":"allow","degraded":"no"}`, `{"decision":"allow","degraded":0}`,
		`{"decision":"allow","rules":{}}`, `{"decision":"allow","rules":[7]}`, `{"decision":"allow","rules":"none"}`, "\x00\xff", strings.Repeat("[", 60000), strings.Repeat(`{"a":`, 10000),
		`{"decision":"allow","later":"` + strings.Repeat("x", 70000) + `"}`,
	}
	truths := []string{`{"decision":"block"}`, `{"decision":"block","reasons":[],"rules":[],"degraded":true,"attempt_id":"x","later":{"version":[2]}}`, ` {"decision":"block","rules":[{"name":"a","later":null}]}` + "\n"}
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		s := fraudchecktest.New()
		defer s.Close()
		shop.open(t, options{URL: s.URL, MS: patient, Policy: "review"})
		for _, lie := range lies {
			s.Script(fraudchecktest.Reply{Body: lie})
			a := shop.check(t, attempt("203.0.113.7", 1))
			assert.Equal(t, "review failed_open answer", a.Decision+" "+a.Source+" "+a.Cause, lie[:min(len(lie), 60)])
		}
		for _, truth := range truths {
			s.Script(fraudchecktest.Reply{Body: truth})
			a := shop.check(t, attempt("203.0.113.7", 1))
			assert.Equal(t, "block service ", a.Decision+" "+a.Source+" "+a.Cause, truth)
		}
		assert.Len(t, s.Requests(), len(lies)+len(truths), "no lie is asked for again")
	})
}
