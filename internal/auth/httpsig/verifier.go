// Package httpsig verifies signed requests and signs the answers to them: RFC 9421 with
// the algorithm hmac-sha256. Neither a password nor a token travels.
//
// # Requests
//
// A request has one signature, in its canonical spelling. It covers the method, the
// target and, through Content-Digest (RFC 9530), the body. It was made within a minute of
// now, and its nonce was not used before. Whatever else it covers must be right too.
//
//	Signature-Input: sig=("@method" "@path" "content-digest");created=1796000000;keyid="shop";nonce="..."
//	Signature: sig=:MAC in base64:
//
// The parameters are created (Unix seconds), keyid and nonce (16 to 64 characters), and
// optionally expires and alg. Any other parameter is refused, tag among them.
//
// # Order
//
// Form, coverage, signature, time, digest, nonce. The nonce is recorded last, so a sender
// without the key uses up no nonce.
//
// # Answers
//
// [AnswerSigner] signs status, body and the request's signature, so an answer belongs to
// one request.
package httpsig

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"sync"
	"time"

	"github.com/dunglas/httpsfv"

	"fraudcheck/internal/turns"
)

const (
	// MinKey is the least length of a key, in bytes.
	MinKey = 32
	// maxAge is how far the time of a signature may be from ours.
	maxAge = time.Minute
	// maxField bounds a structured field that is parsed, in bytes.
	maxField = 4096
)

// A Reason is why a signature was refused.
type Reason int

// The reasons.
const (
	Malformed Reason = iota // it is not spelled, or does not cover, as it must
	Forged                  // the key is not known, or the signature is not this request's
	Expired                 // the signature is good and too old
	Refused                 // the signature is good, its time, nonce or body is not
)

// An Error is a reason and what was expected of the signature. It never says what was
// given.
type Error struct {
	Reason   Reason
	Expected string
}

func (e *Error) Error() string { return "expected " + e.Expected }

var (
	errForged  = &Error{Forged, "a signature of this request with the key of keyid"}
	errPast    = &Error{Expired, "a signature made within the last minute and not expired"}
	errFuture  = &Error{Refused, "a signature made now, not in the future"}
	errUsed    = &Error{Refused, "a nonce that was not used before"}
	errContent = &Error{Refused, "a content-digest that is the body's"}
)

// A Key signs requests and answers. It is safe for concurrent use.
type Key struct {
	id   string    // of keyid, quoted
	macs sync.Pool // *mac: a ready state costs a fifth of a new one
}

// A mac is a keyed hash and room for its sum, so that summing allocates nothing.
type mac struct {
	hash.Hash
	out [sha256.Size]byte
}

// NewKey makes a key of at least [MinKey] bytes. It fails where the id, which keyid
// names it by, is empty or not printable ASCII.
func NewKey(id string, secret []byte) (*Key, error) {
	quoted, err := httpsfv.Marshal(httpsfv.NewItem(id))
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, errors.New("an empty id")
	}
	return newKey(quoted, secret), nil
}

// newKey makes a key whose id is quoted already, or empty.
func newKey(quoted string, secret []byte) *Key {
	k := &Key{id: quoted}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	return k
}

// sum returns the HMAC-SHA-256 of the parts, one after the other.
func (k *Key) sum(parts ...[]byte) [sha256.Size]byte {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.Reset()
	for _, p := range parts {
		m.Write(p)
	}
	m.Sum(m.out[:0])
	return m.out
}

// A Verifier verifies requests by their users' keys. It is immutable, and safe for
// concurrent use.
type Verifier struct {
	keys map[string]*Key
	// unknown stands in for an unknown key, so that one costs what a known one costs.
	unknown *Key
	bases   sync.Pool // *[]byte: a signature base
}

// NewVerifier makes a verifier of signatures by these keys, by id.
func NewVerifier(keys map[string]*Key) *Verifier {
	v := &Verifier{keys: keys, unknown: newKey("", []byte(rand.Text()))}
	v.bases.New = func() any { return new([]byte) }
	return v
}

