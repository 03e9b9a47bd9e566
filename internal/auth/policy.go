package auth

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fraudcheck/internal/auth/session"
)

// Settings are what a policy is compiled from.
type Settings struct {
	// Users are those of the configuration. Nil: Basic is not configured; empty: it is,
	// and there is no user yet.
	Users  []User
	JWT    *JWTSettings     // nil: no JSON Web Tokens
	Tokens session.Settings // of what logins issue; a TTL of 0: there are none
	// Networks are those that all callers may call from, beside their own, and written
	// like [User.Networks].
	Networks []string
	// TrustedProxies are addresses and networks whose X-Forwarded-For is believed: see
	// [Guard.From].
	TrustedProxies []string
	// TLSInFront says that the trusted proxies end TLS: see [Guard.OverTLS].
	TLSInFront bool
}

// A SettingError names the setting that is wrong.
type SettingError struct {
	List     string // users, jwt, tokens, networks or trusted_proxies
	Index    int    // of the entry in the list, from 0; -1 where List is none
	Key      string // of the entry, as the configuration spells it; empty: the entry itself
	Expected string
}

// Error names the setting and what is expected; never its value.
func (e *SettingError) Error() string {
	setting := e.List
	if e.Index >= 0 {
		setting += fmt.Sprintf("[%d]", e.Index)
	}
	if e.Key != "" {
		setting += "." + e.Key
	}
	return setting + ": expected " + e.Expected
}

// A Policy says whom a [Guard] lets in: users, keys, networks and for how long logins
// are good. It is compiled whole and never changes.
type Policy struct {
	// Algorithms are those that JSON Web Tokens may be signed with; nil without them.
	Algorithms []string
	// Warnings say what is unwise; each begins with the dotted key.
	Warnings []string

	schemes   []schemeOfKind // the configured ones, in the order of kinds
	challenge string
	basic     *basicScheme    // nil where it is not configured
	logins    *session.Policy // nil where there are none
	networks  *networks       // of all callers
	proxies   []netip.Prefix

	tlsInFront bool // the proxies end TLS
}

// A schemeOfKind is a configured scheme with its description.
type schemeOfKind struct {
	scheme
	*kind
}

// compiled is what schemes are compiled from.
type compiled struct {
	*Settings
	accounts *accounts
	policy   *Policy // what is compiled of it so far
}

// NewPolicy compiles the settings. It stops at the first that is wrong; the error is a
// *SettingError. It reads no file and no clock.
func NewPolicy(s Settings) (*Policy, error) {
	p := new(Policy)
	var err error
	if p.networks, err = newNetworks(s.Networks); err != nil {
		return nil, err
	}
	if err := p.compileProxies(s.TrustedProxies); err != nil {
		return nil, err
	}
	p.tlsInFront = s.TLSInFront
	if s.Tokens.TTL > s.Tokens.RefreshTTL {
		return nil, &SettingError{List: "tokens", Index: -1, Key: "ttl", Expected: "at most auth.tokens.refresh_ttl"}
	}
	accounts, err := newAccounts(s.Users)
	if err != nil {
		return nil, err
	}
	p.compileLogins(&s, accounts)
	c := &compiled{&s, accounts, p}
	for _, k := range kinds {
		scheme, err := k.compile(c)
		if err != nil {
			return nil, err
		}
		if scheme != nil {
			p.schemes = append(p.schemes, schemeOfKind{scheme, k})
		}
	}
	p.challenge = challengeOf(p.schemes)
	return p, nil
}

// compileLogins compiles Basic, and what logins issue to its users. Where all users only
// sign requests there is no Basic, and so no login.
func (p *Policy) compileLogins(s *Settings, a *accounts) {
	if s.Users == nil || len(s.Users) > 0 && len(a.passwords) == 0 {
		return
	}
	p.basic = &basicScheme{a}
	if s.Tokens.TTL == 0 {
		return
	}
	p.logins = &session.Policy{Settings: s.Tokens, Users: make(map[string]*session.User, len(a.passwords))}
	for name, account := range a.passwords {
		p.logins.Users[name] = &account.login
	}
}

// compileProxies reads the trusted proxies.
func (p *Policy) compileProxies(proxies []string) error {
	for i, text := range proxies {
		network, ok := parseNetwork(text)
		if !ok {
			return &SettingError{List: "trusted_proxies", Index: i, Expected: aNetwork}
		}
		p.proxies = append(p.proxies, network)
	}
	if slices.ContainsFunc(p.proxies, func(n netip.Prefix) bool { return n.Bits() == 0 }) {
		p.Warnings = append(p.Warnings, "trusted_proxies holds every address: a caller comes from wherever it says")
	}
	return nil
}

// IsEmpty reports whether no scheme for callers is configured: then every request but
// those of other instances is refused.
func (p *Policy) IsEmpty() bool {
	return !slices.ContainsFunc(p.schemes, func(s schemeOfKind) bool { return s.name != peerKind.name })
}

// challengeOf joins the challenges of the schemes, each once; those of fallback schemes
// only where there is no other.
func challengeOf(schemes []schemeOfKind) string {
	var challenges, fallbacks []string
	for _, s := range schemes {
		switch {
		case s.fallback:
			fallbacks = append(fallbacks, s.kind.challenge)
		case s.kind.challenge != "" && !slices.Contains(challenges, s.kind.challenge):
			challenges = append(challenges, s.kind.challenge)
		}
	}
	if challenges == nil {
		challenges = fallbacks
	}
	return strings.Join(challenges, ", ")
}

// admit refuses a caller that is known and calls from a network that is not its own, or
// lacks the role.
func (p *Policy) admit(c *Caller, r *Request) error {
	switch {
	case p.outside(c, r):
		r.Grant = Grant{}
		return NetworkRefused
	case c.peer:
		if !r.ForPeers {
			return RoleMissing
		}
	case r.Needs != 0 && !c.Roles.Permit(r.Needs):
		return RoleMissing
	}
	return nil
}

// outside reports whether the caller may not call from where the request comes from.
func (p *Policy) outside(c *Caller, r *Request) bool {
	return !p.networks.contains(r.from) || !c.networks.contains(r.from)
}
