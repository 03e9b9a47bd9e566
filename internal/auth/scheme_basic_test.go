package auth_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/testbed"
)

// prompt is the most a test waits for what should come at once.
const prompt = 10 * time.Second

// bench looks on while passwords are hashed, and owns the clock.
type bench struct {
	*auth.Guard
	now    atomic.Int64   // nanoseconds
	hashes atomic.Int32   // begun
	atOnce atomic.Int32   // under way
	most   atomic.Int32   // were under way
	ended  chan [2]uint64 // what each hash came to: rounds, blocks
	gate   chan struct{}  // when not nil, a hash begins only with something from here
}

func (b *bench) pass(d time.Duration) { b.now.Add(int64(d)) }

func guardOf(t testing.TB, users ...auth.User) (*auth.Guard, *bench) {
	t.Helper()
	guard := auth.NewGuard(ofUsers(t, users...))
	b := &bench{Guard: guard, ended: make(chan [2]uint64, 10_000)}
	guard.Watch(func() {
		b.hashes.Add(1)
		if n := b.atOnce.Add(1); n > b.most.Load() {
			b.most.Store(n) // more than two would be seen by the third at the latest
		}
		if b.gate != nil {
			<-b.gate
		}
	}, func(rounds, blocks uint64) {
		b.atOnce.Add(-1)
		b.ended <- [2]uint64{rounds, blocks}
	})
	guard.Now = func() time.Time { return time.Unix(0, b.now.Load()) }
	return guard, b
}

// Hashes of the shared password, made by other programs.
const (
	shared   = "correct-horse-battery"
	bcryptA  = "$2y$04$Zr2KGNC2vQITg1LeTEami.SkxqzS.jWByTmBw9inzxP2JRRJTIbCa"
	bcryptB  = "$2b$04$YDhUUUll.M.DxZtkieb98OrPK6h02ZMJECk0zvnmq3F3Oh/Z9SkJy"
	bcrypt5  = "$2a$05$1XtF3EVVwYlPnIGOcRoL2OQqHiiJwccv1X6rUN6MxWKbVZ2d5YKRm"
	argon19M = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9SkDSXeBSpB0x+7sMpfaNrvIcwFseaUl1tHl9c1z6TY"
	argon256 = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aVLvK7x9P2xLb3XihnklBtXFf/9wqPfu/JiAJM1TiFQ"
)

// Users of every encryption, all with the shared password.
var (
	plain    = auth.User{Name: "plain", Password: shared, Encryption: password.Clear, Roles: auth.Checker}
	digested = auth.User{Name: "digested", Password: hexSHA256(shared), Encryption: password.SHA256, Roles: auth.Checker}
	cheap    = auth.User{Name: "cheap", Password: bcryptB, Encryption: password.Bcrypt, Roles: auth.Checker}
	dearer   = auth.User{Name: "dearer", Password: bcrypt5, Encryption: password.Bcrypt, Roles: auth.Checker}
	lean     = auth.User{Name: "lean", Encryption: password.Argon2id, Roles: auth.Checker,
		Password: "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$R1OMUfftG2lm0EcRnxGvVBQDdZaVUZCnRZ53qLU7ZME"}
	fat = auth.User{Name: "fat", Password: argon256, Encryption: password.Argon2id, Roles: auth.Checker}
)

func try(guard *auth.Guard, userinfo string) error {
	_, err := guard.Authenticate(authorization(basic(userinfo)))
	return err
}

// However seldom a caller calls.
func TestAVerifiedPasswordIsNotHashedAgain(t *testing.T) {
	guard, b := guardOf(t, lean, cheap)
	for _, after := range []time.Duration{0, time.Second, time.Minute, 2 * time.Minute, 24 * time.Hour, 10_000 * time.Hour} {
		b.pass(after)
		for _, name := range []string{"lean", "cheap"} {
			require.NoError(t, try(guard, name+":"+shared))
		}
		assert.EqualValues(t, 2, b.hashes.Load(), after)
	}
	assert.Equal(t, error(auth.Invalid), try(guard, "lean:"+shared+"!"))
	assert.EqualValues(t, 3, b.hashes.Load(), "another password is")
	require.NoError(t, try(guard, "lean:"+shared))
	assert.EqualValues(t, 3, b.hashes.Load())
}

