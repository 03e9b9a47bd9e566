package peers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/peers"
)

const patience = 20 * time.Second

// A follow is a test's Follow.
type follow struct {
	events      chan string // "instance name data"
	unreachable chan []string
	why         chan string
	tried       chan struct{}
	stop        func() // waits for the end
}

// follows follows these peers. An event "bad" is in no form it knows, and the data of others
// is their number.
func follows(t *testing.T, change func(*peers.Settings), names ...string) *follow {
	t.Helper()
	f := &follow{events: make(chan string, 100_000), unreachable: make(chan []string, 100), why: make(chan string, 100), tried: make(chan struct{})}
	s := peers.Settings{Peers: names, Instance: "here", Keys: keys(t), Changed: func(_, why string) { f.why <- why }}
	if change != nil {
		change(&s)
	}
	p := peers.New(s)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Follow(ctx, peers.Stream{
			Path: "/v1/decisions/stream",
			Event: func(instance, name string, data []byte) (at uint64, ok bool) {
				f.events <- fmt.Sprintf("%s %s %s", instance, name, data)
				_, _ = fmt.Sscan(string(data), &at)
				return at, name != "bad"
			},
			Unreachable: func(names []string) { f.unreachable <- names },
			Tried:       func() { close(f.tried) },
		})
	}()
	f.stop = func() {
		cancel()
		await(t, ended)
		p.Close()
	}
	t.Cleanup(f.stop)
	return f
}

func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		require.Fail(t, "nothing came")
	}
	return v
}

// streaming begins a stream of the instance of that id and run, sends what each calls for and
// keeps it open.
func streaming(instance string, send ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(proof.InstanceHeader, instance)
		for _, text := range append(send, ":\n\n") {
			_, _ = io.WriteString(w, text)
		}
		_ = http.NewResponseController(w).Flush()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				if _, err := io.WriteString(w, ":\n\n"); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
			}
		}
	}
}

func TestPeersAreFollowed(t *testing.T) {
	first := serve(t, streaming("first 1", "event: x\ndata: 1\n\n", "event:y\r\ndata:2\r\nid: 7\r\n\r\n", "event: z\ndata: 3\ndata: 4\n\n"))
	second := serve(t, streaming("second 1", "event: x\ndata: 5\n\n"))
	f := follows(t, nil, addr(first), addr(second))
	await(t, f.tried)
	var got []string
	for range 4 {
		got = append(got, await(t, f.events))
	}
	assert.ElementsMatch(t, []string{"first x 1", "first y 2", "first z 3\n4", "second x 5"}, got)
	assert.Empty(t, f.unreachable)
	first.CloseClientConnections()
	assert.Equal(t, []string{addr(first)}, await(t, f.unreachable))
	assert.Empty(t, await(t, f.unreachable), "it is opened again")
}

func TestWhatIsNoStreamIsCutOffAndNamed(t *testing.T) {
	flush := func(w http.ResponseWriter) bool { return http.NewResponseController(w).Flush() == nil }
	endless := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(proof.InstanceHeader, "there 1")
			for {
				if _, err := io.WriteString(w, text); err != nil || !flush(w) {
					return
				}
			}
		}
	}
	const large = "sends an event of more than 64 KiB"
	for _, tt := range []struct {
		name string
		peer http.HandlerFunc
		why  string
	}{
		{"an endless line", endless(strings.Repeat("x", 1000)), large},
		{"an endless event", endless("data: x\n"), large},
		{"endless fields", endless("id: 1\n"), large},
		{"just too large", streaming("there 1", "data: "+strings.Repeat("x", peers.MaxEvent)+"\n\n"), large},
		{"another form", streaming("there 1", "event: bad\ndata: x\n\n"), "sends events in another form than this version reads"},
		{"silence", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(proof.InstanceHeader, "there 1")
			flush(w)
			<-r.Context().Done()
		}, "sends nothing for two seconds"},
		{"an event byte by byte", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(proof.InstanceHeader, "there 1")
			for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
				if _, err := io.WriteString(w, "x"); err != nil || !flush(w) {
					return
				}
			}
		}, "sends nothing for two seconds"},
		{"no head", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "does not answer within a second"},
		{"an end at once", says("there 1", ":\n\n"), "ends its stream at once"},
		{"an end in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(proof.InstanceHeader, "there 1")
			_, _ = io.WriteString(w, "data: ")
		}, "closes the connection without an answer"},
		{"another version", problem(403, "role_missing"), "does not have this path for peers: it is of another version"},
		{"no place", problem(503, "streams_exhausted"), "answers with status 503"},
		{"no id", streaming(""), "does not say which instance it is"},
		{"this instance's id", streaming("here 1"), "has the same id as this instance: set instance to another one"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "answers with a redirect, and none is followed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, tt.peer)
			f := follows(t, nil, addr(server))
			await(t, f.tried)
			assert.Equal(t, tt.why, await(t, f.why))
			assert.Equal(t, []string{addr(server)}, await(t, f.unreachable))
			f.stop() // before the server waits for its connections
		})
	}
}

