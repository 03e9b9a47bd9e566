package auth

import (
	"bytes"
	"crypto/sha256"
	"time"

	"fraudcheck/internal/auth/session"
)

// Tokens are what a login or a refresh issues.
type Tokens struct {
	Access    string
	ExpiresIn time.Duration // of Access
	Refresh   string        // empty: the store does not answer, and would have to hold it
	Cookie    string        // the value of a Set-Cookie header; empty: none
}

// Login issues tokens, and a session, to a user of Basic: to the one whom the
// Authorization header names, where there is one, otherwise to this. A session that
// the caller had ends. The error is a Failure or wraps one.
//
// While the store does not answer there is an access token alone: it is the one
// thing that is good without the store.
func (g *Guard) Login(r *Request, username, password string) (t *Tokens, err error) {
	r.scheme = "login"
	defer func() { g.observe(r.scheme, err, err == nil && t.Refresh == "") }()
	k, s := g.knock(r), g.schemes.Load()
	caller, err := s.credentials(r, k, username, password)
	if err != nil {
		return nil, err
	}
	if r.caller = caller.Name; s.outside(caller, r) {
		return nil, NetworkRefused
	}
	if !g.issues(s) {
		return nil, Invalid
	}
	user, now := s.basic.users[caller.Name], toMs(r.At)
	if user == nil {
		return nil, Invalid
	}
	var from place
	if user.bindIP {
		if from = placeOf(r.from); from == (place{}) {
			return nil, NetworkRefused
		}
	}
	signer := g.Logins.keys.signer()
	defer g.Logins.keys.signers.Put(signer)
	session := randomBytes(sessionSize)
	id, ends := signer.loginOf(session), now+s.tokens.RefreshTTL.Milliseconds()
	access := accessToken{login: id, ends: ends, from: from, name: []byte(caller.Name)}
	t = &Tokens{}
	t.Access, t.ExpiresIn = g.issue(signer, s, &access, now)
	refresh := signer.write(refreshPrefix, newRefresh(id, ends))
	record := loginRecord{name: caller.Name, loginState: loginState{
		Refresh: sha256.Sum256([]byte(refresh)), Ends: ends, Access: access.expires, Used: now, From: from, Stamp: user.stamp,
	}}
	if g.Logins.begin(id, &record, s.tokens.PerUser, now) != nil {
		return t, nil
	}
	t.Refresh = refresh
	if r.foreign() {
		return t, nil // a page of another origin gives nobody a session
	}
	if old, found := r.cookie(); found && bytes.HasPrefix(old, []byte(sessionPrefix)) {
		if payload, genuine := signer.read(sessionPrefix, old); genuine {
			_ = g.end(signer.loginOf(payload), ends, now)
		}
	}
	t.Cookie = setCookie(r.TLS, signer.write(sessionPrefix, session))
	return t, nil
}

// credentials finds the user by the Authorization header, or else by the words.
func (s *schemes) credentials(r *Request, k knock, username, password string) (*Caller, error) {
	if s.basic == nil {
		return nil, Invalid
	}
	switch headers := r.Header.Values("Authorization"); {
	case len(headers) == 0:
		return s.basic.words(username, password, k)
	case len(headers) == 1 && len(headers[0]) <= maxHeader:
		name, credentials, found := bytes.Cut(headers[0], []byte(" "))
		if found && named(name, "Basic") {
			return s.basic.authenticate(bytes.TrimLeft(credentials, " "), k)
		}
	}
	return nil, Malformed
}

// issue makes an access token that is good from now on.
func (g *Guard) issue(signer *signer, s *schemes, t *accessToken, now int64) (text string, in time.Duration) {
	t.issued, t.expires = now, min(now+s.tokens.TTL.Milliseconds(), t.ends)
	return signer.write(accessPrefix, t.append(make([]byte, 0, 256))), time.Duration(t.expires-now) * time.Millisecond
}

// user is whose login it is, unless they are not there any more, have another
// password, or ask from elsewhere.
func (s *schemes) user(record *loginRecord, r *Request) *basicUser {
	user := s.basic.users[record.name]
	if user == nil || record.Stamp != user.stamp || !record.From.admits(user.bindIP, r.from) {
		return nil
	}
	return user
}

// byToken finds the caller by an access token of our own.
func (g *Guard) byToken(r *Request, s *schemes, text []byte) (*Caller, error) {
	if !bytes.HasPrefix(text, []byte(accessPrefix)) {
		return nil, TokenInvalid
	}
	l := g.Logins
	signer := l.keys.signer()
	defer l.keys.signers.Put(signer)
	payload, genuine := signer.read(accessPrefix, text)
	if !genuine {
		return nil, TokenInvalid
	}
	t, ok := readAccess(payload)
	if !ok {
		return nil, TokenInvalid
	}
	now := toMs(r.At)
	if t.expires <= now {
		return nil, TokenExpired
	}
	user := s.basic.users[string(t.name)]
	if user == nil || !t.from.admits(user.bindIP, r.from) || l.revoked.has(t.login) {
		return nil, TokenInvalid
	}
	_, view := l.look(t.login, now)
	if view.found && (view.record.Revoked || view.record.Stamp != user.stamp) {
		return nil, TokenInvalid
	}
	r.Grant = Grant{Expires: fromMs(t.expires), Local: view.local()}
	// Only what the store vouches for is prolonged.
	if s.tokens.Sliding && view.found && !view.local() && now-t.issued >= (t.expires-t.issued)/2 && t.expires < t.ends {
		fresh := accessToken{login: t.login, ends: t.ends, from: t.from, name: []byte(user.caller.Name)}
		r.Grant.Fresh, _ = g.issue(signer, s, &fresh, now)
	}
	return &user.caller, nil
}

