package session

import (
	"net/netip"
	"time"

	"fraudcheck/internal/turns"
)

// A Shown is a token or session that was found valid.
type Shown struct {
	Login   LoginID // also beside an error, where the text is one of ours
	User    *User
	Expires time.Time
	Fresh   string // an access token to go on with: see [Settings]
	Local   bool   // the store did not answer; what is known here decided

	known *knownLogin
	view  *loginView
}

// Access verifies an access token that is shown from an address. Only its signature and
// its time are needed; where the store answers, or has within a second, the login must
// not be revoked there. turn is the request's. The error is [ErrInvalid] or [ErrExpired].
func (l *Logins) Access(p *Policy, text []byte, from netip.Addr, at time.Time, turn *turns.Turn) (Shown, error) {
	shown, err := l.PeekAccess(p, text, from, at, turn)
	if err == nil {
		shown.known.shown.Store(toMs(at))
	}
	return shown, err
}

// PeekAccess is Access, and no use of the login.
func (l *Logins) PeekAccess(p *Policy, text []byte, from netip.Addr, at time.Time, turn *turns.Turn) (Shown, error) {
	l.noteTTL(p)
	signer := l.keys.signer()
	defer l.keys.signers.Put(signer)
	t, ok := signer.access(text)
	if !ok {
		return Shown{}, ErrInvalid
	}
	now, shown := toMs(at), Shown{Login: t.login}
	if t.expires <= now {
		return shown, ErrExpired
	}
	user := p.Users[string(t.name)]
	if user == nil || !t.from.admits(user.BindIP, from) || l.revoked.has(t.login) {
		return shown, ErrInvalid
	}
	known, view := l.lookUp(t.login, now, turn)
	if view.found && (view.record.Revoked || view.record.Password != user.Password) {
		return shown, ErrInvalid
	}
	shown.User, shown.Expires, shown.Local, shown.known = user, fromMs(t.expires), view.local(), known
	// Only a token whose login the store confirms is prolonged.
	if p.Sliding && view.found && !view.local() && now-t.issued >= (t.expires-t.issued)/2 && t.expires < t.ends {
		shown.Fresh, _ = signer.issue(p, &accessToken{login: t.login, ends: t.ends, from: t.from, name: []byte(user.Name)}, now)
	}
	return shown, nil
}

// Session verifies a session that is shown from an address. It is not a use of it: see
// [Logins.Use]. turn is the request's. The error is [ErrInvalid],
// [ErrExpired], or [ErrAway] where the store would have to confirm the session.
func (l *Logins) Session(p *Policy, text []byte, from netip.Addr, at time.Time, turn *turns.Turn) (Shown, error) {
	l.noteTTL(p)
	id, ok := l.sessionID(text)
	if !ok {
		return Shown{}, ErrInvalid
	}
	shown := Shown{Login: id}
	if l.revoked.has(id) {
		return shown, ErrInvalid
	}
	now := toMs(at)
	known, view := l.lookUp(id, now, turn)
	switch {
	case view.local() && now-view.confirmed >= goodAlone:
		return shown, ErrAway
	case !view.found || view.record.Revoked:
		return shown, ErrInvalid
	}
	user := p.userOf(&view.record, from)
	if user == nil {
		return shown, ErrInvalid
	}
	until := min(view.record.Ends, max(view.record.Used, known.used.Load())+p.SessionTimeout.Milliseconds())
	if until <= now {
		return shown, ErrExpired
	}
	return Shown{Login: id, User: user, Expires: fromMs(until), Local: view.local(), known: known, view: view}, nil
}

// Use prolongs a session that [Logins.Session] returned. The store is told at most once a
// minute, or ten times in SessionTimeout where that is less, so that other instances know
// of the use.
func (l *Logins) Use(p *Policy, s *Shown, at time.Time, turn *turns.Turn) {
	now, timeout := toMs(at), p.SessionTimeout.Milliseconds()
	s.known.used.Store(now)
	written, every := s.known.written.Load(), min(time.Minute.Milliseconds(), timeout/10)
	if !s.Local && now-max(written, s.view.record.Used) >= every && s.known.written.CompareAndSwap(written, now) {
		l.storeUse(s.Login, now, turn)
	}
	s.Expires = fromMs(min(s.view.record.Ends, now+timeout))
}
