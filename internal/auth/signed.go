package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync"
	"time"

	"github.com/dunglas/httpsfv"
)

const (
	// minSigningKey is the least length of a signing key, in bytes.
	minSigningKey = 32
	// signatureAge is how far the time of a signature may be from ours.
	signatureAge = time.Minute
)

// A Flaw is a Failure that says what was expected of a signature. It never says
// what was given.
type Flaw struct {
	Failure
	Expected string
}

func (f *Flaw) Error() string { return "expected " + f.Expected }
func (f *Flaw) Unwrap() error { return f.Failure }

// Signed is the scheme of RFC 9421 with the algorithm hmac-sha256: the caller
// proves to have a key by a signature over the request, and neither a password nor
// a token travels.
//
// Rules: one signature in its canonical spelling; it covers the method, the target
// and, through Content-Digest (RFC 9530), the body; it is made now, give or take a
// minute, and its nonce was not used before. What is covered beyond that must be
// right too. The nonce is used up last, so that strangers use up none.
type Signed struct {
	keys map[string]*signingKey
	// nobody stands in for an unknown key, so that one costs what a known one costs.
	nobody  *signingKey
	scratch sync.Pool // *[]byte: a signature base
}

type signingKey struct {
	caller Caller
	text   string    // of keyid, quoted
	macs   sync.Pool // *mac: a ready state costs a fifth of a new one
}

type mac struct {
	hash.Hash
	out [sha256.Size]byte
}

// NewSigned takes the users that have a signing key, or returns nil when none has.
// The error is a *UserError.
func NewSigned(users []User) (*Signed, error) {
	s := &Signed{keys: make(map[string]*signingKey)}
	s.scratch.New = func() any { return new([]byte) }
	names := make(map[string]bool, len(users))
	for i, u := range users {
		fail := func(key, expected string) (*Signed, error) {
			return nil, &UserError{Index: i, Key: key, Expected: expected}
		}
		if names[u.Name] {
			return fail("username", "a name no other user has")
		}
		names[u.Name] = true
		if u.SigningKey == "" {
			continue
		}
		secret, err := decodeBase64(base64.StdEncoding, u.SigningKey)
		if err != nil || len(secret) < minSigningKey { // the error quotes it
			return fail("signing_key", fmt.Sprintf("base64 of at least %d bytes", minSigningKey))
		}
		text, err := httpsfv.Marshal(httpsfv.NewItem(u.Name))
		if err != nil || u.Name == "" {
			return fail("username", "printable ASCII characters, where there is a signing_key")
		}
		caller, wrong := u.caller()
		if wrong != nil {
			return fail(wrong.Key, wrong.Expected)
		}
		s.keys[u.Name] = newSigningKey(secret, caller, text)
	}
	if len(s.keys) == 0 {
		return nil, nil
	}
	s.nobody = newSigningKey([]byte(rand.Text()), Caller{}, "")
	return s, nil
}

func newSigningKey(secret []byte, caller Caller, text string) *signingKey {
	k := &signingKey{caller: caller, text: text}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	return k
}

// sum is the MAC of the parts, one after the other.
func (k *signingKey) sum(parts ...[]byte) [sha256.Size]byte {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.Reset()
	for _, p := range parts {
		m.Write(p)
	}
	m.Sum(m.out[:0])
	return m.out
}

// concerns reports whether the request has a signature, or a part of one.
func (s *Signed) concerns(r *Request) bool {
	return len(r.Header.Values("Signature")) > 0 || len(r.Header.Values("Signature-Input")) > 0
}

var (
	flawTwo     = &Flaw{Malformed, "a signature or an Authorization header, not both"}
	flawPast    = &Flaw{TokenExpired, "a signature made within the last minute and not expired"}
	flawFuture  = &Flaw{TokenInvalid, "a signature made now, not in the future"}
	flawUsed    = &Flaw{TokenInvalid, "a nonce that was not used before"}
	flawContent = &Flaw{TokenInvalid, "a content-digest that is the body's"}
)