// Refresh issues new tokens for a refresh token, which is good once: used twice it
// ends all that came of its login. The error is a Failure or wraps one.
func (g *Guard) Refresh(r *Request, token string) (*Tokens, error) {
	r.scheme = "refresh"
	k := g.knock(r)
	t, err := g.refresh(r, g.schemes.Load(), []byte(token))
	if err != errReused {
		err = k.token(err)
		g.observe(r.scheme, err, false)
		return t, err
	}
	if g.Observe != nil {
		g.Observe(r.scheme, "reused")
	}
	return nil, k.token(TokenInvalid)
}

func (g *Guard) refresh(r *Request, s *schemes, text []byte) (*Tokens, error) {
	if !g.issues(s) || !bytes.HasPrefix(text, []byte(refreshPrefix)) {
		return nil, TokenInvalid
	}
	l := g.Logins
	signer := l.keys.signer()
	defer l.keys.signers.Put(signer)
	payload, genuine := signer.read(refreshPrefix, text)
	if !genuine {
		return nil, TokenInvalid
	}
	given, ok := readRefresh(payload)
	now := toMs(r.At)
	switch {
	case !ok:
		return nil, TokenInvalid
	case given.ends <= now:
		return nil, TokenExpired
	case l.revoked.has(given.login):
		return nil, TokenInvalid
	}
	next := signer.write(refreshPrefix, newRefresh(given.login, given.ends))
	access := min(now+s.tokens.TTL.Milliseconds(), given.ends)
	outside := false
	record, err := l.rotate(given.login, sha256.Sum256(text), sha256.Sum256([]byte(next)), func(record *loginRecord) bool {
		user := s.user(record, r)
		if user != nil {
			r.caller, outside = record.name, s.outside(&user.caller, r)
		}
		return user != nil && !outside
	}, access, now)
	switch {
	case err == nil:
	case outside:
		return nil, NetworkRefused
	case err == errReused:
		l.leave(given.login, record.name, now)
		return nil, err
	case err == session.ErrMissing, err == errRevoked:
		return nil, TokenInvalid
	default:
		return nil, Unavailable
	}
	l.note(given.login, &record, now)
	issued := accessToken{login: given.login, ends: given.ends, from: record.From, name: []byte(record.name)}
	t := &Tokens{Refresh: next}
	t.Access, t.ExpiresIn = g.issue(signer, s, &issued, now)
	return t, nil
}

// Logout ends the login whose access token, expired or not, or whose session the
// request shows; it is no failure when there is none. After Unavailable it has
// ended here, and elsewhere as soon as the store answers.
func (g *Guard) Logout(r *Request) (err error) {
	s := g.schemes.Load()
	if !g.issues(s) {
		return nil
	}
	r.scheme = "logout"
	defer func() { g.observe(r.scheme, err, false) }()
	signer := g.Logins.keys.signer()
	defer g.Logins.keys.signers.Put(signer)
	switch headers := r.Header.Values("Authorization"); len(headers) {
	case 0:
		text, found := r.cookie()
		if !found || !bytes.HasPrefix(text, []byte(sessionPrefix)) {
			return nil
		}
		if !r.sameOrigin() {
			return NetworkRefused
		}
		if payload, genuine := signer.read(sessionPrefix, text); genuine {
			now := toMs(r.At)
			return g.end(signer.loginOf(payload), now+s.tokens.RefreshTTL.Milliseconds(), now)
		}
	case 1:
		name, text, _ := bytes.Cut(headers[0], []byte(" "))
		text = bytes.TrimLeft(text, " ")
		if !named(name, "Bearer") || !bytes.HasPrefix(text, []byte(accessPrefix)) {
			return nil
		}
		if payload, genuine := signer.read(accessPrefix, text); genuine {
			if t, ok := readAccess(payload); ok {
				return g.end(t.login, t.ends, toMs(r.At))
			}
		}
	}
	return nil
}

// end revokes a login, which of itself would end then at the latest, and takes it
// off its user's list.
func (g *Guard) end(id loginID, ends, now int64) error {
	l := g.Logins
	record, _, err := l.load(id, now)
	if err == nil && record.Revoked {
		ends = record.Access
	}
	if l.revoke(id, ends, now) != nil {
		return Unavailable
	}
	if err == nil && !record.Revoked {
		l.leave(id, record.name, now)
	}
	return nil
}

// Conversation is what tells the requests of one login from others, before anything
// of them was verified; false where they show neither token nor session of ours.
func (g *Guard) Conversation(r *Request) (id [16]byte, found bool) {
	if !g.issues(g.schemes.Load()) {
		return id, false
	}
	switch headers := r.Header.Values("Authorization"); len(headers) {
	case 0:
		text, found := r.cookie()
		if !found || !bytes.HasPrefix(text, []byte(sessionPrefix)) {
			return id, false
		}
		signer := g.Logins.keys.signer()
		defer g.Logins.keys.signers.Put(signer)
		payload, genuine := signer.read(sessionPrefix, text)
		return signer.loginOf(payload), genuine
	case 1:
		name, text, _ := bytes.Cut(headers[0], []byte(" "))
		if text, ok := bytes.CutPrefix(bytes.TrimLeft(text, " "), []byte(accessPrefix)); ok && named(name, "Bearer") && len(text) > 24 {
			var raw [18]byte
			_, err := strictURL.Decode(raw[:], text[:24])
			copy(id[:], raw[:])
			return id, err == nil
		}
	}
	return id, false
}
