package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"fraudcheck/internal/auth/session"
)

// Guessing is slowed: every address and every user name has a bucket of tries, and
// a failure takes one from each. A right answer takes none. User names that nobody
// has are counted like the others, or the count would tell them apart.
//
// The bucket of a user name holds up only addresses that failed lately: otherwise
// whoever fails in somebody's name, from anywhere, locks them out. So each further
// address buys a guesser one further try an hour.
//
// Where a right answer costs little to find it is found first, and passes whatever
// the buckets hold. That buys no protection for a password that can be guessed, and
// keeps a neighbour's failures from costing an honest caller its answer. A scheme
// whose answer is dear asks first:
//
//	known before: pass; otherwise, once per credential that is being verified:
//	t, err := k.take(user); refuse with err, or verify; when right: k.giveBack(t)
var (
	perAddress = pace{burst: 300, each: 200 * time.Millisecond}
	perUser    = pace{burst: 60, each: 5 * time.Second}
)

// lately is how long an address counts as one that failed.
const lately = time.Hour

// maxBuckets is how many addresses, and how many user names, are kept count of.
// Those that failed longest ago are forgotten first, and so forgiven: the guesser
// who commands that many addresses has as many tries anyway, and forgetting costs
// nobody an answer.
const maxBuckets = 1 << 16

// A pace is so many tries at once, and then one each so often.
type pace struct {
	burst int
	each  time.Duration
}

// A bucket is empty while full is burst times each away. Times are counted from
// the start of the tries.
type bucket struct {
	full   time.Duration // when it has all of its tries again
	failed time.Duration // when the last one was taken
}

// wait is how long there is no try left; not positive where there is one.
func (p pace) wait(b bucket, at time.Duration) time.Duration {
	return b.full - at - time.Duration(p.burst-1)*p.each
}

// take is the bucket less one try.
func (p pace) take(b bucket, at time.Duration) bucket {
	return bucket{full: max(b.full, at) + p.each, failed: at}
}

// tries count the failures of addresses and user names.
type tries struct {
	start time.Time
	seed  maphash.Seed // of this process alone: nobody can tell whose hashes are the same

	mu               sync.Mutex
	addresses, users buckets
}

func newTries() *tries { return &tries{start: time.Now(), seed: maphash.MakeSeed()} }

// A try was taken; it can be given back.
type try struct {
	at      time.Duration
	address uint64
	before  time.Duration // when the address had failed before
	user    uint64

	ofAddress, ofUser bool // whose buckets it is from
}

// take takes a try, or says after how long there is one. Who has no address shares
// none; user is nil where there is no name.
func (t *tries) take(from netip.Addr, user []byte, now time.Time) (try, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	y := try{at: now.Sub(t.start), ofAddress: from.IsValid(), ofUser: user != nil}
	var wait time.Duration
	known := true
	if y.ofAddress {
		y.address = t.hash(from)
		b := t.addresses.find(y.address, y.at)
		y.before, known = b.failed, y.at-b.failed < lately
		wait = perAddress.wait(b, y.at)
	}
	if y.ofUser {
		y.user = maphash.Bytes(t.seed, user)
		if more := perUser.wait(t.users.find(y.user, y.at), y.at); more > 0 && known {
			wait = max(wait, more)
		} else {
			y.ofUser = more <= 0 // a stranger's first try leaves an empty bucket as it is
		}
	}
	if wait > 0 {
		return try{}, wait
	}
	if y.ofAddress {
		t.addresses.keep(y.address, perAddress.take(t.addresses.find(y.address, y.at), y.at))
	}
	if y.ofUser {
		t.users.keep(y.user, perUser.take(t.users.find(y.user, y.at), y.at))
	}
	return y, 0
}

// giveBack makes undone that the try was taken.
func (t *tries) giveBack(y try) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.addresses.find(y.address, y.at); y.ofAddress {
		b.full -= perAddress.each
		if b.failed == y.at { // nothing failed since
			b.failed = y.before
		}
		t.addresses.keep(y.address, b)
	}
	if b := t.users.find(y.user, y.at); y.ofUser {
		b.full -= perUser.each
		t.users.keep(y.user, b)
	}
}

func (t *tries) hash(from netip.Addr) uint64 {
	home := session.ClientNetwork(from).Addr().As16()
	return maphash.Bytes(t.seed, home[:])
}

// buckets are those that are not full, by a hash. There are two generations, as of
// known credentials: what is not touched while one fills up is forgotten.
type buckets struct{ young, old map[uint64]bucket }

// find is the bucket, a full one where none is kept.
func (s *buckets) find(key uint64, at time.Duration) bucket {
	if b, found := s.young[key]; found {
		return b
	}
	if b, found := s.old[key]; found {
		return b
	}
	return bucket{full: at, failed: at - lately}
}

func (s *buckets) keep(key uint64, b bucket) {
	if s.young == nil || len(s.young) >= maxBuckets/2 {
		s.young, s.old = make(map[uint64]bucket), s.young
	}
	s.young[key] = b
}

// A knock is somebody at the door: where from, and what time it is.
type knock struct {
	tries *tries
	from  netip.Addr
	now   time.Time
}

// knock comes first in all that a guard does: a header's values do not last.
func (g *Guard) knock(r *Request) knock {
	g.settle(r)
	return knock{tries: g.tries, from: r.from, now: r.At}
}

// settle finds where r comes from, and when.
func (g *Guard) settle(r *Request) {
	g.From(r)
	if r.At.IsZero() {
		r.At = g.Now()
	}
}

// take takes a try in the user's name, which is nil where there is none; the error
// is a *Later.
func (k knock) take(user []byte) (try, error) {
	y, wait := k.tries.take(k.from, user, k.now)
	if wait > 0 {
		return y, &Later{Failure: TooManyFailures, After: wait}
	}
	return y, nil
}

// giveBack is for who was right.
func (k knock) giveBack(y try) { k.tries.giveBack(y) }

// wrong counts a failure that was found without taking a try before, and is the
// error to answer: why, while there are tries left.
func (k knock) wrong(user []byte, why Failure) error {
	if _, err := k.take(user); err != nil {
		return err
	}
	return why
}

// token counts a token or a session that is not valid, and is the error to answer.
// One that expired was once given to who shows it.
func (k knock) token(err error) error {
	if err == TokenInvalid {
		return k.wrong(nil, TokenInvalid)
	}
	return err
}
