package velocity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// nonceSize is that of AES-GCM, in bytes.
const nonceSize = 12

// sealOverride returns the data of an override's mark: the header, a nonce, and who set it
// and why, encrypted with AES-256-GCM under a key for this purpose. The header and the key
// of the record are authenticated along with it.
//
// The nonce is a keyed hash of all of that, so that one override has one encoding under one
// key: while the hash key is changed, several instances carry it over, and marks that
// differed would replace each other for ever. A store that is stolen shows by it only that
// an override was set twice with the same words until the same millisecond.
func (k *Keys) sealOverride(key Key, header []byte, by, reason string) []byte {
	plain := append(binary.AppendUvarint(nil, uint64(len(by))), by...)
	plain = append(plain, reason...)
	with := slices.Concat(key[:], header)
	mac := hmac.New(sha256.New, k.overrideNonce)
	mac.Write(with)
	mac.Write(plain)
	nonce := mac.Sum(nil)[:nonceSize]
	return k.overrideAEAD().Seal(slices.Concat(header, nonce), nonce, plain, with)
}

// openOverride reads an override's mark. It reports false for a removal, and for a form
// that this program does not know. Where the encrypted part was made under another hash
// key, By and Reason are empty.
func (k *Keys) openOverride(key Key, m *mark) (o Override, ok bool) {
	o, header, sealed, ok := parseOverride(m)
	if !ok || len(sealed) < nonceSize {
		return o, ok
	}
	plain, err := k.overrideAEAD().Open(nil, sealed[:nonceSize], sealed[nonceSize:], slices.Concat(key[:], header))
	if err != nil {
		return o, true
	}
	if size, n := binary.Uvarint(plain); n > 0 && size <= uint64(len(plain)-n) {
		o.By, o.Reason = string(plain[n:n+int(size)]), string(plain[n+int(size):])
	}
	return o, true
}

// resealOverride encrypts the override of the record, if it has one, for another key of a
// record and another hash key. What cannot be read stays as it is.
func resealOverride(r *Record, from *Keys, fromKey Key, to *Keys, toKey Key) {
	m := r.mark(overrideKey)
	if m == nil {
		return
	}
	if o, ok := from.openOverride(fromKey, m); ok && o.Reason != "" {
		m.data = append(m.data[:0], to.sealOverride(toKey, overrideHeader(&o), o.By, o.Reason)...)
	}
}

func (k *Keys) overrideAEAD() cipher.AEAD {
	block, err := aes.NewCipher(k.override)
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCM(block); err == nil {
			return aead
		}
	}
	panic("velocity: " + err.Error()) // only for a key of another length
}
