package auth_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/proof"
)

// asPeer is a request of another instance for what peers may read, with the value of an
// Authorization header.
func asPeer(value string) *auth.Request {
	r := authorization(value)
	r.Peer = netip.MustParseAddr("198.51.100.7")
	r.Method, r.Target, r.Needs, r.ForPeers = []byte("GET"), []byte("/v1/logins?scope=this"), auth.Operator, true
	return r
}

func TestAnotherInstanceMayReadWhatIsForPeers(t *testing.T) {
	keys, err := proof.NewKeys(bytes.Repeat([]byte("k"), 32), nil)
	require.NoError(t, err)
	foreign, err := proof.NewKeys(bytes.Repeat([]byte("x"), 32), nil)
	require.NoError(t, err)
	made := func(k *proof.Keys, at time.Time) string { return k.Make("GET", "/v1/logins?scope=this", "ana", at) }
	good := made(keys, noon)

	guard := auth.NewGuard(compile(t, auth.Settings{Networks: []string{"!192.0.2.0/24"}}))
	guard.Now = func() time.Time { return noon }
	var observed []string
	guard.Observe = func(scheme, result string) { observed = append(observed, scheme+" "+result) }
	_, err = guard.Authenticate(asPeer(good))
	require.ErrorIs(t, err, auth.Malformed, "this instance has no peers")
	guard.Peers, observed = keys, nil

	elsewhere := asPeer(made(keys, noon))
	elsewhere.Peer = netip.MustParseAddr("192.0.2.7")
	change := asPeer(made(keys, noon))
	change.ForPeers = false
	anyone := asPeer(made(keys, noon))
	anyone.ForPeers, anyone.Needs = false, auth.Anyone
	for _, tt := range []struct {
		name    string
		request *auth.Request
		want    error
	}{
		{"a proof", asPeer(good), nil},
		{"a proof that was used", asPeer(good), auth.TokenInvalid},
		{"another proof", asPeer(made(keys, noon)), nil},
		{"an old one", asPeer(made(keys, noon.Add(-11*time.Second))), auth.TokenExpired},
		{"another hash key", asPeer(made(foreign, noon)), auth.Invalid},
		{"garbage", asPeer(proof.Scheme + " 1.2.3"), auth.Malformed},
		{"from a refused network", elsewhere, auth.NetworkRefused},
		{"what is not for peers", change, auth.RoleMissing},
		{"what anybody may", anyone, auth.RoleMissing},
	} {
		caller, err := guard.Authenticate(tt.request)
		if tt.want != nil {
			assert.ErrorIs(t, err, tt.want, tt.name)
			continue
		}
		if assert.NoError(t, err, tt.name) {
			assert.True(t, caller.IsPeer())
			assert.Equal(t, "ana", caller.Name)
			assert.Zero(t, caller.Roles)
		}
	}
	closed := closedSet()
	for _, result := range observed {
		assert.True(t, closed[result], result)
	}

	for range 1000 { // a stranger has nothing to guess, and honest callers from there are not slowed
		_, err := guard.Authenticate(asPeer(made(foreign, noon)))
		require.ErrorIs(t, err, auth.Invalid)
	}
	_, err = guard.Authenticate(asPeer(made(keys, noon)))
	assert.NoError(t, err)
}

// A caller that is configured is needed still: other instances do not check.
func TestPeersAreNoCallers(t *testing.T) {
	assert.True(t, compile(t, auth.Settings{}).IsEmpty())
}
