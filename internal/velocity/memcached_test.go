package velocity_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// An instance is a checker on a shared store, and what it did there.
type instance struct {
	*velocity.Checker
	store *velocity.Memcached
	t     *testing.T
	clock atomic.Int64 // milliseconds; it goes on only when the test says so

	mu       sync.Mutex
	results  map[string]int // "op result"
	observed atomic.Pointer[func(op string)]
}

func newInstance(t *testing.T, budget time.Duration, servers ...string) *instance {
	i := &instance{t: t, results: make(map[string]int)}
	i.clock.Store(int64(velocitytest.Start))
	local, err := velocity.NewMemory(1 << 20)
	require.NoError(t, err)
	i.store = velocitytest.NewMemcached(t, local, memcached.Settings{
		Servers: servers, Budget: budget,
		Observe: func(_, op string, result memcached.Result, _ time.Duration) {
			if f := i.observed.Load(); f != nil {
				(*f)(op)
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			i.results[op+" "+string(result)]++
		},
	})
	i.Checker = velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, i.store)
	i.store.Watch(i.Checker.Plan, i.now)
	i.store.Client.Await(patient)
	return i
}

func (i *instance) now() velocity.Time { return velocity.Time(i.clock.Load()) }

// show returns the count, and whether it is of this instance's own knowledge.
func (i *instance) show(ip string, card int) (count int, degraded bool) {
	var d velocity.Decision
	a := velocitytest.Attempt(i.t, ip, card)
	i.Check(&a, i.now(), nil, &d)
	return d.Rules[0].Count, d.Degraded
}

func (i *instance) requireShared(ip string, card, want int) {
	i.t.Helper()
	count, degraded := i.show(ip, card)
	require.False(i.t, degraded)
	require.Equal(i.t, want, count)
}

func (i *instance) requireAlone(ip string, card, want int) {
	i.t.Helper()
	count, degraded := i.show(ip, card)
	require.True(i.t, degraded)
	require.Equal(i.t, want, count)
}

// awaitServer waits until the server is used.
func (i *instance) awaitServer() {
	i.t.Helper()
	require.Eventually(i.t, func() bool { return velocity.Trusted(i.store) }, patient, time.Millisecond)
}

// requireSoonShared shows the card until the answer is not degraded.
func (i *instance) requireSoonShared(ip string, card, want int) {
	i.t.Helper()
	for deadline := time.Now().Add(patient); ; {
		count, degraded := i.show(ip, card)
		if !degraded {
			require.Equal(i.t, want, count, ip)
			return
		}
		require.True(i.t, time.Now().Before(deadline), "still degraded")
	}
}

func (i *instance) did(what string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.results[what]
}

const (
	patient = 10 * time.Second
	ip      = "203.0.113.7"
)

func TestAnInstanceAnswersFromItsCopyAndMergesItBack(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)
	a.requireShared(ip, 1, 1)
	b.requireShared(ip, 2, 2)
	a.requireShared(ip, 3, 3)

	server.Kill()
	a.requireAlone(ip, 4, 4)
	a.requireAlone(ip, 5, 5)
	b.requireAlone(ip, 6, 3) // b last read two cards

	server.Start() // empty
	b.requireSoonShared(ip, 6, 3)
	a.requireSoonShared(ip, 4, 6)
	b.requireShared(ip, 1, 6)
}

func TestForgottenStaysForgottenOnEveryInstance(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)
	for card := range 6 {
		a.requireShared(ip, card, card+1)
		b.requireShared(ip, card, card+1)
	}
	attempt := velocitytest.Attempt(t, ip, 0)
	require.True(t, a.Forget(&attempt, "ip", velocitytest.Start))
	b.clock.Add(1000)         // until then it may answer what it read before
	b.requireShared(ip, 7, 1) // with six cards in its own copy
	a.requireShared(ip, 8, 2)

	// Also what was forgotten while the server was away, and came back empty.
	server.Kill()
	require.False(t, a.Forget(&attempt, "ip", velocitytest.Start), "others have not heard")
	server.Start()
	b.requireSoonShared(ip, 7, 1)
	a.requireSoonShared(ip, 9, 2)
	b.requireShared(ip, 9, 2)
}

func TestAfterARestartAnswersAreDegradedForASecond(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a := newInstance(t, patient, server.Addr)
	var all sync.WaitGroup
	for n := range 16 { // connections to go stale
		all.Go(func() { a.show("198.51.100.1", n) })
		all.Go(func() { a.show("198.51.100.2", n) })
	}
	all.Wait()
	killed := time.Now()
	server.Kill()
	server.Start()
	restarted := time.Now()
	count, degraded := a.show(ip, 1)
	require.Equal(t, 1, count)
	require.True(t, degraded || time.Since(killed) > 500*time.Millisecond, "a busy machine may have been so long about it")
	a.awaitServer()
	a.requireShared(ip, 1, 1)
	t.Logf("degraded for %v", time.Since(restarted))
	require.Less(t, time.Since(restarted), 3*time.Second) // on a busy machine
}

