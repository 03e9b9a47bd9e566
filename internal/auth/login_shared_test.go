package auth_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/turns"
)

// counting counts the reads of a store.
type counting struct {
	session.Store
	mu    sync.Mutex
	reads int
}

func (s *counting) Get(key string, now time.Time, turn *turns.Turn) ([]byte, uint64, error) {
	s.mu.Lock()
	s.reads++
	s.mu.Unlock()
	return s.Store.Get(key, now, turn)
}

// testStore is a store on a client of its own, watched as that of the program.
func testStore(t testing.TB, budget time.Duration, servers ...string) *session.Memcached {
	client, err := memcached.New(memcached.Settings{Servers: servers, Budget: budget, Canary: "canary"})
	require.NoError(t, err)
	client.Watch(nil)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return session.NewMemcached(client, turns.New(turns.Settings{Turns: 64, Answer: budget, Budget: budget}))
}

// two instances share one real memcached.
func two(t *testing.T, change ...func(*session.Settings)) (a, b *instance, server *testbed.TestMemcached) {
	t.Helper()
	settings := issuing
	for _, c := range change {
		c(&settings)
	}
	server = testbed.StartMemcached(t)
	join := func() *instance {
		store := testStore(t, time.Second, server.Addr)
		return newInstance(t, &counting{Store: store}, settings)
	}
	return join(), join(), server
}

// awaitStore waits until the store answers again.
func (i *instance) awaitStore() {
	require.Eventually(i.t, func() bool {
		_, _, err := i.store.(*counting).Store.Get("nothing", i.now, &turns.Turn{Class: turns.LookUp})
		return err == session.ErrMissing
	}, 10*time.Second, time.Millisecond)
}

// both lets time pass for both instances.
func both(a, b *instance, d time.Duration) {
	a.after(d)
	b.after(d)
}

func TestTokensOfOneInstanceAreGoodAtTheOther(t *testing.T) {
	a, b, _ := two(t)
	issued, cookie := a.login("checkout", "open sesame")
	assert.Equal(t, "checkout", b.ask(bearing(issued.Access)))
	assert.Equal(t, "checkout", b.ask(cookie))
	next, err := b.Refresh(b.request(), issued.Refresh)
	require.NoError(t, err)
	assert.Equal(t, "checkout", a.ask(bearing(next.Access)))
	_, err = a.Refresh(a.request(), issued.Refresh)
	assert.Equal(t, auth.TokenInvalid, err, "it was used at the other")
	both(a, b, time.Second)
	assert.Equal(t, "token_invalid", b.ask(bearing(next.Access)))
}

func TestALogoutHoldsAtOtherInstancesWithinASecond(t *testing.T) {
	a, b, _ := two(t)
	issued, cookie := a.login("checkout", "open sesame")
	require.Equal(t, "checkout", b.ask(bearing(issued.Access)))
	require.NoError(t, a.Logout(a.request(bearing(issued.Access)), ""))
	assert.Equal(t, "token_invalid", a.ask(bearing(issued.Access)), "here at once")
	b.after(time.Second)
	assert.Equal(t, "token_invalid", b.ask(bearing(issued.Access)))
	assert.Equal(t, "token_invalid", b.ask(cookie))
}

func TestATokenCostsOneReadOfTheStoreASecond(t *testing.T) {
	a, b, _ := two(t)
	issued, _ := a.login("checkout", "open sesame")
	store := b.store.(*counting)
	b.Observe = nil
	for range 3 {
		before := store.reads
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				_, err := b.Authenticate(b.request(bearing(issued.Access)))
				assert.NoError(t, err)
			})
		}
		all.Wait()
		assert.Equal(t, before+1, store.reads)
		b.after(time.Second)
	}
}

func TestTheOldestLoginEndsWhicheverInstanceBeganIt(t *testing.T) {
	a, b, _ := two(t)
	var issued []*auth.Tokens
	for n := range 5 {
		tokens, _ := []*instance{a, b}[n%2].login("checkout", "open sesame")
		issued = append(issued, tokens)
	}
	for n, want := range []string{"token_invalid", "token_invalid", "checkout", "checkout", "checkout"} {
		both(a, b, time.Second)
		assert.Equal(t, want, a.ask(bearing(issued[n].Access)), n)
		assert.Equal(t, want, b.ask(bearing(issued[n].Access)), n)
	}
}