// Nonces remember which nonces were used.
type Nonces interface {
	// Once uses a nonce at now, to be remembered until then at least, and reports
	// whether this was the first time. turn is the request's.
	Once(n NonceID, now, until time.Time, turn *turns.Turn) (first bool)
}

// Verify returns the id of the key that signed the request, and what its answer is to
// be signed with; it uses the nonce. The id is returned beside an error too, as far as
// it was parsed: it is not verified then. The error is an *Error.
func (v *Verifier) Verify(r *Request, now time.Time, nonces Nonces) (keyID string, a AnswerSigner, err error) {
	s, err := parseSignature(r.Header)
	if err != nil {
		return s.keyID, a, err
	}
	if err := s.complete(r); err != nil {
		return s.keyID, a, err
	}
	key, err := v.signedBy(&s, r)
	if err != nil {
		return s.keyID, a, err
	}
	switch age := now.Unix() - s.created; {
	case age > int64(maxAge/time.Second), s.expires != 0 && now.Unix() >= s.expires:
		return s.keyID, a, errPast
	case age < -int64(maxAge/time.Second):
		return s.keyID, a, errFuture
	}
	if !r.Unread { // otherwise the request will be refused, and the body cannot be judged
		if err := s.checkDigest(r); err != nil {
			return s.keyID, a, err
		}
		if !nonces.Once(nonceID(key, s.nonce), now, time.Unix(s.created, 0).Add(maxAge), r.Turn) {
			return s.keyID, a, errUsed
		}
	}
	return s.keyID, AnswerSigner{key: key, label: s.label, signature: s.field, at: now}, nil
}

// signedBy returns the key that the request was signed with. An unknown key id costs a MAC
// too, so the time does not tell which ids are known.
func (v *Verifier) signedBy(s *signature, r *Request) (*Key, error) {
	buffer := v.bases.Get().(*[]byte)
	defer v.bases.Put(buffer)
	base, err := s.appendBase((*buffer)[:0], r)
	*buffer = base
	if err != nil {
		return nil, err
	}
	key, known := v.keys[s.keyID]
	if !known {
		key = v.unknown
	}
	if want := key.sum(base); !hmac.Equal(want[:], s.mac) || !known {
		return nil, errForged
	}
	return key, nil
}

// An AnswerSigner signs the answer to one signed request. The zero value signs none.
type AnswerSigner struct {
	key       *Key
	label     string
	signature string // the request's field, as sent
	at        time.Time
}

// Signs reports whether there is a signed request to answer.
func (a *AnswerSigner) Signs() bool { return a.key != nil }

// IsOf reports whether the request was signed with that key.
func (a *AnswerSigner) IsOf(key *Key) bool { return a.key != nil && a.key.sum() == key.sum() }

// Sign returns the values of the fields Content-Digest, Signature-Input and Signature for
// an answer with that status and body. They cover the status, the body, and the request's
// signature: the answer is to this request and no other.
func (a *AnswerSigner) Sign(status int, body []byte) (contentDigest, signatureInput, signature string) {
	contentDigest = sha256Digest(sha256.Sum256(body))
	params := `("@status" "content-digest" "signature";req);created=` + strconv.FormatInt(a.at.Unix(), 10) + ";keyid=" + a.key.id
	sum := a.key.sum([]byte(`"@status": ` + strconv.Itoa(status) +
		"\n\"content-digest\": " + contentDigest +
		"\n\"signature\";req: " + a.signature +
		"\n\"@signature-params\": " + params))
	return contentDigest, a.label + "=" + params, a.label + "=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

var errNotOne = errors.New("not one dictionary member in its canonical spelling")

// parseOne parses a structured field (RFC 8941) that is a dictionary, in one field line
// of at most maxField bytes and in its canonical spelling: the parser alone accepts a
// member given twice and other spellings.
func parseOne(values [][]byte) (text string, d *httpsfv.Dictionary, err error) {
	if len(values) != 1 || len(values[0]) > maxField {
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