// A wrong password is hashed whenever it is shown, and leaves nothing behind.
func TestWrongPasswordsAreNotRemembered(t *testing.T) {
	guard, b := guardOf(t, lean, plain)
	require.NoError(t, try(guard, "lean:"+shared))
	for i := range 10 {
		for range 2 {
			require.Equal(t, error(auth.Invalid), try(guard, fmt.Sprint("lean:guess ", i)))
			require.Equal(t, error(auth.Invalid), try(guard, fmt.Sprint("plain:guess ", i)))
			require.Equal(t, error(auth.Invalid), try(guard, fmt.Sprint("stranger:guess ", i)))
		}
	}
	assert.EqualValues(t, 1+10*2*3, b.hashes.Load())
	assert.Equal(t, 1, guard.Remembered())
}

// Of a shop's thousand callers each pays for one hash after a start, and for one more when
// its password changes.
func TestAThousandUsersOfAFileAreRemembered(t *testing.T) {
	const users = 1000
	file := func(change string) []auth.User {
		var text strings.Builder
		for i := range users {
			switch {
			case i == 7 && change == "another hash":
				fmt.Fprintf(&text, "user%d:%s\n", i, argon256)
			case i == 8 && change != "":
			default:
				fmt.Fprintf(&text, "user%d:%s\n", i, lean.Password)
			}
		}
		f, err := auth.ParseUsersFile(text.String())
		require.NoError(t, err)
		return f.Users()
	}
	guard, b := guardOf(t, file("")...)
	all := func(but int) (hashes int32) {
		before := b.hashes.Load()
		for i := range users {
			if i != but {
				require.NoError(t, try(guard, fmt.Sprint("user", i, ":", shared)))
			}
		}
		return b.hashes.Load() - before
	}
	assert.EqualValues(t, users, all(-1))
	b.pass(1000 * time.Hour)
	assert.Zero(t, all(-1))
	assert.Equal(t, users, guard.Remembered())

	guard.Replace(ofUsers(t, file("another hash")...))
	assert.Equal(t, users-1, guard.Remembered(), "one user is gone")
	assert.EqualValues(t, 1, all(8), "one has another hash")
	assert.Equal(t, error(auth.Invalid), try(guard, "user8:"+shared))
	guard.Replace(ofUsers(t, file("")...))
	assert.EqualValues(t, 2, all(-1), "one has its old hash, and one is a stranger")
	assert.Equal(t, users, guard.Remembered())
}

func TestConcurrentRequestsWithOneCredentialWaitForOneHash(t *testing.T) {
	guard, b := guardOf(t, lean)
	b.gate = make(chan struct{})
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() { assert.NoError(t, try(guard, "lean:"+shared)) })
	}
	b.await(t, 500, 1)
	close(b.gate)
	all.Wait()
	assert.EqualValues(t, 1, b.hashes.Load())
}

// await waits until so many wait for a hash, queued of them as possible guesses.
func (b *bench) await(t *testing.T, all, queued int) {
	t.Helper()
	require.Eventually(t, func() bool {
		a, q := b.Waiting()
		return a == all && q == queued
	}, prompt, time.Millisecond)
}

