package peers_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/peers"
)

func keys(t testing.TB) *proof.Keys {
	t.Helper()
	k, err := proof.NewKeys(bytes.Repeat([]byte("k"), 32), nil)
	require.NoError(t, err)
	return k
}

// ask makes a client of these peers and asks them one question.
func ask(t testing.TB, change func(*peers.Settings), names ...string) []peers.Answer {
	t.Helper()
	s := peers.Settings{Peers: names, Instance: "here", Keys: keys(t)}
	if change != nil {
		change(&s)
	}
	p := peers.New(s)
	t.Cleanup(p.Close)
	return p.Ask(t.Context(), peers.Question{Target: peers.Target("/v1/logins", nil), Caller: "ana"})
}

// serve starts a server of what may stand where a peer is configured.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func addr(s *httptest.Server) string { return s.Listener.Addr().String() }

// says answers as the instance of that id and run.
func says(instance, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(proof.InstanceHeader, instance)
		_, _ = io.WriteString(w, body)
	}
}

func problem(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":%d,"code":"%s"}`, status, code)
	}
}

func TestAQuestionBearsAProofAndNoCredentials(t *testing.T) {
	var asked http.Request
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = *r
		says("there 1", `{}`)(w, r)
	})
	p := peers.New(peers.Settings{Peers: []string{addr(server)}, Instance: "here", Keys: keys(t)})
	t.Cleanup(p.Close)
	target := peers.Target("/v1/decisions", []byte("ip=203.0.113.7&rule=a%20b"))
	answers := p.Ask(t.Context(), peers.Question{Target: target, Caller: "ana", RequestID: "01JD"})
	require.Len(t, answers, 1)
	assert.Empty(t, answers[0].Why)
	assert.Equal(t, "there", answers[0].Instance)
	assert.Equal(t, addr(server), answers[0].Peer)
	assert.Equal(t, "{}", string(answers[0].Body))

	assert.Equal(t, "GET", asked.Method)
	assert.Equal(t, "/v1/decisions?scope=this&ip=203.0.113.7&rule=a%20b", asked.RequestURI)
	assert.Equal(t, addr(server), asked.Host)
	assert.Equal(t, "01JD", asked.Header.Get("X-Request-Id"))
	text, found := strings.CutPrefix(asked.Header.Get("Authorization"), proof.Scheme+" ")
	require.True(t, found)
	shown, err := keys(t).Verify(text, asked.Method, asked.RequestURI, time.Now())
	require.NoError(t, err)
	assert.Equal(t, "ana", shown.Caller)
	for name := range asked.Header {
		assert.Contains(t, []string{"Authorization", "X-Request-Id", "User-Agent"}, name)
	}
}

// A reasoned is a peer, and what is said of its answer; nothing of a good one.
type reasoned struct {
	name string
	peer http.HandlerFunc
	why  string
}

func TestAnAnswerHasABound(t *testing.T) {
	large := strings.Repeat("x", peers.MaxAnswer)
	requireReasons(t, []reasoned{
		{"as long as may be", says("there 1", large), ""},
		{"too long", says("there 1", large+"x"), "answers with more than 8 MiB"},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(proof.InstanceHeader, "there 1")
			for {
				if _, err := io.WriteString(w, large[:1<<20]); err != nil {
					return
				}
			}
		}, "answers with more than 8 MiB"},
	})
}

