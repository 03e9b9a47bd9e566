package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
)

// signedWithin is a guard whose one user only signs, from these networks.
func signedWithin(t *testing.T, networks ...string) *auth.Guard {
	t.Helper()
	users := []auth.User{signedUsers[0]}
	users[0].Password, users[0].Networks = "", networks
	guard := auth.NewGuard(ofUsers(t, users...))
	guard.Now = func() time.Time { return noon }
	return guard
}

func TestNetworksHoldForUsersThatOnlySign(t *testing.T) {
	guard := signedWithin(t, home)
	r := check(nonceNumber(1)).sign()
	r.Peer = hop(other)
	_, err := guard.Authenticate(r)
	assert.Equal(t, auth.NetworkRefused, err)
	assert.True(t, r.Signed(), "who is known gets a signed answer")
	r = check(nonceNumber(2)).sign()
	r.Peer = hop(home)
	_, err = guard.Authenticate(r)
	assert.NoError(t, err)
}

func TestWrongNetworksOfUsersThatOnlySignAreRefused(t *testing.T) {
	users := []auth.User{signedUsers[0]}
	users[0].Networks = []string{home, "the shop"}
	assert.Equal(t, "networks[1]", wrongSetting(t, auth.Settings{Users: users}).Key)
}

func TestTheAnswerThatLacksARoleIsSigned(t *testing.T) {
	guard := signedWithin(t)
	r := check(nonceNumber(1)).sign()
	r.Needs = auth.Operator
	_, err := guard.Authenticate(r)
	assert.Equal(t, auth.RoleMissing, err)
	assert.True(t, r.Signed())
}

func TestGuessingASigningKeyIsSlowed(t *testing.T) {
	for _, user := range []string{"checkout", "stranger"} {
		guard := signedWithin(t)
		guess := func(i int) error {
			l := check(nonceNumber(i))
			l.secret = "a guess that is as long as a signing key"
			r := l.with(strings.Replace(l.params, "checkout", user, 1)).sign()
			r.Peer = hop(guesser)
			_, err := guard.Authenticate(r)
			return err
		}
		for i := range 60 {
			require.Equal(t, auth.Invalid, guess(i), user)
		}
		assert.Equal(t, later(5*time.Second), guess(60), user)
		r := check(nonceNumber(61)).sign()
		r.Peer = hop(guesser)
		_, err := guard.Authenticate(r)
		assert.NoError(t, err, "who is right is not slowed")
	}
}

func TestBesideASignatureTheSessionIsIgnored(t *testing.T) {
	i := alone(t)
	i.now = noon
	both := []auth.User{someUsers[1], signedUsers[0]}
	i.Replace(configured(t, issuing, both))
	_, cookie := i.login("analyst", "magnifier")
	r := check(nonceNumber(1)).sign()
	r.At = noon
	r.Header.(header)["Cookie"] = [][]byte{[]byte(strings.TrimPrefix(cookie, "Cookie: "))}
	caller, err := i.Authenticate(r)
	require.NoError(t, err)
	assert.Equal(t, "checkout", caller.Name)

	l := check(nonceNumber(2))
	l.secret = "a guess that is as long as a signing key"
	r = l.sign()
	r.At = noon
	r.Header.(header)["Cookie"] = [][]byte{[]byte(strings.TrimPrefix(cookie, "Cookie: "))}
	_, err = i.Authenticate(r)
	assert.Equal(t, auth.Invalid, err)
}
