package operator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/peers"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
)

// A streaming is the operators' port of another instance, which streams what a test says.
type streaming struct {
	addr   string
	events chan string
	opened atomic.Int32
	open   atomic.Int32
	asked  chan string // targets
}

func streams(t testing.TB, instance string) *streaming {
	t.Helper()
	s := &streaming{events: make(chan string, 10_000), asked: make(chan string, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked <- r.RequestURI
		w.Header().Set(proof.InstanceHeader, instance+" 1")
		if r.URL.Path != "/v1/decisions/stream" {
			_, _ = io.WriteString(w, `{"decisions":[`+theirs("early", 4, "allow")+`,`+theirs("earlier", 3, "allow")+`],"next":null,"unreachable":[]}`)
			return
		}
		s.opened.Add(1)
		s.open.Add(1)
		defer s.open.Add(-1)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for text := ": decisions\n\n"; ; {
			_, err := io.WriteString(w, text)
			if err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case text = <-s.events:
			case <-tick.C:
				text = ":\n\n"
			case <-r.Context().Done():
				return
			}
			if text == "" {
				return
			}
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.addr = server.Listener.Addr().String()
	return s
}

// theirs is a decision of another instance, as instances tell each other.
func theirs(request string, number int, outcome string) string {
	return fmt.Sprintf(`{"time":"2026-11-21T09:00:0%d.000Z","instance":"there","ip":"203.0.113.%d","card":null,"decision":"%s","reasons":[],`+
		`"rules":[{"name":"a_rule","outcome":"review","mode":"shadow","count":2}],"degraded":false,"caller":"shop","attempt":"%s","request_id":"%s","number":%d,"later":1}`,
		number, number, outcome, doortest.ShortIDs.Attempt("pay "+request), request, number)
}

func (s *streaming) tells(events ...string) {
	for _, e := range events {
		s.events <- "event: decision\ndata: " + e + "\n\n"
	}
}

// unreachable requires that an event that names who is unreachable is next.
func (s *stream) unreachable(t testing.TB, want string) {
	t.Helper()
	name, data := s.next(t)
	require.Equal(t, "unreachable", name, data)
	require.JSONEq(t, want, data)
}

func TestAStreamIsOfAllInstances(t *testing.T) {
	there := streams(t, "there")
	d := openAmong(t, []string{there.addr})
	all := d.follow(t, "")
	filtered := map[string]*stream{}
	for _, query := range []string{"decision=block", "ip=203.0.113.2", "attempt_id=pay%20two", "request_id=two"} {
		filtered[query] = d.follow(t, "?"+query)
	}
	of := d.follow(t, "?rule=a_rule")
	this := d.follow(t, "?scope=this")
	there.tells(theirs("one", 1, "allow"), theirs("two", 2, "block"))
	first := all.decision(t)
	assert.Equal(t, "one", first["request_id"])
	assert.Equal(t, "there", first["instance"])
	assert.NotContains(t, first, "number")
	assert.NotContains(t, first, "later")
	assert.Equal(t, "two", all.decision(t)["request_id"])
	assert.Equal(t, "one", of.decision(t)["request_id"])
	for query, s := range filtered {
		assert.Equal(t, "two", s.decision(t)["request_id"], query)
	}
	d.checkOver(t, `{"ip":"203.0.113.9","card_id":"a"}`, "X-Request-ID: here")
	assert.Equal(t, "here", all.decision(t)["request_id"])
	assert.Equal(t, "here", this.decision(t)["request_id"], "and none of others")
}

// The feed and the list that a stream begins with may know the same decisions.
func TestAStreamThatBeginsInThePastIsOfAllInstancesToo(t *testing.T) {
	testbed.SkipRace(t, "another instance has a second to answer")
	there := streams(t, "there")
	d := openAmong(t, []string{there.addr})
	d.checkOver(t, `{"ip":"203.0.113.9","card_id":"a"}`, "X-Request-ID: here")
	c := d.Dial(t)
	c.Send(doortest.Raw("GET /v1/decisions/stream?since=2026-11-21T09:00:00Z&decision=allow", "", doortest.AsAnalyst))
	there.tells(theirs("early", 4, "allow"), theirs("late", 5, "allow"))
	response, err := http.ReadResponse(c.R, nil)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	s := begunAfter(t, c, response)
	var met []string
	for len(met) < 4 {
		if name, data := s.next(t); name == "decision" {
			for _, id := range []string{"earlier", "early", "late", "here"} {
				if strings.Contains(data, `"`+id+`"`) {
					met = append(met, id)
				}
			}
		}
	}
	assert.Equal(t, []string{"earlier", "early", "here", "late"}, met)
	assert.Equal(t, "/v1/decisions/stream?scope=this", <-there.asked)
	assert.Equal(t, "/v1/decisions?scope=this&decision=allow&limit=1000&since=2026-11-21T09%3A00%3A00Z", <-there.asked)
}

func TestOneConnectionFeedsAllStreams(t *testing.T) {
	there := streams(t, "there")
	d := openAmong(t, []string{there.addr})
	this := d.follow(t, "?scope=this")
	assert.Zero(t, there.opened.Load())
	var all []*stream
	for range 5 {
		all = append(all, d.follow(t, ""))
	}
	there.tells(theirs("one", 1, "allow"))
	for _, s := range all {
		assert.Equal(t, "one", s.decision(t)["request_id"])
	}
	assert.EqualValues(t, 1, there.opened.Load())
	assert.Equal(t, "/v1/decisions/stream?scope=this", <-there.asked)
	for _, s := range all[1:] {
		require.NoError(t, s.Close())
	}
	there.tells(theirs("two", 2, "allow"))
	assert.Equal(t, "two", all[0].decision(t)["request_id"])
	require.NoError(t, all[0].Close())
	require.Eventually(t, func() bool { return there.open.Load() == 0 }, doortest.Patience, 10*time.Millisecond)
	d.follow(t, "")
	assert.EqualValues(t, 2, there.opened.Load(), "opened anew")
	require.NoError(t, this.Close())
}

func TestAStreamNamesWhoIsUnreachable(t *testing.T) {
	there := streams(t, "there")
	d := openAmong(t, []string{there.addr, "127.0.0.1:1"})
	s := d.follow(t, "")
	s.unreachable(t, `{"unreachable":["127.0.0.1:1"]}`)
	there.tells(theirs("one", 1, "allow"))
	assert.Equal(t, "one", s.decision(t)["request_id"])
	there.events <- "event: dropped\ndata: {\"missed\":7}\n\n"
	name, data := s.next(t)
	assert.Equal(t, "dropped", name)
	assert.JSONEq(t, `{"missed":7}`, data)
	there.events <- "event: decision\ndata: {\"time\":\n\n"
	s.unreachable(t, `{"unreachable":["127.0.0.1:1","`+there.addr+`"]}`)
	assert.Regexp(t, there.addr, d.follow(t, "").first(t), "one that begins later hears it too")
}

// What others decide counts among the hundred, and has its part of them.
func TestAFloodOfOthersIsBoundedToo(t *testing.T) {
	there := streams(t, "there")
	d := openAmong(t, []string{there.addr})
	s := d.follow(t, "")
	for n := range 400 {
		there.tells(theirs(fmt.Sprint("r", n), 1+n%9, "allow"))
	}
	began := time.Now()
	sent := s.sentOf(t, 400)
	assert.GreaterOrEqual(t, sent, 50)
	assert.LessOrEqual(t, float64(sent), 110+100*time.Since(began).Seconds())
}

// What is kept for others and they do not use is not taken away from this instance, nor the
// other way round.
func TestWhatOthersLeaveOfAStreamIsOfUse(t *testing.T) {
	for _, burst := range []struct{ here, there, sent int }{{60, 0, 60}, {0, 60, 60}, {60, 40, 100}, {30, 70, 100}} {
		ring := recent.NewRing(recent.RingSettings{Keep: 10_000, Rules: 1, Instance: "here", Start: velocity.TimeOf(doortest.Morning)})
		there := streams(t, "there")
		d := openAmong(t, []string{there.addr}, func(s *doortest.Setup) { s.Ring = ring })
		s := d.follow(t, "")
		for n := range burst.there {
			there.tells(theirs(fmt.Sprint("r", n), 1+n%9, "allow"))
		}
		flood(ring, burst.here)
		assert.Equal(t, burst.sent, s.sentOf(t, burst.here+burst.there), burst)
	}
}

// first is the data of the next event.
func (s *stream) first(t testing.TB) string {
	t.Helper()
	_, data := s.next(t)
	return data
}

func TestAPeersDecisionsAreTakenAsItsOwn(t *testing.T) {
	there := streams(t, "there")
	d := openAmong(t, []string{there.addr})
	s := d.follow(t, "")
	one := theirs("one", 1, "allow")
	there.tells(strings.Replace(one, `"there"`, `"web-1"`, 1), strings.Replace(one, `"there"`, `"elsewhere"`, 1))
	assert.Equal(t, "there", s.decision(t)["instance"], "one that bears this instance's id is dropped")
}

// Its proof was for opening it.
func TestAStreamToAnotherInstanceLastsForAMinute(t *testing.T) {
	t.Parallel()
	operator.LetPeerStreamsLast(t, 2*time.Second)
	d := openAmong(t, []string{"127.0.0.1:1"})
	const target = "/v1/decisions/stream?scope=this"
	c := d.Dial(t)
	c.Send(doortest.Raw("GET "+target, "", withProof(t, "GET", target)))
	response, err := http.ReadResponse(c.R, nil)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	assert.Regexp(t, `^here \S+$`, response.Header.Get(proof.InstanceHeader))
	began := time.Now()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(began), 1900*time.Millisecond, "no recheck takes the proof for a replay")
	assert.Regexp(t, "^event: begun\ndata: {\"number\":[0-9]+}\n\n: decisions\n\n(:\n\n){2,}$", string(body))
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions/stream?after=1", ""), 400, "field_unknown", "after")
}

// A stream that ended goes on where it was, and nothing is lost between.
func TestAStreamToAnotherInstanceGoesOn(t *testing.T) {
	there := open(t, nil, func(s *doortest.Setup) { s.Guard.Peers, s.Settings.Instance = peerKeys(t), "there 1" })
	var last uint64
	for n := range 3 {
		there.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`, fmt.Sprintf("X-Request-ID: r%d", n))
	}
	follow := func(target string) *stream {
		c := there.Dial(t)
		c.Send(doortest.Raw("GET "+target, "", withProof(t, "GET", target)))
		response, err := http.ReadResponse(c.R, nil)
		require.NoError(t, err)
		require.Equal(t, 200, response.StatusCode)
		return begunAfter(t, c, response)
	}
	s := follow("/v1/decisions/stream?scope=this&after=1")
	name, _ := s.next(t)
	require.Equal(t, "begun", name)
	s.next(t)
	for n := range 2 {
		_, data := s.next(t)
		var d struct {
			RequestID string `json:"request_id"`
			Number    uint64
		}
		require.NoError(t, json.Unmarshal([]byte(data), &d))
		assert.Equal(t, fmt.Sprintf("r%d", n), d.RequestID, "of a run before: from the beginning")
		last = d.Number
	}
	s = follow(fmt.Sprintf("/v1/decisions/stream?scope=this&after=%d", last))
	_, data := s.next(t)
	assert.Equal(t, fmt.Sprintf(`{"number":%d}`, last), data)
	s.next(t)
	assert.Equal(t, "r2", s.decision(t)["request_id"])
}

// What keeps none of its decisions has none to send, and is not away.
func TestAnInstanceWithoutARingIsFollowed(t *testing.T) {
	there := open(t, nil, func(s *doortest.Setup) {
		s.Ring, s.Guard.Peers = nil, peerKeys(t)
		itself := peers.New(peers.Settings{Instance: "there", Keys: peerKeys(t)})
		t.Cleanup(itself.Close)
		s.Settings.Instance = itself.Header()
	})
	d := openAmong(t, []string{there.Addr()})
	s := d.follow(t, "")
	there.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`)
	d.checkOver(t, `{"ip":"203.0.113.9","card_id":"a"}`, "X-Request-ID: here")
	assert.Equal(t, "here", s.decision(t)["request_id"], "and no event unreachable before it")
}