func TestGuessesDoNotHoldUpKnownCallers(t *testing.T) {
	guard, b := guardOf(t, lean, fat, cheap, plain)
	require.NoError(t, try(guard, "lean:"+shared))
	require.NoError(t, try(guard, "cheap:"+shared))
	again := cheap
	again.Password = bcryptA // of the same password
	guard.Replace(ofUsers(t, lean, fat, again, plain))
	b.gate = make(chan struct{})

	guesses := make(chan error, 100)
	const waiting = 32
	for i := range waiting {
		go func() {
			guesses <- try(guard, fmt.Sprint([]string{"fat", "lean", "stranger", "plain"}[i%4], ":guess ", i))
		}()
	}
	b.await(t, waiting, waiting)
	require.NoError(t, try(guard, "lean:"+shared), "remembered")
	require.NoError(t, try(guard, "plain:"+shared), "nothing to hash")
	returned := make(chan error, 1)
	go func() { returned <- try(guard, "cheap:"+shared) }() // it was good, and so is no guess
	b.await(t, waiting+1, waiting)
	for ended := 0; ; ended++ {
		select {
		case b.gate <- struct{}{}: // another hash goes on
			continue
		case err := <-returned:
			require.NoError(t, err)
			assert.Less(t, ended, waiting, "it did not queue behind all the guesses")
		}
		break
	}
	close(b.gate)
	for range waiting {
		assert.Equal(t, error(auth.Invalid), <-guesses)
	}
	assert.NoError(t, try(guard, "fat:"+shared), "once the guessing is over")
	assert.LessOrEqual(t, b.most.Load(), int32(2), "hashes at once")
}

func TestRequestsThatWaitAreBounded(t *testing.T) {
	guard, b := guardOf(t, lean)
	b.gate = make(chan struct{})
	results := make(chan error, auth.MaxWaiting)
	for range auth.MaxWaiting {
		go func() { results <- try(guard, "lean:the same guess") }()
	}
	b.await(t, auth.MaxWaiting, 1)
	assert.Equal(t, &auth.Later{Failure: auth.Overloaded, After: time.Second}, try(guard, "lean:the same guess"))
	close(b.gate)
	for range auth.MaxWaiting {
		assert.Equal(t, error(auth.Invalid), <-results)
	}
}

// After a start every caller has to be verified once, and many call at the same moment.
func TestAllRightPasswordsAtOnceAreAnswered(t *testing.T) {
	for _, n := range []int{60, 300} {
		var users []auth.User
		for i := range n {
			user := lean
			user.Name = fmt.Sprint("user", i)
			users = append(users, user)
		}
		guard, b := guardOf(t, users...)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { assert.NoError(t, try(guard, fmt.Sprint("user", i, ":", shared))) })
		}
		all.Wait()
		assert.EqualValues(t, n, b.hashes.Load())
		assert.LessOrEqual(t, b.most.Load(), int32(2), "hashes at once")
	}
}

// A guess that waits for half a minute is told to come back; nothing of it was wrong.
func TestAWaitThatIsTooLongIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard, b := guardOf(t, lean)
		b.gate = make(chan struct{})
		first := make(chan error, 2)
		go func() { first <- try(guard, "lean:"+shared) }()
		go func() { first <- try(guard, "lean:a guess") }()
		synctest.Wait()
		begun := time.Now()
		assert.Equal(t, &auth.Later{Failure: auth.Overloaded, After: time.Second}, try(guard, "lean:another"))
		assert.Equal(t, password.MaxWait, time.Since(begun))
		close(b.gate)
		<-first
		<-first
	})
}

// The same password in another form is no guess, whatever was guessed from there before.
func TestANewHashOfTheSamePasswordSlowsNobody(t *testing.T) {
	guard, b := guardOf(t, lean)
	require.NoError(t, try(guard, "lean:"+shared))
	guessed := 0
	for i := range 400 {
		if err := try(guard, fmt.Sprint("lean:guess ", i)); err != error(auth.Invalid) {
			guessed = i
			break
		}
	}
	require.Positive(t, guessed, "the guesser is slowed")
	next := fat
	next.Name = "lean"
	guard.Replace(ofUsers(t, next))
	before := b.hashes.Load()
	require.NoError(t, try(guard, "lean:"+shared))
	assert.EqualValues(t, 1, b.hashes.Load()-before, "it is verified once")
	require.NoError(t, try(guard, "lean:"+shared))

	other := next
	other.Password, other.Encryption = "another", password.Clear
	guard.Replace(ofUsers(t, other, fat))
	assert.ErrorIs(t, try(guard, "lean:"+shared), auth.Invalid, "another password is another one")
	assert.ErrorIs(t, try(guard, "lean:"+shared), auth.TooManyFailures, "and from then on a guess")
}

