package auth

import (
	"crypto/subtle"
	"time"
)

// LastCredentials are those that were last found good on one connection: a kept-alive
// connection shows the same ones with every request, and comparing them costs less than
// the hash under which [verified] keeps them. They decide nothing else: the verification's
// end, the caller's networks and its role are judged for every request, and under another
// policy they mean nothing. Those of signatures, tokens and sessions of our own are not
// kept.
//
// They are kept as sent, for as long as the connection lives; so does the buffer into
// which it was read. The zero value is ready for use by one goroutine at a time.
type LastCredentials struct {
	of   *verified // of the policy and the scheme under which they are good
	sent []byte
	*verification
}

// find returns what of knows of these credentials, while that is fresh and they are those
// found last; otherwise nil. It takes as long for any credentials of their length.
func (l *LastCredentials) find(of *verified, sent []byte, now time.Time) *verification {
	if l == nil || l.of != of || subtle.ConstantTimeCompare(l.sent, sent) != 1 || l.age(now) != fresh {
		return nil
	}
	return l.verification
}

// keep keeps credentials of which of has just found this verification.
func (l *LastCredentials) keep(of *verified, sent []byte, v *verification) {
	if l != nil {
		l.of, l.sent, l.verification = of, append(l.sent[:0], sent...), v
	}
}
