package auth_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/testbed"
)

func TestAGuessAtASlowPasswordIsRefusedBeforeItIsHashed(t *testing.T) {
	testbed.SkipRace(t, "one caller has hundreds of passwords hashed")
	guard, b := guardOf(t, lean, cheap)
	require.NoError(t, ask(guard, shop, basic("cheap:"+shared)))
	for n := range 60 {
		require.Equal(t, error(auth.Invalid), ask(guard, shop, basic(fmt.Sprint("lean:guess ", n))))
		require.Equal(t, error(auth.Invalid), ask(guard, shop, basic(fmt.Sprint("cheap:guess ", n))))
	}
	before := b.hashes.Load()
	require.Equal(t, later(5*time.Second), ask(guard, shop, basic("lean:guess")))
	require.Equal(t, later(5*time.Second), ask(guard, shop, basic("lean:"+shared)), "it might be a guess")
	require.NoError(t, ask(guard, shop, basic("cheap:"+shared)), "it is known")
	assert.Equal(t, before, b.hashes.Load())

	b.pass(time.Minute)
	again := cheap
	again.Password = bcryptA // of the same password
	guard.Replace(ofUsers(t, lean, again))
	for n := range 100 {
		_ = ask(guard, shop, basic(fmt.Sprint("cheap:guess ", n)))
	}
	before = b.hashes.Load()
	require.NoError(t, ask(guard, shop, basic("cheap:"+shared)), "it was known, and is no guess")
	assert.EqualValues(t, 1, b.hashes.Load()-before)
}

func TestARightSlowPasswordIsNotCharged(t *testing.T) {
	users := []auth.User{lean}
	for i := range 350 {
		user := lean
		user.Name = fmt.Sprint("user", i)
		users = append(users, user)
	}
	guard, _ := guardOf(t, users...)
	for _, user := range users { // each is a guess until it was hashed
		require.NoError(t, ask(guard, shop, basic(user.Name+":"+shared)))
	}
	for n := range 60 {
		require.Equal(t, error(auth.Invalid), ask(guard, shop, basic(fmt.Sprint("lean:guess ", n))))
	}
	assert.Equal(t, later(5*time.Second), ask(guard, shop, basic("lean:guess")))
}

func TestConcurrentRequestsWithOneWrongCredentialAreOneGuess(t *testing.T) {
	guard, b := guardOf(t, lean)
	b.gate = make(chan struct{})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { assert.Equal(t, error(auth.Invalid), ask(guard, shop, basic("lean:guess"))) })
	}
	b.await(t, 100, 1)
	close(b.gate)
	all.Wait()
	assert.EqualValues(t, 1, b.hashes.Load())
	for n := range 59 {
		require.Equal(t, error(auth.Invalid), ask(guard, shop, basic(fmt.Sprint("lean:guess ", n))))
	}
	assert.Equal(t, later(5*time.Second), ask(guard, shop, basic("lean:guess")))
}

func TestAFastPasswordThatWasChangedIsRefusedAtOnce(t *testing.T) {
	guard := newGuard(t)
	for _, userinfo := range []string{"checkout:open sesame", "hashed:zum Glück", "colons::a:b:"} {
		for range 2 {
			require.NoError(t, try(guard, userinfo))
		}
	}
	guard.Replace(ofUsers(t,
		auth.User{Name: "checkout", Password: "another", Encryption: password.Clear, Roles: auth.Checker},
		auth.User{Name: "hashed", Password: "zum Glück", Encryption: password.Clear, Roles: auth.Operator, Networks: []string{"192.0.2.1"}},
	))
	assert.Equal(t, error(auth.Invalid), try(guard, "checkout:open sesame"), "changed")
	assert.Equal(t, error(auth.Invalid), try(guard, "colons::a:b:"), "gone")
	assert.NoError(t, try(guard, "checkout:another"))
	assert.Equal(t, error(auth.NetworkRefused), ask(guard, shop, basic("hashed:zum Glück")), "the networks are those of now")
	r := authorization(basic("hashed:zum Glück"))
	r.Peer = hop("192.0.2.1")
	caller, err := guard.Authenticate(r)
	require.NoError(t, err)
	assert.Equal(t, auth.Operator, caller.Roles, "and so are the roles")
}