func TestConcurrentLoginsLeavePerUserAlive(t *testing.T) {
	a, b, _ := two(t)
	a.Observe, b.Observe = nil, nil
	tokens := make([]*auth.Tokens, 24)
	var all sync.WaitGroup
	for n := range tokens {
		i := []*instance{a, b}[n%2]
		all.Go(func() {
			var err error
			tokens[n], err = i.Login(i.request(), "checkout", "open sesame")
			assert.NoError(t, err)
		})
	}
	all.Wait()
	both(a, b, time.Second)
	alive := 0
	for _, issued := range tokens {
		require.NotEmpty(t, issued.Refresh)
		if b.ask(bearing(issued.Access)) == "checkout" {
			alive++
		}
	}
	assert.Equal(t, issuing.PerUser, alive)
}

func TestConcurrentRefreshesOfOneTokenRevokeTheLogin(t *testing.T) {
	a, b, _ := two(t)
	a.Observe, b.Observe = nil, nil
	issued, _ := a.login("checkout", "open sesame")
	next := make([]*auth.Tokens, 8)
	var all sync.WaitGroup
	for n := range next {
		i := []*instance{a, b}[n%2]
		all.Go(func() { next[n], _ = i.Refresh(i.request(), issued.Refresh) })
	}
	all.Wait()
	both(a, b, time.Second)
	fresh := 0
	for _, tokens := range next {
		if tokens != nil {
			fresh++
			_, err := b.Refresh(b.request(), tokens.Refresh)
			assert.Equal(t, auth.TokenInvalid, err)
			assert.Equal(t, "token_invalid", a.ask(bearing(tokens.Access)))
		}
	}
	assert.LessOrEqual(t, fresh, 1)
}

func TestUseAtOneInstanceProlongsTheSessionAtTheOther(t *testing.T) {
	a, b, _ := two(t)
	_, cookie := a.login("checkout", "open sesame")
	for range 4 {
		both(a, b, 55*time.Minute)
		require.Equal(t, "checkout", a.ask(cookie))
		require.Equal(t, "checkout", b.ask(cookie))
	}
	for range 12 { // used all the time, written now and then
		both(a, b, 10*time.Minute)
		require.Equal(t, "checkout", a.ask(cookie))
	}
	both(a, b, 58*time.Minute)
	assert.Equal(t, "checkout", b.ask(cookie))
}

func TestWhatIsGoodWhileTheStoreDoesNotAnswer(t *testing.T) {
	a, b, server := two(t)
	known, cookie := a.login("checkout", "open sesame")
	require.Equal(t, "checkout", a.ask(cookie))
	server.Kill()
	both(a, b, time.Second)

	assert.Equal(t, "checkout", a.ask(bearing(known.Access)), "an access token is judged by its signature")
	assert.Equal(t, "checkout", b.ask(bearing(known.Access)))
	assert.Equal(t, "checkout", a.ask(cookie), "a session known here")
	assert.Equal(t, "store_unreachable", b.ask(cookie), "one that is not")
	_, err := a.Refresh(a.request(), known.Refresh)
	assert.Equal(t, auth.Unavailable, err)
	issued, err := a.Login(a.request(), "checkout", "open sesame")
	require.NoError(t, err)
	assert.Equal(t, "checkout", b.ask(bearing(issued.Access)))
	assert.Empty(t, issued.Refresh)
	assert.Empty(t, issued.Cookie)

	both(a, b, 58*time.Second)
	assert.Equal(t, "checkout", a.ask(cookie))
	both(a, b, time.Second)
	assert.Equal(t, "store_unreachable", a.ask(cookie), "for a minute")
	both(a, b, 29*time.Minute)
	assert.Equal(t, "token_expired", a.ask(bearing(known.Access)))
	assert.Positive(t, a.observed["token ok_local"])
	assert.Positive(t, a.observed["session ok_local"])
	assert.Positive(t, a.observed["session store_unreachable"])
	assert.Positive(t, a.observed["refresh store_unreachable"])
	assert.Positive(t, a.observed["login ok_local"])
}

