package decisionlog_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dchest/siphash"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A thief has a log, this source code, and perhaps some key. There are 10,000 last four
// digits and, for cards that are good for five years, 60 expiries: all are tried.
func TestADictionaryOfAllCardsFindsNoneWithoutTheKey(t *testing.T) {
	const shown = 200
	r := newRecorder(t)
	r.open()
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string]bool{}
	for range shown {
		last4, month, year := random.IntN(10_000), 1+random.IntN(12), 26+random.IntN(5)
		card := fmt.Sprintf("%04d %02d/%d", last4, month, year)
		want[card] = true
		r.take("ip=203.0.113.7", fmt.Sprintf("last4=%04d", last4), fmt.Sprintf("expiry=%02d/%d", month, year))
	}
	stolen := map[[2]uint64]bool{} // the ids of cards and of whatever else stands there
	for _, l := range r.lines() {
		for _, id := range l.Subjects {
			b, err := base64.RawURLEncoding.DecodeString(id)
			require.NoError(t, err)
			stolen[[2]uint64{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}] = true
		}
	}

	// search tries every card under a key and returns those whose id stands in the log.
	search := func(key []byte) map[string]bool {
		k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
		found := map[string]bool{}
		var in [34]byte // the kind card, then its identity: tag, digits, month, year
		in[0], in[1] = 3, 'C'
		for last4 := range 10_000 {
			in[2], in[3], in[4], in[5] = byte('0'+last4/1000), byte('0'+last4/100%10), byte('0'+last4/10%10), byte('0'+last4%10)
			for month := 1; month <= 12; month++ {
				for year := 26; year <= 30; year++ {
					in[6] = byte(month)
					binary.BigEndian.PutUint16(in[7:], uint16(2000+year))
					high, low := siphash.Hash128(k0, k1, in[:])
					if stolen[[2]uint64{high, low}] {
						found[fmt.Sprintf("%04d %02d/%d", last4, month, year)] = true
					}
				}
			}
		}
		return found
	}
	derived := func(secret []byte, purpose string) []byte {
		key, err := hkdf.Key(sha256.New, secret, nil, "fraudcheck "+purpose, 32)
		require.NoError(t, err)
		return key
	}

	assert.Equal(t, want, search(derived(hashKey, "decision log")), "with its key the search finds all, so it is one")
	none := map[string][]byte{"no key": make([]byte, 16), "the hash key itself": hashKey, "the key's name": []byte(r.set.IDs.KeyName() + r.set.IDs.KeyName())}
	// Every other key that is derived from the hash key, those of the store first.
	for _, purpose := range []string{"subject", "element", "record", "snapshot", "key id", "log", "short id", "session", "peer"} {
		none[purpose] = derived(hashKey, purpose)
	}
	none["the store's key, as a secret"] = derived(none["subject"], "decision log")
	for name, key := range none {
		assert.Empty(t, search(key), name)
	}
}
