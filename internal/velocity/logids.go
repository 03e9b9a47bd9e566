package velocity

import (
	"cmp"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/dchest/siphash"
)

// A LogID stands for one value of a field in the decision log: 128 bits of SipHash-2-4.
// Without the key it tells nothing of the value, and nobody can make the id of a value.
type LogID [16]byte

// LogIDs makes the ids of the decision log, under a key of their own. One value has one id
// under every subject, other than in a store, so that rules can be tried on the log; two
// kinds of field with one value have two ids. It may be used from many goroutines at once.
type LogIDs struct {
	key  [2]uint64
	name ShortID
}

// NewLogIDs derives the key from a secret of at least MinHashKey bytes: the hash key, or one
// that the log has to itself (HKDF-SHA-256, RFC 5869). The error says that it is too short.
func NewLogIDs(secret []byte) (*LogIDs, error) {
	if len(secret) < MinHashKey {
		return nil, errors.New("expected at least 32 bytes")
	}
	b, err := hkdf.Key(sha256.New, secret, nil, "fraudcheck decision log", 24)
	if err != nil { // only for derived keys of more than 8 KiB
		panic("velocity: " + err.Error())
	}
	return &LogIDs{
		key:  [2]uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])},
		name: ShortID(binary.BigEndian.Uint64(b[16:])),
	}, nil
}

// KeyName returns eight letters and digits that tell the key from others, and nothing of it.
func (k *LogIDs) KeyName() string { return k.name.String() }

// All calls yield with name and id of everything that the attempt shows and a rule may
// watch or count: ip, network, card, email, device, cart, account, and the expiry beside a
// card_id. The plan says how long the network of an IPv6 address is.
func (k *LogIDs) All(a *Attempt, p *Plan, yield func(name string, id LogID)) {
	for i := range logged {
		of := &logged[i]
		if of.from.field > 0 && a.texts[of.from.field] == "" {
			continue // as most are, so it is worth a look
		}
		if id := of.from.identity(a, p); id.known() {
			yield(of.name, k.id(of.kind, &id))
		}
	}
}

// logged are the kinds that stand in the decision log, by the names that they have there.
var logged = func() (all []loggedKind) {
	for i := range kinds {
		k := &kinds[i]
		if name := cmp.Or(k.subject, k.logged); name != "" {
			all = append(all, loggedKind{k, name})
		}
	}
	return all
}()

type loggedKind struct {
	*kind
	name string
}

// id returns the id of an identity, whose width is fixed.
func (k *LogIDs) id(of *kind, identity *identity) (id LogID) {
	var in [1 + len(identity)]byte
	in[0] = of.id
	copy(in[1:], identity[:])
	high, low := siphash.Hash128(k.key[0], k.key[1], in[:])
	binary.BigEndian.PutUint64(id[:], high)
	binary.BigEndian.PutUint64(id[8:], low)
	return id
}

// CardWord returns what the field card said: later, now, or nothing.
func (a *Attempt) CardWord() string { return a.texts[FieldCard] }

// AnsweredAt returns when the issuer answered; false where that was not told.
func (a *Attempt) AnsweredAt() (Time, bool) { return a.at, a.at != 0 }
