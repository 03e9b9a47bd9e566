package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
)

// A connection shows what follows the scheme in the Authorization header, at noon and from
// home unless something is changed.
type connection struct {
	guard *auth.Guard
	last  auth.LastCredentials
}

func (c *connection) show(header string, changes ...func(*auth.Request)) (*auth.Caller, error) {
	r := authorization(header)
	r.At, r.Peer, r.Needs, r.Last = noon, hop("198.51.100.1"), auth.Checker, &c.last
	for _, change := range changes {
		change(r)
	}
	return c.guard.Authenticate(r)
}

// known returns a connection whose last credentials, those of the header, are known and
// need only be compared.
func known(t *testing.T, guard *auth.Guard, header string) *connection {
	t.Helper()
	c := &connection{guard: guard}
	for range 3 {
		_, err := c.show(header)
		require.NoError(t, err)
	}
	_, credentials, _ := strings.Cut(header, " ")
	require.True(t, guard.Compares(&c.last, credentials, noon))
	return c
}

func from(peer string, forwarded ...string) func(*auth.Request) {
	return func(r *auth.Request) {
		r.Peer = hop(peer)
		for _, f := range forwarded {
			r.Header.(header)["X-Forwarded-For"] = append(r.Header.(header)["X-Forwarded-For"], []byte(f))
		}
	}
}

func when(at time.Time) func(*auth.Request) { return func(r *auth.Request) { r.At = at } }

func needs(roles auth.Roles) func(*auth.Request) {
	return func(r *auth.Request) { r.Needs = roles }
}

// What was last found good on a connection is judged anew in all that may have changed.
func TestKnownCredentialsOfAConnectionAreGoodForNothingElse(t *testing.T) {
	near, far := plain, plain
	near.Networks, far.Networks = []string{"198.51.100.0/24"}, []string{"192.0.2.0/24"}
	analyst, changed := plain, plain
	analyst.Roles, changed.Password = auth.Analyst, shared+"!"
	users := func(u ...auth.User) auth.Settings {
		return auth.Settings{Users: u, JWT: jwtSettings(), TrustedProxies: []string{"198.51.100.1"}}
	}
	reload := func(s auth.Settings) func(*testing.T, *auth.Guard) {
		return func(t *testing.T, g *auth.Guard) { g.Replace(compile(t, s)) }
	}
	unchanged := func(*testing.T, *auth.Guard) {}
	ofPlain := basic("plain:" + shared)
	ofToken := "Bearer " + token(t, noon.Add(time.Minute))
	otherSecret := users(plain)
	otherSecret.JWT.Secret = strings.Repeat("z", 32)
	noTokens := users(plain)
	noTokens.JWT = nil
	for _, tt := range []struct {
		name   string
		known  string
		change func(*testing.T, *auth.Guard)
		shown  string
		as     []func(*auth.Request)
		want   error
	}{
		{"the same again", ofPlain, unchanged, ofPlain, nil, nil},
		{"a password one character off", ofPlain, unchanged, basic("plain:" + shared[:len(shared)-1] + "z"), nil, auth.Invalid},
		{"the beginning of it", ofPlain, unchanged, basic("plain:" + shared[:len(shared)-1]), nil, auth.Invalid},
		{"more than it", ofPlain, unchanged, basic("plain:" + shared + "aaa"), nil, auth.Invalid},
		{"the same text as a token", ofPlain, unchanged, "Bearer " + strings.TrimPrefix(ofPlain, "Basic "), nil, auth.TokenInvalid},
		{"a token as a password", ofToken, unchanged, "Basic " + strings.TrimPrefix(ofToken, "Bearer "), nil, auth.Malformed},
		{"nothing", ofPlain, unchanged, "", nil, auth.Missing},
		{"the user is gone", ofPlain, reload(users(lean)), ofPlain, nil, auth.Invalid},
		{"another password", ofPlain, reload(users(changed)), ofPlain, nil, auth.Invalid},
		{"another role", ofPlain, reload(users(analyst)), ofPlain, nil, auth.RoleMissing},
		{"other networks", ofPlain, reload(users(far)), ofPlain, nil, auth.NetworkRefused},
		{"no Basic any more", ofPlain, reload(auth.Settings{JWT: jwtSettings()}), ofPlain, nil, auth.Malformed},
		{"a reload that changes nothing", ofPlain, reload(users(near)), ofPlain, nil, nil},
		{"another route", ofPlain, unchanged, ofPlain, []func(*auth.Request){needs(auth.Operator)}, auth.RoleMissing},
		{"another caller through the proxy", ofPlain, reload(users(near)), ofPlain, []func(*auth.Request){from("198.51.100.1", "203.0.113.7")}, auth.NetworkRefused},
		{"a token, until it expires", ofToken, unchanged, ofToken, []func(*auth.Request){when(noon.Add(29 * time.Second))}, nil},
		{"a token, once it has", ofToken, unchanged, ofToken, []func(*auth.Request){when(noon.Add(2 * time.Minute))}, auth.TokenExpired},
		{"a token after its key was changed", ofToken, reload(otherSecret), ofToken, nil, auth.TokenInvalid},
		{"a token where none is taken", ofToken, reload(noTokens), ofToken, nil, auth.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := users(near)
			now := noon
			settings.JWT.Now = func() time.Time { return now }
			guard := auth.NewGuard(compile(t, settings))
			c := known(t, guard, tt.known)
			tt.change(t, guard)
			for _, change := range tt.as {
				r := &auth.Request{At: noon, Header: header{}}
				change(r)
				now = r.At
			}
			for range 2 {
				caller, err := c.show(tt.shown, tt.as...)
				if tt.want == nil {
					require.NoError(t, err)
					continue
				}
				assert.ErrorIs(t, err, tt.want)
				assert.Nil(t, caller)
			}
		})
	}
}

// Two callers may share a connection, as behind a proxy.
func TestCallersThatShareAConnectionAreToldApart(t *testing.T) {
	guard := auth.NewGuard(ofUsers(t, plain, digested))
	c := known(t, guard, basic("plain:"+shared))
	for range 3 {
		for _, name := range []string{"digested", "plain"} {
			caller, err := c.show(basic(name + ":" + shared))
			require.NoError(t, err)
			assert.Equal(t, name, caller.Name)
		}
		_, err := c.show(basic("plain:a guess"))
		assert.Equal(t, error(auth.Invalid), err)
	}
}

// Guesses on the connection of a known caller are counted, and slowed like all others.
func TestGuessesOnAConnectionThatIsKnownAreSlowed(t *testing.T) {
	guard := auth.NewGuard(ofUsers(t, plain))
	c := known(t, guard, basic("plain:"+shared))
	refused := func() bool {
		_, err := c.show(basic("plain:a guess"))
		return assert.ErrorIs(t, err, auth.TooManyFailures)
	}
	for range 60 {
		_, err := c.show(basic("plain:a guess"))
		require.Equal(t, error(auth.Invalid), err)
	}
	assert.True(t, refused(), "the user's attempts are used up")
	_, err := c.show(basic("plain:" + shared))
	assert.NoError(t, err, "the right password passes")
	assert.True(t, refused())
}
