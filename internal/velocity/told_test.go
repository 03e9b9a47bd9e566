package velocity_test

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// addresses are twenty of them.
func addresses() (all []string) {
	for n := range 20 {
		all = append(all, fmt.Sprintf("203.0.113.%d", n))
	}
	return all
}

// block shows six cards from each address.
func (i *instance) block(addresses []string) {
	for _, ip := range addresses {
		for card := range 6 {
			i.show(ip, card)
		}
	}
}

// requireFirstShared shows another card from each address until the answer is not
// degraded, and wants that one to have this count.
func (i *instance) requireFirstShared(addresses []string, want int) {
	i.t.Helper()
	for n, ip := range addresses {
		i.requireSoonShared(ip, 100+n, want)
	}
}

func TestWhatWasLearnedWhileAServerHungIsToldWhenItIsWellAgain(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, 50*time.Millisecond, server.Addr), newInstance(t, patient, server.Addr) // only a is to give up
	server.Hang()
	require.Eventually(t, func() bool { a.show("192.0.2.1", 1); return velocity.GivenUp(a.store) }, patient, time.Millisecond)
	a.block(addresses())
	server.Resume()
	a.awaitServer()
	b.awaitServer()
	for _, ip := range addresses() {
		b.requireShared(ip, 100, 6)
	}
}

// hungAfterBlocking starts two instances. One finds addresses blocked; then the server
// hangs, and the other, which does not know them, gives it up.
func hungAfterBlocking(t *testing.T) (server *testbed.TestMemcached, a, b *instance) {
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server = testbed.StartMemcached(t)
	a, b = newInstance(t, 50*time.Millisecond, server.Addr), newInstance(t, patient, server.Addr) // only a is to give up
	b.block(addresses())
	server.Hang()
	require.Eventually(t, func() bool { a.show("192.0.2.1", 1); return velocity.GivenUp(a.store) }, patient, time.Millisecond)
	return server, a, b
}

func TestWhatWasForgottenWhileAServerHungIsToldWhenItIsWellAgain(t *testing.T) {
	t.Parallel()
	server, a, b := hungAfterBlocking(t)
	for _, ip := range addresses() {
		attempt := velocitytest.Attempt(t, ip, 0)
		require.False(t, a.Forget(&attempt, "ip", a.now()))
	}
	server.Resume()
	a.awaitServer()
	b.clock.Add(1000) // until then it may answer what it read before
	b.awaitServer()
	for _, ip := range addresses() {
		b.requireShared(ip, 100, 1)
	}
}

// The server is told when the hang is over, and of what was shown until then.
func TestWhatIsToldAfterALongHangKeepsItsTime(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, 50*time.Millisecond, server.Addr), newInstance(t, patient, server.Addr) // only a is to give up
	server.Hang()
	require.Eventually(t, func() bool { a.show("192.0.2.1", 1); return velocity.GivenUp(a.store) }, patient, time.Millisecond)
	a.block([]string{ip})
	const hour = 3_600_000
	a.clock.Add(hour + 60_000)
	b.clock.Add(hour + 60_000)
	a.requireAlone(ip, 50, 1)
	server.Resume()
	a.awaitServer()
	b.awaitServer()
	b.requireShared(ip, 51, 2)
}

// A hang may be too short for the server to be given up.
func TestWhatWasLearnedDuringAShortHangIsToldSoon(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)
	between := newPicky(t, server)
	c := newInstance(t, patient, between.addr)
	for card := range 5 {
		c.show(ip, card)
	}
	between.picky.Store(true)
	c.requireAlone(ip, 5, 6)
	between.picky.Store(false)
	require.False(t, velocity.GivenUp(c.store))
	attempt := velocitytest.Attempt(t, ip, 0)
	require.Eventually(t, func() bool { return a.Inspect(&attempt, []string{"ip"}, a.now()).Rules[0].Count == 6 }, patient, 5*time.Millisecond)
	b.requireShared(ip, 100, 6)
}