func TestWhatIsNoAnswerIsNamedWithItsReason(t *testing.T) {
	elsewhere := serve(t, says("elsewhere 1", `{"followed":true}`))
	requireReasons(t, []reasoned{
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+addr(elsewhere)+"/", http.StatusFound)
		}, "answers with a redirect, and none is followed"},
		{"another version", problem(404, "not_found"), "does not have this path for peers: it is of another version"},
		{"not for peers", problem(403, "role_missing"), "does not have this path for peers: it is of another version"},
		{"no peers there", problem(401, "authorization_malformed"), "takes no proof: it has no operator_peers, or is of another version"},
		{"another hash key", problem(401, "credentials_invalid"), "has another hash key"},
		{"another time", problem(401, "token_expired"), "has a clock that differs from this one's by more than ten seconds"},
		{"a replay", problem(401, "token_invalid"), "has met the proof before: something repeats requests on the way"},
		{"a network", problem(403, "network_refused"), "does not let this instance ask from here: see auth.networks there"},
		{"its store", problem(503, "store_unreachable"), "cannot answer while its store does not"},
		{"anything else", problem(500, "internal"), "answers with status 500"},
		{"no id", says("", "{}"), "does not say which instance it is"},
		{"an id that would forge a line", says("there\" 1", "{}"), "does not say which instance it is"},
		{"an id as long as a page", says(strings.Repeat("a", 101)+" 1", "{}"), "does not say which instance it is"},
		{"this instance's id", says("here 1", "{}"), "has the same id as this instance: set instance to another one"},
		{"a head as long as a book", says(strings.Repeat("a", 64<<10)+" 1", "{}"), "answers with what is no HTTP of its scheme, or a head of more than 16 KiB"},
		{"an end in the middle", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "closes the connection without an answer"},
	})
}

func requireReasons(t *testing.T, all []reasoned) {
	t.Helper()
	peers.GivePeers(t, patience)
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, tt.peer)
			answers := ask(t, nil, addr(server))
			require.Len(t, answers, 1)
			assert.Equal(t, tt.why, answers[0].Why)
			assert.Equal(t, addr(server), answers[0].Peer)
			if tt.why != "" {
				assert.Empty(t, answers[0].Body)
			}
		})
	}
}

func TestAPeerThatIsAwayCostsASecond(t *testing.T) {
	released := make(chan struct{})
	slow := serve(t, func(http.ResponseWriter, *http.Request) { <-released })
	drips := serve(t, func(w http.ResponseWriter, r *http.Request) {
		says("drips 1", "{")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-released
	})
	t.Cleanup(func() { close(released) }) // before the servers are closed
	full, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = full.Close() })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	fast := serve(t, says("fast 1", "{}"))

	began := time.Now()
	answers := ask(t, nil, addr(slow), addr(drips), full.Addr().String(), gone.Addr().String(), addr(fast))
	assert.GreaterOrEqual(t, time.Since(began), peers.Patience)
	assert.Less(t, time.Since(began), 5*peers.Patience, "all at once")
	require.Len(t, answers, 5)
	for _, a := range answers[:3] {
		assert.Equal(t, "does not answer within a second", a.Why)
	}
	assert.Equal(t, "cannot be connected to: connection refused", answers[3].Why)
	assert.Empty(t, answers[4].Why)
}

func TestOneInstanceAnswersOnce(t *testing.T) {
	var own atomic.Value // this instance's header, known once there is a client
	self := serve(t, func(w http.ResponseWriter, r *http.Request) { says(own.Load().(string), "{}")(w, r) })
	twice := serve(t, says("there 1", "{}"))
	other := serve(t, says("there 2", "{}")) // configured alike, and another all the same
	_, port, err := net.SplitHostPort(addr(twice))
	require.NoError(t, err)
	names := []string{addr(self), addr(twice), "localhost:" + port, addr(other)}
	p := peers.New(peers.Settings{Peers: names, Instance: "here", Keys: keys(t), Resolve: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}})
	t.Cleanup(p.Close)
	own.Store(p.Header())
	answers := p.Ask(t.Context(), peers.Question{Target: "/"})
	require.Len(t, answers, 2)
	assert.Equal(t, []string{addr(twice), addr(other)}, []string{answers[0].Peer, answers[1].Peer})
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, p.Addresses()[:1])
}

