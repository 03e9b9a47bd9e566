package velocity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
)

// A LogID stands for one value of a field in the decision log: 128 bits that only the
// holder of the log's key can make from the value.
type LogID [aes.BlockSize]byte

// LogIDs makes the ids of the decision log. Two kinds of field with one value have two ids;
// one card has one id under every IP address, other than in a store, so that rules can be
// tried on the log. It is for one goroutine at a time.
//
// An id is AES-256 in CBC-MAC over the kind and the identity, whose width is fixed: for
// inputs of one length that is a pseudorandom function (Bellare, Kilian, Rogaway: The
// Security of the Cipher Block Chaining Message Authentication Code, 2000). It takes a
// third of the time of HMAC-SHA-256, and each line has three ids or more.
type LogIDs struct {
	block cipher.Block
	name  string
	in    [logIDInput]byte
	out   LogID
}

// logIDInput is the length of what is hashed: a kind's id and an identity, in whole blocks.
const logIDInput = 3 * aes.BlockSize

const _ = uint(logIDInput - 1 - len(identity{})) // does not compile when that is too short

// NewLogIDs derives the key of the ids from a secret of at least MinHashKey bytes: the hash
// key, or one that the log has to itself. The error says that it is too short.
func NewLogIDs(secret []byte) (*LogIDs, error) {
	if len(secret) < MinHashKey {
		return nil, errors.New("expected at least 32 bytes")
	}
	derive := func(purpose string, length int) []byte {
		key, err := hkdf.Key(sha256.New, secret, nil, "fraudcheck "+purpose, length)
		if err != nil { // only for derived keys of more than 8 KiB
			panic("velocity: " + err.Error())
		}
		return key
	}
	block, err := aes.NewCipher(derive("decision log", 32))
	if err != nil { // only for keys of another length
		panic("velocity: " + err.Error())
	}
	name := base32.StdEncoding.EncodeToString(derive("decision log key id", 5))
	return &LogIDs{block: block, name: name}, nil
}

// KeyName returns eight letters and digits that tell the key from others and nothing of it.
func (k *LogIDs) KeyName() string { return k.name }

// All calls yield with the name and the id of everything that the attempt shows and a rule
// may watch or count: ip, network, card, email, device, cart, account, and the expiry
// beside a card_id. The plan says how long the network of an IPv6 address is.
func (k *LogIDs) All(a *Attempt, p *Plan, yield func(name string, id *LogID)) {
	for i := range kinds {
		of := &kinds[i]
		name := of.subject
		if name == "" {
			name = of.logged
		}
		if name == "" {
			continue
		}
		if id := of.from.identity(a, p); id.known() {
			k.make(of, &id)
			yield(name, &k.out)
		}
	}
}

// make sets out to the id of the identity.
func (k *LogIDs) make(of *kind, id *identity) {
	k.in[0] = of.id
	copy(k.in[1:], id[:])
	k.out = LogID{}
	for in := k.in[:]; len(in) > 0; in = in[aes.BlockSize:] {
		subtle.XORBytes(k.out[:], k.out[:], in[:aes.BlockSize])
		k.block.Encrypt(k.out[:], k.out[:])
	}
}

// CardWord returns what the field card said: "later", "now", or nothing.
func (a *Attempt) CardWord() string { return a.texts[FieldCard] }

// AnsweredAt returns when the issuer answered; false where that was not told.
func (a *Attempt) AnsweredAt() (Time, bool) { return a.at, a.at != 0 }
