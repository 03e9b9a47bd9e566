package session

import (
	"net/netip"
	"slices"
	"time"

	"fraudcheck/internal/turns"
)

// A Login is one that has not ended.
type Login struct {
	ID    LoginID
	User  string
	From  netip.Addr // that logged in; not valid where it is not known
	Since time.Time
	Used  time.Time // last, as far as this instance knows
	Until time.Time // its end, at the latest
}

// List returns the logins of the policy's users that have not ended, the newest first.
// The error is [ErrAway].
func (l *Logins) List(p *Policy, at time.Time) (logins []Login, err error) {
	now := toMs(at)
	for name := range p.Users {
		// A turn for each user: together they may take longer than a request may wait.
		turn := &turns.Turn{Class: turns.LookUp}
		values, _, err := l.get("user", []byte(name), now, turn)
		if err != nil {
			return nil, ErrAway
		}
		for _, e := range readLists(values[:]) {
			record, _, err := l.load(e.ID, now, turn)
			if err != nil && err != ErrMissing {
				return nil, ErrAway
			}
			if err == nil && !l.over(p, e.ID, &record, now) {
				used := record.Used
				if known := l.known.find(e.ID); known != nil {
					used = max(used, known.used.Load(), known.shown.Load())
				}
				logins = append(logins, Login{
					ID: e.ID, User: name, From: record.client(), Since: fromMs(record.Since),
					Used: fromMs(used), Until: fromMs(record.Ends),
				})
			}
		}
	}
	slices.SortFunc(logins, func(a, b Login) int { return b.Since.Compare(a.Since) })
	return logins, nil
}

// over reports whether nothing that the login issued is good any more.
func (l *Logins) over(p *Policy, id LoginID, record *loginRecord, now int64) bool {
	user := p.Users[record.name]
	return record.Revoked || record.Ends <= now || l.revoked.has(id) || user == nil || record.Password != user.Password
}

// EndLogin ends a login by its id, and names its user. The error is [ErrMissing] where
// there is no such login. After [ErrAway] it has ended here, and elsewhere as soon as the
// store answers; its user is not known then.
func (l *Logins) EndLogin(p *Policy, id LoginID, at time.Time) (user string, err error) {
	now := toMs(at)
	l.noteTTL(p)
	switch record, _, err := l.load(id, now, &turns.Turn{Class: turns.Change}); {
	case err == ErrMissing, err == nil && l.over(p, id, &record, now):
		return "", ErrMissing
	case err == nil:
		return l.end(id, record.Ends, now)
	}
	return l.end(id, now+p.RefreshTTL.Milliseconds(), now)
}