func TestAServerThatHangsIsWaitedForNoLongerThanTheBudget(t *testing.T) {
	server := testbed.StartMemcached(t)
	a := newInstance(t, 50*time.Millisecond, server.Addr)
	a.requireSoonShared(ip, 1, 1)
	server.Hang()
	began := time.Now()
	a.requireAlone(ip, 2, 2)
	require.Less(t, time.Since(began), 5*time.Second)
	server.Resume()
	require.Eventually(t, func() bool {
		count, degraded := a.show(ip, 2)
		return !degraded && count == 2
	}, patient, 10*time.Millisecond)
}

func TestAForgedValueIsAFaultAndNoCount(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)
	attempt := velocitytest.Attempt(t, ip, 0)
	raw := memcache.New(server.Addr)
	key := velocity.ItemKeyOf(a.store, a.Checker, &attempt)
	for n, forged := range [][]byte{nil, []byte("x"), []byte("no record of ours, but as long as one"), make([]byte, 900_000)} {
		require.NoError(t, raw.Set(&memcache.Item{Key: key, Value: forged}))
		a.requireShared(ip, 1, 1)
		require.Equal(t, n+1, a.did("get fault")+b.did("get fault"))
		b.requireShared(ip, 1, 1) // it was replaced
	}

	// Nor is another address's record one.
	other := velocitytest.Attempt(t, "203.0.113.8", 0)
	for card := range 6 {
		a.show("203.0.113.8", card)
	}
	item, err := raw.Get(velocity.ItemKeyOf(a.store, a.Checker, &other))
	require.NoError(t, err)
	require.NoError(t, raw.Set(&memcache.Item{Key: key, Value: item.Value}))
	a.requireShared(ip, 1, 1)

	// Nor is what a knows, with another check behind it.
	item, err = raw.Get(key)
	require.NoError(t, err)
	item.Value[len(item.Value)-1]++
	require.NoError(t, raw.Set(item))
	faults := a.did("get fault")
	a.requireShared(ip, 2, 2)
	require.Equal(t, faults+1, a.did("get fault"))
}

func TestARecordOfANewerVersionIsNotOverwritten(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newInstance(t, patient, server.Addr)
	attempt := velocitytest.Attempt(t, ip, 0)
	raw := memcache.New(server.Addr)
	newer := &memcache.Item{Key: velocity.ItemKeyOf(a.store, a.Checker, &attempt), Value: velocity.OfNewerVersion(a.store, a.Checker, &attempt)}
	require.NoError(t, raw.Set(newer))
	a.requireAlone(ip, 1, 1)
	a.requireAlone(ip, 2, 2)
	item, err := raw.Get(newer.Key)
	require.NoError(t, err)
	require.Equal(t, newer.Value, item.Value)
}

func TestAnAttackCostsFewRoundTrips(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newInstance(t, patient, server.Addr)
	var all sync.WaitGroup
	const checks = 640
	for n := range 64 {
		all.Go(func() {
			for m := range checks / 64 {
				a.show(ip, n*100+m)
			}
		})
	}
	all.Wait()
	trips := a.trips()
	t.Logf("%d checks, %d round trips", checks, trips)
	require.Less(t, trips, checks, "updates that meet go together")
}

func TestAUnixSocketServesToo(t *testing.T) {
	t.Parallel()
	socket := t.TempDir() + "/memcached"
	server := testbed.StartMemcached(t)
	ln, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go forward(ln, server.Addr)
	newInstance(t, patient, socket).requireShared(ip, 1, 1)
	newInstance(t, patient, server.Addr).requireShared(ip, 2, 2)
}

func forward(ln net.Listener, to string) {
	for {
		from, err := ln.Accept()
		if err != nil {
			return
		}
		c, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(c, from) }()
		go func() { _, _ = io.Copy(from, c) }()
	}
}

// Records stay where they are from one version to the next.
func TestRecordsAreOnTheServersWhereTheyWere(t *testing.T) {
	m := velocitytest.NewMemcached(t, nil, memcached.Settings{Servers: []string{"a:1", "b:1", "c:1"}})
	got := ""
	for i := range 24 {
		got += string("abc"[velocity.ServerOf(m, velocity.Key{byte(i), byte(i >> 8), 7})])
	}
	require.Equal(t, "aabccbabaaacccbcabccccca", got)
}

func TestLongWindowsAreAPointInTimeToMemcached(t *testing.T) {
	now := velocitytest.Start
	require.EqualValues(t, 3600+61, velocity.ExpiryOf(time.Hour, now))
	require.EqualValues(t, int64(now)/1000+720*3600+61, velocity.ExpiryOf(velocity.MaxWindow, now))
}