// authenticate finds who signed the request, and uses its nonce up.
func (s *Signed) authenticate(r *Request, k knock, used usedNonces) (*Caller, error) {
	if len(r.Header.Values("Authorization")) > 0 {
		return nil, flawTwo
	}
	g, err := parseSignature(r.Header)
	if err != nil {
		return nil, err
	}
	if err := g.complete(r); err != nil {
		return nil, err
	}
	scratch := s.scratch.Get().(*[]byte)
	defer s.scratch.Put(scratch)
	base, err := g.appendBase((*scratch)[:0], r)
	*scratch = base
	if err != nil {
		return nil, err
	}
	key, known := s.keys[g.keyID]
	if !known {
		key = s.nobody
	}
	if want := key.sum(base); !hmac.Equal(want[:], g.mac) || !known {
		return nil, k.wrong([]byte(g.keyID), Invalid)
	}
	now := k.now
	switch age := now.Unix() - g.created; {
	case age > int64(signatureAge/time.Second), g.expires != 0 && now.Unix() >= g.expires:
		return nil, flawPast
	case age < -int64(signatureAge/time.Second):
		return nil, flawFuture
	}
	if !r.TooLarge { // else nothing will be done, and the body cannot be judged
		if err := g.checkDigest(r); err != nil {
			return nil, err
		}
		if !g.first(key, now, used, &r.StoreWaited) {
			return nil, flawUsed
		}
	}
	r.seal = seal{key: key, label: g.label, signature: g.field, at: now}
	return &key.caller, nil
}

// first uses the nonce up. Its name in a store is a keyed hash; no signature base
// begins as what is hashed here does.
func (g *signature) first(key *signingKey, now time.Time, used usedNonces, waited *time.Duration) bool {
	sum := key.sum([]byte("nonce "), []byte(g.nonce))
	id := NonceID(sum[:len(NonceID{})])
	return used.once(id, now, time.Unix(g.created, 0).Add(signatureAge), waited)
}

// A seal is what the answer to a signed request is signed with.
type seal struct {
	key       *signingKey
	label     string
	signature string // the request's field, as sent
	at        time.Time
}

// Signed reports whether Authenticate found the caller by a signature: then the
// answer is to be signed as well.
func (r *Request) Signed() bool { return r.seal.key != nil }

// SignAnswer returns the fields that sign an answer with that status and body to a
// request that was Signed, with the caller's own key. They cover the status, the
// body, and the request's signature: the answer is to this request and no other.
func (r *Request) SignAnswer(status int, body []byte) (contentDigest, signatureInput, signature string) {
	p := &r.seal
	contentDigest = sha256Digest(sha256.Sum256(body))
	params := `("@status" "content-digest" "signature";req);created=` + strconv.FormatInt(p.at.Unix(), 10) + ";keyid=" + p.key.text
	sum := p.key.sum([]byte(`"@status": ` + strconv.Itoa(status) +
		"\n\"content-digest\": " + contentDigest +
		"\n\"signature\";req: " + p.signature +
		"\n\"@signature-params\": " + params))
	return contentDigest, p.label + "=" + params, p.label + "=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

var errNotOne = errors.New("not one dictionary member in its canonical spelling")

// parseOne reads a structured field (RFC 8941) that is a dictionary, in one field
// line and spelled as RFC 8941 would: of what is given twice, or written in another
// way, the parser alone would say nothing.
func parseOne(values [][]byte) (text string, d *httpsfv.Dictionary, err error) {
	if len(values) != 1 || len(values[0]) > maxHeader {
		return "", nil, errNotOne
	}
	text = string(values[0])
	if d, err = httpsfv.UnmarshalDictionary([]string{text}); err != nil {
		return "", nil, err
	}
	if spelled, err := httpsfv.Marshal(d); err != nil || spelled != text {
		return "", nil, errNotOne
	}
	return text, d, nil
}
