package auth

import (
	"bytes"
	"strings"
)

// What is wrong with an Authorization header that no scheme takes, or that is no header
// of its scheme. A detail says what was expected, so that the author of the client finds
// the mistake; it never quotes the header.

var (
	flawEmpty   = &Flaw{Missing, "credentials in the Authorization header, which is empty"}
	flawDoubled = &Flaw{Malformed, "one token after Bearer, which has blanks between its parts"}
	flawNoToken = &Flaw{Malformed, "a token after Bearer, where there is none"}
	flawForeign = &Flaw{Malformed, "a token of this service after Bearer; others need auth.jwt"}
	flawLong    = &Flaw{Malformed, "an Authorization header that is not as long"}
	flawAlone   = &Flaw{Malformed, "a scheme and credentials with a blank between, such as Basic or Bearer, in the Authorization header"}
	flawSeveral = &Flaw{Malformed, "one Authorization header, not several"}
	flawBase64  = &Flaw{Malformed, "base64 after Basic (RFC 4648 section 4, with its padding)"}
	flawNoColon = &Flaw{Malformed, "a name and a password with a colon between, in base64, after Basic"}
)

// unowned returns why no configured scheme takes the request's credentials.
func (f *inForce) unowned(r *Request) error {
	a := &r.authorization
	switch {
	case a.headers == 0:
		return Missing
	case a.headers > 1:
		return flawSeveral
	case a.length == 0:
		return flawEmpty
	case a.scheme == nil:
		return flawAlone
	case a.is("Basic") && f.basic != nil:
		return flawLong
	}
	var names []string
	for _, s := range f.schemes {
		if name, _, _ := strings.Cut(s.kind.challenge, " "); name != "" && !strings.Contains(strings.Join(names, " "), name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Malformed
	}
	if a.is("Bearer") {
		return flawForeign
	}
	return &Flaw{Malformed, "the scheme " + strings.Join(names, " or ") + " in the Authorization header; the one given is not known here"}
}

// flawOfToken returns what is wrong with the text after Bearer before it is looked at;
// nil where it may be a token.
func flawOfToken(text []byte) error {
	switch text = bytes.Trim(text, " "); {
	case len(text) == 0:
		return flawNoToken
	case bytes.IndexByte(text, ' ') >= 0:
		return flawDoubled
	}
	return nil
}
