package browser

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// One of two instances is killed: every page goes on, the one that is open, too, and says whose
// part is missing.
func TestAnInstanceThatDoesNotAnswerIsNamed(t *testing.T) {
	s := open(t, 2)
	s.attack(address, 6)
	s.check(1, address, "at the other")
	b := s.console(0, "olga", "/console")
	b.until("document.querySelectorAll('tbody tr').length === 7") // of both
	away := s.instances[1].Operators
	missing := "Not answering, so their part is missing: " + away + "."
	s.instances[1].Kill()
	b.see(missing)
	s.check(0, "198.51.100.77", "later")
	b.see("198.51.100.77")
	for _, page := range []string{"/console", "/console/blocked", "/console/overrides", "/console/trends", "/console/about"} {
		b.open(page)
		b.see(missing)
	}
	b.see("no: ")
	b.open("/console/address/203.0.113.7")
	b.see("Blocked by cards_per_ip")
	b.see(missing)
	b.button("Let go")
	b.see("What was counted is forgotten")
	b.see("Allowed, nothing is counted.")
	assert.Equal(t, "allow", s.check(0, address, "after it"))
	b.quiet()
}

// The service is away: an open page says so once, with the time of what it shows, and takes it
// back when there is an answer.
func TestTheServiceIsAway(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 6)
	to, err := url.Parse("http://" + s.instances[0].Operators)
	require.NoError(t, err)
	var isAway atomic.Bool
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isAway.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer server.CloseClientConnections()
	b := s.tab(0)
	b.base = server.URL
	b.open("/console")
	b.signIn("ana")
	for _, page := range []struct{ path, shows string }{
		{"/console", "live"}, {"/console/blocked", "1 IP address"}, {"/console/overrides", "There is none."},
		{"/console/trends", "Decisions"}, {"/console/address/203.0.113.7", "Blocked by cards_per_ip"},
	} {
		b.open(page.path)
		b.see(page.shows)
		b.there(".verdict, .counts, .plot")
		isAway.Store(true)
		server.CloseClientConnections()
		b.see("The service does not answer. This page shows what was known at ")
		assert.Equal(t, 1, eval[int](b, "document.body.innerText.split('not answer').length - 1"), page.path)
		assert.False(t, b.shows("There is no live connection"), page.path)
		if page.path == "/console" {
			b.lookAt("live-away")
		}
		isAway.Store(false)
		b.until("!document.body.innerText.includes('not answer')")
		if page.path == "/console" {
			b.until("document.querySelector('.state').innerText === 'live'")
			assert.False(t, b.shows("There is no live connection"))
		}
	}
	b.quiet()
}

// memcached is away: what this instance knows is shown as that, and a change says who has
// not heard of it.
func TestTheStoreIsAway(t *testing.T) {
	s := open(t, 2)
	s.attack(address, 6)
	b := s.console(0, "ana", "/console/address/203.0.113.7")
	b.see("Blocked by cards_per_ip")
	s.memcached.Kill()
	b.see("The shared store does not answer. This is what this instance knows.")
	b.button("Let go")
	b.see("forgotten by this instance only")
	s.memcached.Start()
	b.until("!document.body.innerText.includes('The shared store does not answer.')")
	b.quiet()
}

// Two tabs of one browser have one stream, which the other takes over when its tab is closed.
func TestABrowserHasOneStream(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console")
	b.see("live")
	second, err := chromedp.CallBrowser(b.ctx, target.CreateTarget, target.CreateTargetParams{URL: "about:blank", BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID})
	require.NoError(t, err)
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithTargetID(second.TargetID))
	defer end()
	require.NoError(t, chromedp.Do(ctx)) // it ends with the context of what is done first
	other := &tab{t: t, ctx: ctx, base: b.base}
	other.size(1280, 900)
	other.open("/console")
	other.see("live")
	assert.Equal(t, 0, eval[int](other, "performance.getEntriesByType('resource').filter((e) => e.name.includes('/stream')).length"))
	s.check(0, address, "1")
	b.see("203.0.113.7")
	other.see("203.0.113.7")
	b.button("About") // this tab reads no more
	s.check(0, "203.0.113.8", "2")
	other.see("203.0.113.8")
}

// All streams are in use: the page says so and asks every three seconds.
func TestWithoutAStreamThePageAsks(t *testing.T) {
	s := open(t, 1)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	for range 64 {
		request, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.instances[0].Operators+"/v1/decisions/stream", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", testbed.Basic("ana", password))
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.Equal(t, 200, response.StatusCode)
		defer response.Body.Close()
	}
	b := s.console(0, "ana", "/console")
	b.see("There is no live connection (there are 64 streams already, try again later). This page asks every 3 seconds.")
	s.check(0, address, "1")
	b.untilIn(10*time.Second, "document.body.innerText.includes('203.0.113.7')")
	end()
	b.until("document.querySelector('.state').innerText.includes('live')") // once there is room
}