// A Kubernetes service without an address of its own stands for all its pods.
func TestANameMeansAllItsAddresses(t *testing.T) {
	first := serve(t, says("first 1", "{}"))
	_, port, err := net.SplitHostPort(addr(first))
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.2:"+port)
	require.NoError(t, err)
	second := &httptest.Server{Listener: ln, Config: &http.Server{Handler: says("second 1", "{}")}}
	second.Start()
	t.Cleanup(second.Close)

	resolve := func(of ...string) func(s *peers.Settings) {
		return func(s *peers.Settings) {
			s.Resolve = func(_ context.Context, host string) (found []netip.Addr, err error) {
				assert.Equal(t, "checks.example", host)
				if len(of) == 0 {
					return nil, errors.New("no such host")
				}
				for _, a := range of {
					found = append(found, netip.MustParseAddr(a))
				}
				return found, nil
			}
		}
	}
	name := "checks.example:" + port
	answers := ask(t, resolve("127.0.0.2", "127.0.0.3", "::ffff:127.0.0.1", "127.0.0.1"), name)
	require.Len(t, answers, 3)
	assert.Equal(t, name+" (127.0.0.1:"+port+")", answers[0].Peer)
	assert.Equal(t, []string{"first", "second", ""}, []string{answers[0].Instance, answers[1].Instance, answers[2].Instance})
	assert.Equal(t, "cannot be connected to: connection refused", answers[2].Why)

	answers = ask(t, resolve(), name)
	require.Len(t, answers, 1)
	assert.Equal(t, peers.Answer{Peer: name, Why: "its name does not resolve"}, answers[0])

	many := []string{}
	for i := range 70 {
		many = append(many, fmt.Sprintf("127.0.1.%d", i+1))
	}
	answers = ask(t, resolve(many...), name)
	require.Len(t, answers, 65)
	assert.Equal(t, "its name stands for more than 64 addresses, and only those were asked", answers[64].Why)
}

func TestACertificateIsVerified(t *testing.T) {
	peers.GivePeers(t, patience)
	server := httptest.NewUnstartedServer(says("there 1", "{}"))
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	with := func(roots *x509.CertPool) func(*peers.Settings) {
		return func(s *peers.Settings) {
			s.Roots = roots
			s.Resolve = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
		}
	}
	const refused = "shows a certificate that cannot be verified"
	for _, tt := range []struct {
		name, peer string
		roots      *x509.CertPool
		why        string
	}{
		{"for its address", "https://" + at.Host, trusted, ""},
		{"for its name", "https://example.com:" + at.Port(), trusted, ""},
		{"for another name", "https://checks.example:" + at.Port(), trusted, refused},
		{"by the system's roots", "https://" + at.Host, nil, refused},
		{"by no root", "https://" + at.Host, x509.NewCertPool(), refused},
		{"plain HTTP to a port of TLS", at.Host, trusted, "answers with status 400"},
	} {
		answers := ask(t, with(tt.roots), tt.peer)
		require.Len(t, answers, 1, tt.name)
		assert.Equal(t, tt.why, answers[0].Why, tt.name)
	}
	plain := serve(t, says("there 1", "{}"))
	answers := ask(t, with(trusted), "https://"+addr(plain))
	assert.Equal(t, "answers with what is no HTTP of its scheme, or a head of more than 16 KiB", answers[0].Why)

	p := peers.New(peers.Settings{Peers: []string{"https://" + at.Host}, Instance: "here", Keys: keys(t), Roots: x509.NewCertPool()})
	t.Cleanup(p.Close)
	q := peers.Question{Target: "/"}
	assert.Equal(t, refused, p.Ask(t.Context(), q)[0].Why)
	p.SetRoots(trusted)
	assert.Empty(t, p.Ask(t.Context(), q)[0].Why)
	p.SetRoots(x509.NewCertPool())
	assert.Equal(t, refused, p.Ask(t.Context(), q)[0].Why, "also where a connection was kept")
}

func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(says("there 1", "{}"))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	p := peers.New(peers.Settings{Peers: []string{addr(server)}, Instance: "here", Keys: keys(t)})
	t.Cleanup(p.Close)
	for range 5 {
		require.Empty(t, p.Ask(t.Context(), peers.Question{Target: "/"})[0].Why)
	}
	assert.EqualValues(t, 1, opened.Load())
}