func TestWhileAServerIsDownNobodyWaitsForIt(t *testing.T) {
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a := newInstance(t, 50*time.Millisecond, server.Addr)
	a.requireSoonShared(ip, 1, 1)
	server.Hang()
	for n := 2; n < 10; n++ {
		a.requireAlone(ip, n, min(n, 6))
	}
	before := a.did("get timeout")
	for n := range 10_000 {
		a.requireAlone(ip, n%10, 6)
	}
	require.Equal(t, before, a.did("get timeout"), "only the probe asks")

	server.Resume()
	require.Eventually(t, func() bool {
		_, degraded := a.show(ip, 1)
		return !degraded
	}, patient, 10*time.Millisecond)
}

func TestWhatToAnswerWithoutTheStoreIsForTheOperatorToSay(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	for _, o := range []velocity.Outcome{velocity.Allow, velocity.Block} {
		server := testbed.StartMemcached(t)
		a := newInstance(t, patient, server.Addr)
		a.OnFailure(o)
		attempt := velocitytest.Attempt(t, ip, 1)
		var d velocity.Decision
		a.Check(&attempt, velocitytest.Start, nil, &d)
		require.Equal(t, velocity.Allow, d.Outcome)
		require.Empty(t, d.Reasons)

		server.Kill()
		for card := range 9 {
			attempt = velocitytest.Attempt(t, ip, card)
			a.Check(&attempt, velocitytest.Start, nil, &d)
			require.Equal(t, o, d.Outcome)
			require.Equal(t, []string{"store_failure"}, d.Reasons)
			require.True(t, d.Degraded)
		}
		require.Equal(t, 6, d.Rules[0].Count, "it was counted all the same")
		server.Start()
		require.Eventually(t, func() bool {
			a.Check(&attempt, velocitytest.Start, nil, &d)
			return !d.Degraded
		}, patient, 10*time.Millisecond)
		require.Equal(t, []string{"cards_per_ip"}, d.Reasons)
	}
}

// While rules change from instance to instance, none cuts another's memory short.
func TestAnInstanceWithoutTheRuleKeepsWhatOthersCount(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newInstance(t, patient, server.Addr)
	a.show(ip, 1)
	attempt := velocitytest.Attempt(t, ip, 2)
	brief := velocity.DefaultRule
	brief.Name, brief.Count, brief.Window = "brief", "attempts", time.Second
	b := newInstance(t, patient, server.Addr)
	plan, err := velocity.NewPlan([]velocity.Rule{brief}, 64)
	require.NoError(t, err)
	b.Replace(plan)
	var d velocity.Decision
	for _, step := range []func(){
		func() { b.Check(&attempt, velocitytest.Start, nil, &d) },
		func() { require.True(t, b.Forget(&attempt, "ip", velocitytest.Start)) },
		func() { b.Check(&attempt, velocitytest.Start, nil, &d) },
	} {
		step()
		require.Greater(t, server.SecondsLeft(velocity.ItemKeyOf(a.store, a.Checker, &attempt)), 3600)
	}
}

// The clocks of instances are never quite the same.
func TestInstancesHalfAMinuteApartCountAsOne(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	instances := []*instance{newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)}
	show := func(i, card int, at time.Duration) velocity.Decision {
		var d velocity.Decision
		a := velocitytest.Attempt(t, ip, card)
		skew := time.Duration(i) * 30 * time.Second
		instances[i].Check(&a, velocitytest.Start+velocity.Time((at+skew).Milliseconds()), nil, &d)
		require.False(t, d.Degraded)
		return d
	}
	for card := range 8 {
		d := show(card%2, card, time.Duration(card)*time.Second)
		require.Equal(t, card >= 5, d.Outcome == velocity.Block, "no amnesty, and nobody blocked early")
	}
	require.Equal(t, velocity.Block, show(0, 1, 59*time.Minute).Outcome)
	require.Equal(t, velocity.Allow, show(0, 1, 2*time.Hour).Outcome)
	require.Equal(t, velocity.Allow, show(1, 1, 2*time.Hour).Outcome)
}

func TestACheckWithoutATurnInTimeIsAnsweredFromTheCopy(t *testing.T) {
	a := newInstance(t, patient, testbed.StartMemcached(t).Addr)
	a.OnFailure(velocity.Block)
	attempt := velocitytest.Attempt(t, ip, 1)
	var d velocity.Decision
	turn := turns.Turn{Start: time.Now().Add(-patient)} // its answer is due after twice that
	defer turn.Release()
	a.Check(&attempt, a.now(), &turn, &d)
	require.False(t, d.Degraded)
	late := turns.Turn{Start: time.Now().Add(-patient * 7 / 4)}
	a.Check(&attempt, a.now(), &late, &d)
	require.True(t, d.Degraded, "less than half of the budget is left")
	require.False(t, d.StoreFailed)
	require.Equal(t, velocity.Allow, d.Outcome, "on_failure is for a store that does not answer")
	require.Equal(t, 1, d.Rules[0].Count)
}
