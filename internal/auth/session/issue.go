package session

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"fraudcheck/internal/turns"
)

// Issued is what a login or a refresh issues.
type Issued struct {
	Login     LoginID
	Access    string
	ExpiresIn time.Duration // of Access
	Refresh   string        // empty: the store would have to hold it, and does not answer
	Session   string        // of a login; empty as Refresh is
}

// Begin starts a login of the user, from an address that is not valid where it is not
// known. While the store does not answer it issues an access token alone, which is the
// only kind that is good without the store. The error is [ErrNoAddress].
func (l *Logins) Begin(p *Policy, user *User, from netip.Addr, at time.Time) (Issued, error) {
	l.noteTTL(p)
	var bound network
	if user.BindIP {
		if bound = networkOf(from); bound == (network{}) {
			return Issued{}, ErrNoAddress
		}
	}
	signer := l.keys.signer()
	defer l.keys.signers.Put(signer)
	session, now := randomBytes(sessionSize), toMs(at)
	id, ends := loginOf(session), now+p.RefreshTTL.Milliseconds()
	access := accessToken{login: id, ends: ends, from: bound, name: []byte(user.Name)}
	issued := Issued{Login: id}
	issued.Access, issued.ExpiresIn = signer.issue(p, &access, now)
	refresh := signer.write(refreshPrefix, newRefresh(id, ends))
	record := loginRecord{name: user.Name, loginState: loginState{
		Refresh: sha256.Sum256([]byte(refresh)), Ends: ends, Access: access.expires, Used: now, Since: now, From: bound, Password: user.Password,
	}}
	if from.IsValid() {
		record.Client = from.As16()
	}
	if l.create(id, &record, p.PerUser, now, &turns.Turn{Class: turns.LookUp}) == nil {
		issued.Refresh, issued.Session = refresh, signer.write(sessionPrefix, session)
	}
	return issued, nil
}

// issue returns the text of an access token that is good from now on, at most until its
// login ends, and for how long that is.
func (s *signer) issue(p *Policy, t *accessToken, now int64) (text string, in time.Duration) {
	t.issued, t.expires = now, min(now+p.TTL.Milliseconds(), t.ends)
	return s.write(accessPrefix, t.append(make([]byte, 0, 256))), time.Duration(t.expires-now) * time.Millisecond
}

// Refresh issues new tokens for a refresh token, which is good once: used twice it
// revokes its login. The token is not spent when admit, which is called where the token
// is good, fails; Refresh fails with the same error then. Other errors are
// [ErrInvalid], [ErrExpired], [ErrReused] and [ErrAway]. The login is named beside an
// error too, where the token is one of ours.
func (l *Logins) Refresh(p *Policy, token []byte, from netip.Addr, at time.Time, admit func(*User) error) (Issued, error) {
	l.noteTTL(p)
	signer := l.keys.signer()
	defer l.keys.signers.Put(signer)
	given, ok := signer.refresh(token)
	now := toMs(at)
	if !ok {
		return Issued{}, ErrInvalid
	}
	issued := Issued{Login: given.login}
	switch {
	case given.ends <= now:
		return issued, ErrExpired
	case l.revoked.has(given.login):
		return issued, ErrInvalid
	}
	next := signer.write(refreshPrefix, newRefresh(given.login, given.ends))
	access := min(now+p.TTL.Milliseconds(), given.ends)
	var refused error
	turn := &turns.Turn{Class: turns.LookUp}
	record, err := l.rotate(given.login, sha256.Sum256(token), sha256.Sum256([]byte(next)), func(record *loginRecord) error {
		user := p.userOf(record, from)
		if user == nil {
			return errRevoked
		}
		refused = admit(user)
		return refused
	}, access, now, turn)
	switch {
	case err == nil:
	case refused != nil:
		return issued, refused
	case err == ErrReused:
		l.removeFromList(given.login, record.name, now, turn)
		return issued, err
	case err == ErrMissing, err == errRevoked:
		return issued, ErrInvalid
	default:
		return issued, ErrAway
	}
	l.cache(given.login, &record, now)
	issued.Refresh = next
	issued.Access, issued.ExpiresIn = signer.issue(p, &accessToken{
		login: given.login, ends: given.ends, from: record.From, name: []byte(record.name)}, now)
	return issued, nil
}

// userOf returns the user whose login it is; nil where there is none any more, the
// password is another, or the address is not the one that the login is bound to.
func (p *Policy) userOf(record *loginRecord, from netip.Addr) *User {
	user := p.Users[record.name]
	if user == nil || record.Password != user.Password || !record.From.admits(user.BindIP, from) {
		return nil
	}
	return user
}

// End ends the login of a token of any kind or a session, expired or not, and names it and
// its user, where the store knows that. The error is [ErrInvalid] where the text is none of ours. After [ErrAway] the login has
// ended here, and elsewhere as soon as the store answers.
func (l *Logins) End(p *Policy, text []byte, at time.Time) (id LoginID, user string, err error) {
	l.noteTTL(p)
	signer := l.keys.signer()
	defer l.keys.signers.Put(signer)
	now := toMs(at)
	if t, ok := signer.access(text); ok {
		user, err = l.end(t.login, t.ends, now)
		return t.login, user, err
	}
	if t, ok := signer.refresh(text); ok {
		user, err = l.end(t.login, t.ends, now)
		return t.login, user, err
	}
	if id, ok := signer.session(text); ok {
		user, err = l.end(id, now+p.RefreshTTL.Milliseconds(), now)
		return id, user, err
	}
	return LoginID{}, "", ErrInvalid
}

// end revokes a login, which would end at ends at the latest, and takes it off its user's
// list. It names the user where the store knows it. It is ErrAway where other instances
// have not heard.
func (l *Logins) end(id LoginID, ends, now int64) (user string, err error) {
	turn := &turns.Turn{Class: turns.Change}
	record, _, err := l.load(id, now, turn)
	if err == nil && record.Revoked {
		ends = record.Access
	}
	if l.revoke(id, ends, now, turn) != nil {
		return record.name, ErrAway
	}
	if err == nil && !record.Revoked {
		l.removeFromList(id, record.name, now, turn)
	}
	return record.name, nil
}

// sessionID returns the id of the login of a session that we signed; false for other
// text.
func (l *Logins) sessionID(text []byte) (id LoginID, ok bool) {
	signer := l.keys.signer()
	defer l.keys.signers.Put(signer)
	return signer.session(text)
}