func TestAChangeOfAPeerIsTold(t *testing.T) {
	var body atomic.Value
	body.Store(says("there 1", "{}"))
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { body.Load().(http.HandlerFunc)(w, r) })
	var told []string
	p := peers.New(peers.Settings{Peers: []string{addr(server)}, Instance: "here", Keys: keys(t), Changed: func(peer, why string) {
		assert.Equal(t, addr(server), peer)
		told = append(told, why)
	}})
	t.Cleanup(p.Close)
	for _, h := range []http.HandlerFunc{says("there 1", "{}"), problem(500, ""), problem(500, ""), problem(404, ""), says("there 1", "{}"), says("there 1", "{}")} {
		body.Store(h)
		p.Ask(t.Context(), peers.Question{Target: "/"})
	}
	assert.Equal(t, []string{"answers with status 500", "does not have this path for peers: it is of another version", ""}, told)
}

// Many questions at once take their turn, and none is lost or waits for ever.
func TestManyQuestionsAtOnce(t *testing.T) {
	var atOnce, most atomic.Int32
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := atOnce.Add(1)
		defer atOnce.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		says("there 1", "{}")(w, r)
	})
	p := peers.New(peers.Settings{Peers: []string{addr(server)}, Instance: "here", Keys: keys(t)})
	t.Cleanup(p.Close)
	var asking sync.WaitGroup
	for range 64 {
		asking.Go(func() { assert.Len(t, p.Ask(context.Background(), peers.Question{Target: "/"}), 1) })
	}
	asking.Wait()
	assert.LessOrEqual(t, most.Load(), int32(8))
}

func TestNoPeers(t *testing.T) {
	var none *peers.Peers
	assert.Empty(t, none.Ask(t.Context(), peers.Question{Target: "/"}))
	assert.Empty(t, none.Addresses())
	assert.Empty(t, none.Header())
	none.Close()
}

func TestNothingRunsOnAfterClose(t *testing.T) {
	p := peers.New(peers.Settings{Peers: []string{"checks.example:1"}, Instance: "here", Keys: keys(t), Resolve: func(context.Context, string) ([]netip.Addr, error) {
		return nil, errors.New("no such host")
	}})
	p.Ask(t.Context(), peers.Question{Target: "/"})
	p.Close()
	goleak.VerifyNone(t)
}

// Many people who look while one peer hangs still see the others, and do not wait for each
// other.
func TestAPeerThatHangsTakesNothingFromTheOthers(t *testing.T) {
	released := make(chan struct{})
	var hanging atomic.Bool
	hanging.Store(true)
	var probes atomic.Int32
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		probes.Add(1)
		if hanging.Load() {
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}
		says("slow 1", "{}")(w, r)
	})
	t.Cleanup(func() { close(released) })
	fast := serve(t, says("fast 1", "{}"))
	p := peers.New(peers.Settings{Peers: []string{addr(slow), addr(fast)}, Instance: "here", Keys: keys(t)})
	t.Cleanup(p.Close)
	askAll := func(n int) {
		var asking sync.WaitGroup
		for range n {
			asking.Go(func() {
				answers := p.Ask(context.Background(), peers.Question{Target: "/"})
				if assert.Len(t, answers, 2) {
					assert.NotEmpty(t, answers[0].Why)
					assert.Empty(t, answers[1].Why)
				}
			})
		}
		asking.Wait()
	}
	askAll(40)
	asked := probes.Load()
	assert.LessOrEqual(t, asked, int32(10), "who waited for those that heard nothing is not made to wait too")
	askAll(40)
	assert.LessOrEqual(t, probes.Load()-asked, int32(3), "one at a time finds out")

	hanging.Store(false)
	assert.Empty(t, p.Ask(t.Context(), peers.Question{Target: "/"})[0].Why)
	answers := make([]string, 8)
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() { answers[i] = p.Ask(context.Background(), peers.Question{Target: "/"})[0].Why })
	}
	asking.Wait()
	assert.Equal(t, make([]string, 8), answers, "it is as the others again")
}