// A caller that follows decisions and stops reading is given up within ten seconds. Checks and
// other pages do not notice.
func TestWhoStopsReadingIsGivenUp(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console")
	b.see("live")
	asleep, err := net.Dial("tcp", s.instances[0].Operators)
	require.NoError(t, err)
	defer asleep.Close()
	require.NoError(t, asleep.(*net.TCPConn).SetReadBuffer(4096)) // so that it is soon full
	_, err = fmt.Fprintf(asleep, "GET /v1/decisions/stream HTTP/1.1\r\nHost: console\r\nAuthorization: %s\r\nX-Request-ID: asleep\r\n\r\n", testbed.Basic("ana", password))
	require.NoError(t, err)
	caller := token(t, strings.Repeat("x", 1000)) // whose name is in each decision
	ended := func() bool {
		return strings.Contains(s.instances[0].Stdout.String()+s.instances[0].Stderr.String(), "request=asleep")
	}
	last := ""
	start := time.Now()
	for n := 0; !ended(); n++ {
		require.Less(t, time.Since(start), 15*time.Second)
		last = shopper(n)
		began := time.Now()
		status, _ := s.ask(s.instances[0].Addr, caller, "POST", "/v1/check", map[string]string{"ip": last, "card_id": fmt.Sprint("tok_", n), "expiry": "12/30"})
		require.Equal(t, 200, status)
		require.Less(t, time.Since(began), 2*time.Second)
		if n%50 == 0 {
			b.see(last)
		}
		require.NoError(t, testbed.Pause(t.Context(), 8*time.Millisecond))
	}
	t.Log("given up after", time.Since(start))
	assert.Less(t, time.Since(start), 12*time.Second, "ten seconds, and two until its socket is full")
	b.see(last)
	assert.Equal(t, "live", eval[string](b, "document.querySelector('.state').innerText"))
	b.quiet()
}

// However fast decisions come, the page changes at most 20 times a second, and holds still
// when it is told to.
func TestTheLivePageChangesAtMostTwentyTimesASecond(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console")
	b.see("live")
	eval[any](b, "(() => { window.changes = []; new MutationObserver(() => window.changes.push(performance.now())).observe(document.querySelector('.counts'), { childList: true, subtree: true, characterData: true }); })(), null")
	// On a busy machine the page changes less often: until there is something to judge.
	for i := 0; i < 300 || eval[int](b, "window.changes.length") <= 42; i++ {
		s.check(0, "198.51.100.2"+string(rune('1'+i%9)), string(rune('a'+i%26)))
		require.NoError(t, testbed.Pause(t.Context(), 10*time.Millisecond)) // slower than what is too fast
	}
	b.see("Since you came: ")
	b.until("document.querySelectorAll('tbody tr').length >= 150")
	fastest := eval[float64](b, "window.changes.slice(21).reduce((least, at, i) => Math.min(least, at - window.changes[i]), 1e9)")
	assert.GreaterOrEqual(t, fastest, 950.0, "ms for 21 changes")

	b.button("Pause")
	before := eval[string](b, "document.querySelector('tbody').innerText")
	s.check(0, "198.51.100.41", "later")
	b.see("Go on (1 new)")
	assert.Equal(t, before, eval[string](b, "document.querySelector('tbody').innerText"))
	b.button("Go on (1 new)")
	b.see("198.51.100.41")
	b.quiet()
}

// To send each decision to each console would cost more than to check. Of a flood a page
// asks for the newest.
func TestAFloodIsShownByItsNewest(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console")
	b.see("live")
	var flood sync.WaitGroup
	for caller := range 8 {
		flood.Go(func() {
			for i := range 400 {
				s.check(0, fmt.Sprintf("2001:db8:%x:%x::1", caller, i%250), fmt.Sprint(i))
			}
		})
	}
	flood.Wait()
	b.see("Decisions come faster than a page can show them.")
	b.see("More came than can be shown; Trends counts them all.")
	s.check(0, address, "after it")
	b.until("document.querySelector('tbody tr')?.innerText.includes('203.0.113.7')")
	b.until("document.querySelector('.state').innerText.includes('live')")
	b.until("!document.body.innerText.includes('faster than a page')")
	b.quiet()
}