func flush(t *testing.T, server *testbed.TestMemcached) {
	c, err := net.Dial("tcp", server.Addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprint(c, "flush_all\r\n")
	require.NoError(t, err)
	var answer string
	_, err = fmt.Fscan(c, &answer)
	require.NoError(t, err)
	require.Equal(t, "OK", answer)
}

func TestNobodyBlockedPassesElsewhereAfterAServerLostItsMemory(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "restarts and flushes memcached many times")
	for name, lose := range map[string]func(t *testing.T, server *testbed.TestMemcached){
		"flush_all": flush,
		"restart":   func(_ *testing.T, server *testbed.TestMemcached) { server.Kill(); server.Start() },
	} {
		t.Run(name, func(t *testing.T) {
			server := testbed.StartMemcached(t)
			a, b := newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)
			for range 3 {
				a.block(addresses())
				lose(t, server)
				b.requireFirstShared(addresses(), 6)
				a.requireFirstShared(addresses(), 6)
				for _, ip := range addresses() { // for the next turn
					attempt := velocitytest.Attempt(t, ip, 0)
					a.Forget(&attempt, "ip", a.now())
				}
				a.clock.Add(2000)
				b.clock.Add(2000)
			}
		})
	}
}

// Other records are stored as before, and the server is not given up.
func TestARecordThatAServerRefusesConcernsItsSubjectAlone(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	testbed.NeedMemcached(t)
	small, err := testbed.SmallItems(t.Context(), t.TempDir())
	require.NoError(t, err)
	server := testbed.StartMemcached(t, small...)
	large := wide
	large.BlockOver = 4000
	a := newCountingInstance(t, server, large)
	cards, degraded := 0, false
	for ; cards < 3000 && !degraded; cards++ {
		_, degraded = a.show(ip, cards)
	}
	require.True(t, degraded, "no record was too large")
	for n := range 20 {
		a.requireAlone(ip, cards+n, cards+n+1)
		a.requireShared(fmt.Sprintf("198.51.100.%d", n), 1, 1)
	}
	require.False(t, velocity.GivenUp(a.store))
}

// However long that takes.
func TestNobodyBelievesANewMemoryWhileAnInstanceIsStillTelling(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)
	a.block(addresses())
	telling, goOn := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(telling) })
	hold := func(op string) {
		if op == "add" {
			once()
			<-goOn
		}
	}
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	a.observed.Store(&hold)
	flush(t, server)
	<-telling
	require.Never(t, func() bool { _, degraded := b.show("192.0.2.1", 1); return !degraded }, 1500*time.Millisecond, 5*time.Millisecond)
	release()
	b.requireFirstShared(addresses(), 6)
}

// Also an instance that has read nothing for a while, and one that was just started.
func TestAnInstanceThatIsNewDoesNotBelieveANewMemory(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a := newInstance(t, patient, server.Addr)
	a.block(addresses())
	flush(t, server)
	b := newInstance(t, patient, server.Addr)
	b.requireFirstShared(addresses(), 6)
}

func TestWhatWasForgivenStaysForgivenAfterAServerLostItsMemory(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, patient, server.Addr), newInstance(t, patient, server.Addr)
	a.block(addresses())
	for n, ip := range addresses() { // b has copies of them all, blocked
		b.requireShared(ip, 100+n, 6)
	}
	for _, ip := range addresses() {
		attempt := velocitytest.Attempt(t, ip, 0)
		require.True(t, a.Forget(&attempt, "ip", a.now()))
	}
	server.Kill()
	server.Start()
	c := newInstance(t, patient, server.Addr)
	c.requireFirstShared(addresses(), 1)
	b.clock.Add(1000)
	for _, ip := range addresses() {
		b.requireSoonShared(ip, 200, 2)
	}
}

// A localCopy is what an instance knows by itself, and a checker on it.
type localCopy struct {
	*velocity.Checker
	t      *testing.T
	memory *velocity.Memory
}

func newLocalCopy(t *testing.T) localCopy {
	memory, err := velocity.NewMemory(64 << 20)
	require.NoError(t, err)
	return localCopy{velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, memory), t, memory}
}

