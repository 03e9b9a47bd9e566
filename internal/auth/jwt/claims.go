package jwt

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// isAccessToken reports whether a token is one, as far as that can be told. An ID token
// is for the client that asked for it: if they were taken, any client that a user signs in
// to could check cards in the user's name (OpenID Connect Core, RFC 9068 section 5).
//
// The header's typ says it (at+jwt), or another type of RFC 8725 section 3.11; so do the
// claims typ (Keycloak) and token_use (Cognito). Where none of them says that it is an
// access token, a claim that only ID tokens have says that it is one of those. A typ in
// the header that is no text (RFC 7515 section 4.1.9) is refused.
func isAccessToken(header map[string]any, claims jwt.MapClaims) bool {
	typ, isText := header["typ"].(string)
	_, given := header["typ"]
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	switch {
	case typ == "at+jwt":
		return true
	case given && !isText, strings.HasSuffix(typ, "+jwt"), isOtherUse(typ):
		return false
	}
	said := false
	for _, name := range [...]string{"typ", "token_use"} {
		use, _ := claims[name].(string)
		switch use = strings.ToLower(use); {
		case isOtherUse(use):
			return false
		case use == "bearer", use == "access", use == "at+jwt":
			said = true
		}
	}
	if said {
		return true
	}
	for _, name := range [...]string{"nonce", "at_hash", "c_hash", "s_hash"} {
		if _, given := claims[name]; given {
			return false
		}
	}
	return true
}

// isOtherUse reports whether a token's type, in lower case, is that of no access token.
func isOtherUse(typ string) bool {
	switch typ {
	case "id", "id_token", "refresh", "refresh_token", "offline", "logout", "logout_token":
		return true
	}
	return false
}

// claimAt returns the claim of that name; where there is none, dots in the name lead into
// objects: realm_access.roles. Names may hold dots themselves, so every way to split is
// tried, the longest name first. It is nil where there is no such claim.
func claimAt(claims map[string]any, path string) any {
	if claim, found := claims[path]; found {
		return claim
	}
	for at := strings.LastIndexByte(path, '.'); at > 0; at = strings.LastIndexByte(path[:at], '.') {
		if inner, ok := claims[path[:at]].(map[string]any); ok {
			if claim := claimAt(inner, path[at+1:]); claim != nil {
				return claim
			}
		}
	}
	return nil
}

// rolesOf reads a claim that is text with blanks between the values, as scope is in
// RFC 8693, or an array. Values of another type are left out.
func rolesOf(claim any) (roles []string) {
	switch claim := claim.(type) {
	case string:
		return strings.Fields(claim)
	case []any:
		for _, value := range claim {
			if value, ok := value.(string); ok {
				roles = append(roles, value)
			}
		}
	}
	return roles
}

// profileOf returns those claims of a valid token, as they stand in it, as a JSON object;
// nil where none is asked for.
func profileOf(text string, names []string) []byte {
	if len(names) == 0 {
		return nil
	}
	_, rest, _ := strings.Cut(text, ".")
	payload, _, _ := strings.Cut(rest, ".")
	decoded, _ := base64.RawURLEncoding.DecodeString(payload) // the parser did it before
	var claims map[string]json.RawMessage
	_ = json.Unmarshal(decoded, &claims)
	profile := make(map[string]json.RawMessage)
	for _, name := range names {
		if claim, found := claims[name]; found {
			profile[name] = claim
		}
	}
	object, _ := json.Marshal(profile)
	return object
}
