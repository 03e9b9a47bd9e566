package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"fraudcheck/internal/auth/session"
)

// The throttle slows guessing by the generic cell rate algorithm (GCRA, ITU-T I.371
// annex A): of each client network and each user name it keeps one time, that at which
// all of its attempts are back. A failure is charged to both, a right answer to none.
// Unknown user names are charged like the others, or the count would tell them apart.
//
// The meter of a user name refuses only client networks that failed within failedFor:
// otherwise anybody could lock a user out by failing in that name. So each further
// address buys a guesser one further attempt an hour.
//
// Where a right answer is cheap to find it is found first, and passes whatever the
// meters hold. That does not protect a password that can be guessed, and keeps the
// failures of a neighbour from costing an honest caller its answer. A scheme whose
// answer is costly charges first:
//
//	known before: pass; otherwise, once per credential that is being verified:
//	t, err := c.charge(user); refuse with err, or verify; when right: refund(t)
var (
	perNetwork = limit{burst: 300, interval: 200 * time.Millisecond}
	perUser    = limit{burst: 60, interval: 5 * time.Second}
)

// failedFor is how long a client network counts as one that failed.
const failedFor = time.Hour

// maxMeters is how many client networks, and how many user names, are metered. Those
// that failed longest ago are forgotten first, and so forgiven: a guesser with that
// many addresses has as many attempts anyway.
const maxMeters = 1 << 16

// A limit is burst attempts at once, and then one each interval.
type limit struct {
	burst    int
	interval time.Duration // until one more attempt is back
}

// A meter has no attempt left while full is more than burst-1 intervals away. Times are
// since the start of the throttle.
type meter struct {
	full   time.Duration // when all attempts are back: GCRA's theoretical arrival time
	failed time.Duration // when an attempt was last charged
}

// wait returns how long there is no attempt left; not positive where there is one.
func (l limit) wait(m meter, at time.Duration) time.Duration {
	return m.full - at - time.Duration(l.burst-1)*l.interval
}

// charge returns the meter with one attempt less.
func (l limit) charge(m meter, at time.Duration) meter {
	return meter{full: max(m.full, at) + l.interval, failed: at}
}

// A throttle meters the failures of client networks and user names. It is safe for
// concurrent use.
type throttle struct {
	start time.Time
	seed  maphash.Seed // random: nobody outside the process can find colliding names

	mu              sync.Mutex
	networks, users meters
}

func newThrottle() *throttle { return &throttle{start: time.Now(), seed: maphash.MakeSeed()} }

// A charge was made; it can be refunded.
type charge struct {
	at      time.Duration
	network uint64
	before  time.Duration // when the network had failed before
	user    uint64

	toNetwork, toUser bool // which meters were charged
}

// charge charges an attempt, or returns after how long there is one and charges nothing.
// A request without an address is charged to no network; user is nil where there is no
// name.
func (t *throttle) charge(from netip.Addr, user []byte, now time.Time) (charge, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := charge{at: now.Sub(t.start), toNetwork: from.IsValid(), toUser: user != nil}
	var wait time.Duration
	failedBefore := true
	if c.toNetwork {
		c.network = t.hash(from)
		m := t.networks.find(c.network, c.at)
		c.before, failedBefore = m.failed, c.at-m.failed < failedFor
		wait = perNetwork.wait(m, c.at)
	}
	if c.toUser {
		c.user = maphash.Bytes(t.seed, user)
		if more := perUser.wait(t.users.find(c.user, c.at), c.at); more > 0 && failedBefore {
			wait = max(wait, more)
		} else {
			c.toUser = more <= 0 // the first attempt of a network leaves an empty meter as it is
		}
	}
	if wait > 0 {
		return charge{}, wait
	}
	if c.toNetwork {
		t.networks.put(c.network, perNetwork.charge(t.networks.find(c.network, c.at), c.at))
	}
	if c.toUser {
		t.users.put(c.user, perUser.charge(t.users.find(c.user, c.at), c.at))
	}
	return c, 0
}

// refund undoes a charge, after the credentials turned out right.
func (t *throttle) refund(c charge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.networks.find(c.network, c.at); c.toNetwork {
		m.full -= perNetwork.interval
		if m.failed == c.at { // nothing failed since
			m.failed = c.before
		}
		t.networks.put(c.network, m)
	}
	if m := t.users.find(c.user, c.at); c.toUser {
		m.full -= perUser.interval
		t.users.put(c.user, m)
	}
}

// hash returns the key of the address's client network among the meters.
func (t *throttle) hash(from netip.Addr) uint64 {
	network := session.ClientNetwork(from).Addr().As16()
	return maphash.Bytes(t.seed, network[:])
}

// meters are those that are not full, by a hash: two names that share one share a meter,
// which a random seed keeps strangers from arranging. There are two generations: when the
// young one is full it becomes the old one, and what was old is forgotten.
type meters struct{ young, old map[uint64]meter }

// find returns the meter, a full one where none is kept.
func (s *meters) find(key uint64, at time.Duration) meter {
	if m, found := s.young[key]; found {
		return m
	}
	if m, found := s.old[key]; found {
		return m
	}
	return meter{full: at, failed: at - failedFor}
}

// put keeps a meter, in the young generation.
func (s *meters) put(key uint64, m meter) {
	if s.young == nil || len(s.young) >= maxMeters/2 {
		s.young, s.old = make(map[uint64]meter), s.young
	}
	s.young[key] = m
}

// charge charges an attempt to where the request comes from and to the user's name,
// which is nil where there is none; the error is a *Later.
func (g *Guard) charge(r *Request, user []byte) (charge, error) {
	c, wait := g.throttle.charge(r.from, user, r.At)
	if wait > 0 {
		return c, &Later{Failure: TooManyFailures, After: wait}
	}
	return c, nil
}

// chargeFailure charges a failure that was found without a charge before. It returns the
// failure to answer: why, while attempts are left.
func (g *Guard) chargeFailure(r *Request, user []byte, why Failure) error {
	if _, err := g.charge(r, user); err != nil {
		return err
	}
	return why
}

// tokenFailure charges a token or a session that is not valid, and returns the failure to
// answer. One that expired is no guess: it was issued once.
func (g *Guard) tokenFailure(r *Request, err error) error {
	if err == TokenInvalid {
		return g.chargeFailure(r, nil, TokenInvalid)
	}
	return err
}