func TestAStoreThatLostItsMemoryEndsSessionsAndRevivesNoLogin(t *testing.T) {
	a, b, server := two(t)
	gone, goneCookie := a.login("checkout", "open sesame")
	left, leftCookie := a.login("checkout", "open sesame")
	require.NoError(t, a.Logout(a.request(bearing(gone.Access)), ""))
	require.Equal(t, "token_invalid", b.ask(goneCookie), "both have learnt of it")
	server.Kill()
	server.Start()
	a.awaitStore() // a busy machine may have given it up
	b.awaitStore()
	both(a, b, time.Second)
	for _, i := range []*instance{a, b} {
		assert.Equal(t, "token_invalid", i.ask(leftCookie))
		_, err := i.Refresh(i.request(), left.Refresh)
		assert.Equal(t, auth.TokenInvalid, err)
		assert.Equal(t, "token_invalid", i.ask(bearing(gone.Access)))
		assert.Equal(t, "token_invalid", i.ask(goneCookie))
		assert.Equal(t, "checkout", i.ask(bearing(left.Access)), "nothing is known against it")
	}
}

func TestRevocationsAreWrittenToTheStoreAgain(t *testing.T) {
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	tests := []struct {
		name string
		lose func(a *instance, server *testbed.TestMemcached, token string)
	}{
		{"after the store lost it", func(a *instance, server *testbed.TestMemcached, token string) {
			require.NoError(a.t, a.Logout(a.request(bearing(token)), ""))
			server.Kill()
			server.Start()
		}},
		{"after a logout that the store did not hear of", func(a *instance, server *testbed.TestMemcached, token string) {
			server.Hang()
			require.Equal(a.t, auth.Unavailable, a.Logout(a.request(bearing(token)), ""))
			require.Equal(a.t, "token_invalid", a.ask(bearing(token)), "here it holds")
			server.Resume()
			a.awaitStore()
			a.after(time.Second)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b, server := two(t)
			issued, cookie := a.login("checkout", "open sesame")
			tt.lose(a, server, issued.Access)
			a.Logins.StoreRevocations(a.now)
			b.now = a.now
			assert.Equal(t, "token_invalid", b.ask(bearing(issued.Access)), "who has not heard of it does now")
			assert.Equal(t, "token_invalid", b.ask(cookie))
		})
	}
}

// The one who is asked has issued nothing itself, and the store comes back knowing
// what it knew.
func TestALogoutThatWasNotStoredIsKeptUntilTheLoginWouldEnd(t *testing.T) {
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	for _, by := range []string{"token", "session"} {
		t.Run(by, func(t *testing.T) {
			a, b, server := two(t, func(s *session.Settings) { s.SessionTimeout = 24 * time.Hour })
			issued, cookie := a.login("checkout", "open sesame")
			line := bearing(issued.Access)
			if by == "session" {
				line = cookie
			}
			server.Hang()
			require.Equal(t, auth.Unavailable, b.Logout(b.request(line, "Sec-Fetch-Site: same-origin"), ""))
			both(a, b, 22*time.Hour)
			b.Logins.StoreRevocations(b.now)
			require.Equal(t, "token_invalid", b.ask(cookie))
			server.Resume()
			a.awaitStore()
			b.awaitStore()
			both(a, b, time.Hour)
			require.Equal(t, "checkout", a.ask(cookie), "nobody has told it")
			b.Logins.StoreRevocations(b.now)
			a.after(time.Second)
			assert.Equal(t, "token_invalid", a.ask(cookie))
			_, err := a.Refresh(a.request(), issued.Refresh)
			assert.Equal(t, auth.TokenInvalid, err)
			b.after(31 * time.Minute)
			b.Logins.StoreRevocations(b.now)
			assert.Equal(t, "token_invalid", b.ask(cookie), "the store knows it now, or nothing of it")
		})
	}
}

func TestSlidingProlongsOnlyWhatTheStoreConfirms(t *testing.T) {
	for _, what := range []string{"away", "empty"} {
		t.Run(what, func(t *testing.T) {
			a, b, server := two(t, func(s *session.Settings) { s.Sliding = true })
			issued, _ := a.login("checkout", "open sesame")
			both(a, b, 20*time.Minute)
			fresh := func() string {
				r := b.request(bearing(issued.Access))
				_, err := b.Authenticate(r)
				require.NoError(t, err)
				return r.Grant.Fresh
			}
			require.NotEmpty(t, fresh())
			server.Kill()
			if what == "empty" {
				server.Start()
			}
			both(a, b, time.Second)
			assert.Empty(t, fresh())
		})
	}
}