// show shows that many cards from the address.
func (c localCopy) show(ip string, cards int, at velocity.Time) {
	for card := range cards {
		attempt := velocitytest.Attempt(c.t, ip, card)
		var d velocity.Decision
		c.Check(&attempt, at, nil, &d)
	}
}

func (c localCopy) key(ip string) velocity.Key {
	a := velocitytest.Attempt(c.t, ip, 0)
	return velocity.KeyOf(c.Checker, &a)
}

// A server is told what matters most first, should it lose patience.
func TestAServerIsToldWhatWasForgottenFirstAndThenTheNewest(t *testing.T) {
	c, now := newLocalCopy(t), velocitytest.Start
	c.show("203.0.113.1", 6, now)
	c.show("203.0.113.2", 5, now) // not blocked
	forgotten := velocitytest.Attempt(t, "203.0.113.3", 0)
	c.show("203.0.113.3", 6, now)
	c.Forget(&forgotten, "ip", now+1000)
	c.show("203.0.113.4", 6, now+5000)
	c.show("203.0.113.5", 6, now+10_000)
	for _, atOnce := range []int{1, 2, 3, 4, 100} {
		require.Equal(t, []velocity.Key{c.key("203.0.113.3"), c.key("203.0.113.5"), c.key("203.0.113.4"), c.key("203.0.113.1")},
			velocity.Urgent(c.memory, c.Plan(), now+20_000, atOnce), "%d at once", atOnce)
	}
	require.Empty(t, velocity.Urgent(c.memory, c.Plan(), now+3_700_000, 100), "a window later nothing matters")
}

// An attacker who has a whole network does not keep a server from hearing of others.
func TestAServerIsToldOfAHundredOfOneNetworkBeforeItIsToldOfOthers(t *testing.T) {
	for network, address := range map[string]string{"IPv6": "2001:db8:0:%x::1", "IPv4": "192.0.2.%d"} {
		t.Run(network, func(t *testing.T) {
			c, now := newLocalCopy(t), velocitytest.Start
			var first, last, others []velocity.Key
			for n := range 250 { // the later the number, the longer ago
				ip := fmt.Sprintf(address, n)
				c.show(ip, 6, now-velocity.Time(n))
				if n < 100 {
					first = append(first, c.key(ip))
				} else {
					last = append(last, c.key(ip))
				}
			}
			for n := range 5 {
				ip := fmt.Sprintf("2001:db8:%x::1", n+1)
				c.show(ip, 6, now-velocity.Time(1000+n))
				others = append(others, c.key(ip))
			}
			for _, atOnce := range []int{7, 100, 101, 255, 10_000} {
				require.Equal(t, slices.Concat(first, others, last), velocity.Urgent(c.memory, c.Plan(), now, atOnce), "%d at once", atOnce)
			}
		})
	}
}

// What bounds telling is time, and not how much there is to tell.
func TestAServerIsToldAllThatMattersUntilTheLimit(t *testing.T) {
	testbed.SkipRace(t, "fills a copy")
	server := testbed.StartMemcached(t)
	c, now := newLocalCopy(t), velocitytest.Start
	const blocked = 12_000
	for n := range blocked {
		c.show(fmt.Sprintf("2001:db8:%x:%x::1", n&63, n), 6, now)
	}
	store := velocitytest.NewMemcached(t, c.memory, memcached.Settings{Servers: []string{server.Addr}, Budget: patient})
	held, order := server.Stat("curr_items"), velocity.Urgent(c.memory, c.Plan(), now, blocked)
	require.True(t, velocity.TellAll(store, c.Plan(), now, time.Now()), "nothing failed")
	require.Equal(t, held, server.Stat("curr_items"))
	require.True(t, velocity.TellAll(store, c.Plan(), now, time.Now().Add(10*patient)))
	require.Equal(t, held+blocked, server.Stat("curr_items"))
	require.Equal(t, order, velocity.Urgent(c.memory, c.Plan(), now, blocked), "the next time in the same order")
}