// Of a name that does not resolve, or of its addresses, those that are followed are none the
// less, and looking up names again changes nothing.
func TestUnreachableUntilItIsFollowed(t *testing.T) {
	first := serve(t, streaming("first 1", "event: x\ndata: 1\n\n"))
	f := follows(t, func(s *peers.Settings) {
		s.Resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
	}, "127.0.0.1:1", addr(first), "checks.example:1")
	await(t, f.tried)
	assert.Equal(t, "first x 1", await(t, f.events))
	var last []string
	for len(last) < 2 {
		last = await(t, f.unreachable)
	}
	assert.Equal(t, []string{"127.0.0.1:1", "checks.example:1"}, last)
	select {
	case names := <-f.unreachable:
		assert.Fail(t, "has changed", names)
	case <-time.After(1500 * time.Millisecond): // names are looked at each second
	}
}

// As large as may be is no violation.
func TestALargeEvent(t *testing.T) {
	text := strings.Repeat("x", peers.MaxEvent-len("data: \n\n"))
	server := serve(t, streaming("there 1", "data: "+text+"\n\n", "event: x\ndata: 1\n\n"))
	f := follows(t, nil, addr(server))
	assert.Equal(t, "there x 1", await(t, f.events), "an event without a name is none")
}

// A peer that has more to tell than is read waits, and costs no more than that.
func TestAPeerIsReadNoFasterThanItsPace(t *testing.T) {
	var sent atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(proof.InstanceHeader, "there 1")
		for {
			if _, err := io.WriteString(w, "event: x\ndata: 1\n\n"); err != nil {
				return
			}
			sent.Add(1)
		}
	})
	began := time.Now()
	f := follows(t, nil, addr(server))
	for range 2500 {
		await(t, f.events)
	}
	took := time.Since(began)
	assert.Greater(t, took, 350*time.Millisecond)
	read := len(f.events) + 2500
	assert.Less(t, read, int(500*(time.Since(began)/(100*time.Millisecond)+2)))
	f.stop()
}

func TestAStreamThatEndedGoesOn(t *testing.T) {
	var targets = make(chan string, 100)
	var n, id atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, found := strings.CutPrefix(r.Header.Get("Authorization"), proof.Scheme+" ")
		_, err := keys(t).Verify(text, "GET", r.RequestURI, time.Now())
		assert.True(t, found && err == nil, "each with a proof of its own")
		targets <- r.RequestURI
		says(fmt.Sprintf("there-%d 1", id.Load()), fmt.Sprintf("event: x\ndata: %d\n\n", n.Add(1)))(w, r)
	})
	f := follows(t, nil, addr(server))
	assert.Equal(t, "/v1/decisions/stream?scope=this", await(t, targets))
	assert.Equal(t, "/v1/decisions/stream?scope=this&after=1", await(t, targets))
	id.Add(1) // another instance has its address
	for target := await(t, targets); target != "/v1/decisions/stream?scope=this"; {
		target = await(t, targets)
	}
	f.stop()
}

// One configuration for all names this instance too; and a name may stand for one of the others.
func TestAnInstanceIsFollowedOnce(t *testing.T) {
	var own atomic.Value
	asked := make(chan string, 10)
	self := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- "self"
		streaming(own.Load().(string), "event: x\ndata: 1\n\n")(w, r)
	})
	twice := serve(t, streaming("there 1", "event: x\ndata: 2\n\n"))
	_, port, err := net.SplitHostPort(addr(twice))
	require.NoError(t, err)
	p := peers.New(peers.Settings{Peers: []string{addr(self), addr(twice), "localhost:" + port}, Instance: "here", Keys: keys(t),
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}})
	own.Store(p.Header())
	tried, events, ended := make(chan struct{}), make(chan string, 10), make(chan struct{})
	go func() {
		defer close(ended)
		p.Follow(t.Context(), peers.Stream{Path: "/",
			Event: func(_, _ string, data []byte) (uint64, bool) {
				events <- string(data)
				return 0, true
			},
			Unreachable: func(names []string) { assert.Fail(t, "unreachable", names) },
			Tried:       func() { close(tried) }})
	}()
	await(t, tried)
	assert.Equal(t, "self", await(t, asked))
	assert.Equal(t, "2", await(t, events))
	p.Close()
	await(t, ended)
	assert.Empty(t, events)
}

func TestNothingIsFollowedAfterTheEnd(t *testing.T) {
	before := goleak.IgnoreCurrent()
	server := serve(t, streaming("there 1"))
	f := follows(t, nil, addr(server), "127.0.0.1:1")
	await(t, f.tried)
	f.stop()
	server.Close()
	goleak.VerifyNone(t, before)
	var none *peers.Peers
	tried := make(chan struct{})
	none.Follow(t.Context(), peers.Stream{Tried: func() { close(tried) }})
	await(t, tried)
}