// Time would tell who exists, and how their password is kept.
func TestAFailureCostsTheSameForEveryUser(t *testing.T) {
	testbed.SkipRace(t, "one caller has many passwords hashed")
	names := []string{"plain", "digested", "cheap", "dearer", "lean", "fat", "stranger"}
	for _, tt := range []struct {
		name  string
		users []auth.User
		cost  [2]uint64
	}{
		{"of one kind", []auth.User{plain, digested, lean}, [2]uint64{0, 64}},
		{"of one kind, some dearer", []auth.User{plain, digested, lean, fat}, [2]uint64{0, 512}},
		{"of the other kind", []auth.User{digested, cheap}, [2]uint64{16, 0}},
		{"of the other kind, some dearer", []auth.User{dearer, plain, cheap}, [2]uint64{32, 0}},
		{"of both", []auth.User{plain, digested, cheap, dearer, lean, fat}, [2]uint64{32, 512}},
	} {
		guard, b := guardOf(t, tt.users...)
		for _, name := range names {
			for _, password := range []string{"a guess", strings.Repeat("x", 80)} {
				require.Equal(t, error(auth.Invalid), try(guard, name+":"+password))
				assert.Equal(t, tt.cost, <-b.ended, "%s: %s:%s", tt.name, name, password)
			}
		}
		assert.NoError(t, try(guard, tt.users[0].Name+":"+shared))
	}
}

func TestWithoutSlowHashesNothingIsHashed(t *testing.T) {
	guard, b := guardOf(t, plain, digested)
	for _, name := range []string{"plain", "digested", "stranger"} {
		assert.Equal(t, error(auth.Invalid), try(guard, name+":a guess"))
	}
	assert.Zero(t, b.hashes.Load())
}

func TestAReloadForgetsVerifiedPasswordsThatItChanges(t *testing.T) {
	guard, b := guardOf(t, lean, fat, cheap)
	hashes := func(userinfo string) int32 {
		before := b.hashes.Load()
		require.NoError(t, try(guard, userinfo))
		return b.hashes.Load() - before
	}
	reload := func(users ...auth.User) {
		guard.Replace(ofUsers(t, users...))
	}
	for _, name := range []string{"lean:", "fat:", "cheap:"} {
		require.EqualValues(t, 1, hashes(name+shared))
	}
	promoted, changed := lean, fat
	promoted.Roles, changed.Password = auth.Operator, argon19M // of the same password
	reload(promoted, changed)
	assert.EqualValues(t, 0, hashes("lean:"+shared), "it stands as it did")
	caller, err := guard.Authenticate(authorization(basic("lean:" + shared)))
	require.NoError(t, err)
	assert.Equal(t, auth.Operator, caller.Roles, "its roles are those of now")
	assert.EqualValues(t, 1, hashes("fat:"+shared), "its hash is another")
	assert.Equal(t, error(auth.Invalid), try(guard, "cheap:"+shared), "it is gone")

	reload(promoted, changed, cheap)
	assert.EqualValues(t, 1, hashes("cheap:"+shared), "back, and a stranger")
	changed.Password, changed.Encryption = shared, password.Clear
	reload(changed)
	assert.EqualValues(t, 0, hashes("fat:"+shared))
	assert.Equal(t, error(auth.Invalid), try(guard, "lean:"+shared))
}

func TestARememberedPasswordCostsNoAllocation(t *testing.T) {
	guard, _ := guardOf(t, lean)
	request := authorization(basic("lean:" + shared))
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := guard.Authenticate(request); err != nil {
			t.Fatal(err)
		}
	})
	assert.Zero(t, allocations)
}
