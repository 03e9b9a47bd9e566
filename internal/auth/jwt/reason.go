package jwt

import (
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// A Reason is why a token was refused, in a word or two for the log. It quotes nothing of
// the token. The caller is told no more than that its token is not valid, or has expired.
type Reason string

// Error returns the reason.
func (r Reason) Error() string { return string(r) }

// The reasons, beside "exp missing", "aud missing" and "iss missing".
const (
	Expired Reason = "expired" // the token's signature is good

	tooLong       Reason = "too long"
	malformed     Reason = "malformed"
	badAlgorithm  Reason = "alg"
	badHeader     Reason = "header parameter"
	unknownKey    Reason = "kid unknown"
	badSignature  Reason = "signature"
	badAudience   Reason = "aud"
	badIssuer     Reason = "iss"
	notYet        Reason = "nbf"
	issuedLater   Reason = "iat"
	badDate       Reason = "date out of range"
	badSubject    Reason = "sub"
	noAccessToken Reason = "not an access token"
	badClaim      Reason = "claim type"
)

// reasonOf returns the reason of an error of the library, which may quote the token.
func reasonOf(err error, claims jwt.MapClaims) Reason {
	var own Reason
	if errors.As(err, &own) { // of Verifier.key
		return own
	}
	for _, r := range [...]struct {
		err    error
		reason Reason
	}{
		{jwt.ErrTokenMalformed, malformed},
		{jwt.ErrTokenSignatureInvalid, badSignature},
		{jwt.ErrTokenUnverifiable, badAlgorithm},
		{jwt.ErrTokenExpired, Expired}, // found only after the signature was
		{jwt.ErrTokenInvalidAudience, badAudience},
		{jwt.ErrTokenInvalidIssuer, badIssuer},
		{jwt.ErrTokenNotValidYet, notYet},
		{jwt.ErrTokenUsedBeforeIssued, issuedLater},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	if errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
		for _, name := range [...]string{"exp", "aud", "iss"} {
			if _, given := claims[name]; !given {
				return Reason(name + " missing")
			}
		}
		return badAudience // an empty one
	}
	return badClaim // a date, or another registered one, of a wrong type
}
