// Package proof makes and verifies the proof with which one instance of this service asks
// another: an HMAC-SHA-256 over the request, under a key that only instances with the same
// hash key have. No caller's credentials travel between instances.
//
// # Form
//
//	Authorization: Fraudcheck-Peer 1.TIME.NONCE.CALLER.MAC[.MAC]
//
// TIME is Unix time in milliseconds, NONCE 16 random bytes and CALLER the name of the caller
// for whom the instance asks, which is for the log alone; NONCE, CALLER and MAC are base64url
// without padding. While one hash key replaces another a second MAC is made with the key
// before, so that instances with either key believe it.
//
// # What it proves
//
// The MAC covers the method, the target with its query, and all that stands before it. A
// proof is good for ten seconds around its time, and the verifier must see to it that its
// nonce is used once ([Proof.Nonce]). It names no recipient: an instance that asks does not
// know by which address or name the other one knows itself. So whoever gets hold of a proof
// could send it on to another instance, once, within ten seconds, and read what was asked
// for there. Over https nobody does.
package proof

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Scheme is the authentication scheme of the Authorization header.
const Scheme = "Fraudcheck-Peer"

// InstanceHeader names the instance in its answers to other instances, and only there.
const InstanceHeader = "Fraudcheck-Instance"

// Lifetime is for how long a proof is good, before and after its time: clocks differ.
const Lifetime = 10 * time.Second

const (
	version   = "1"
	nonceSize = 16
	// maxCaller is how much of a caller's name goes along, in bytes.
	maxCaller = 256
	// maxText bounds a proof that is read, in bytes.
	maxText = 1024
)

// Why a proof is refused.
var (
	ErrMalformed = errors.New("not a proof in the form of this version")
	ErrForged    = errors.New("not made with the hash key for this request")
	ErrExpired   = errors.New("not made within ten seconds of now")
)

// Keys make and verify proofs. They are safe for concurrent use.
type Keys struct{ keys [][]byte } // that of the hash key first

// NewKeys derives the key of proofs from the hash key, and from the one before it, which is
// empty where none is being replaced.
func NewKeys(hashKey, previous []byte) (*Keys, error) {
	k := new(Keys)
	for _, from := range [][]byte{hashKey, previous} {
		if len(from) == 0 {
			continue
		}
		key, err := hkdf.Key(sha256.New, from, nil, "fraudcheck peer", sha256.Size)
		if err != nil {
			return nil, err
		}
		k.keys = append(k.keys, key)
	}
	if len(hashKey) == 0 {
		return nil, errors.New("expected a hash key")
	}
	return k, nil
}

// A Proof is one that was verified.
type Proof struct {
	Caller string // for whom the other instance asks, any text
	Nonce  [nonceSize]byte
	Until  time.Time // when it ends
}

// Make returns the value of the Authorization header of a request with that method and
// target, made now for the caller. Of a longer name the first 256 bytes go along.
func (k *Keys) Make(method, target, caller string, now time.Time) string {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	claim := strings.Join([]string{version, strconv.FormatInt(now.UnixMilli(), 10), encode(nonce[:]), encode([]byte(caller[:min(len(caller), maxCaller)]))}, ".")
	text := claim
	for _, key := range k.keys {
		text += "." + encode(mac(key, method, target, claim))
	}
	return Scheme + " " + text
}

// Verify verifies what stands behind the scheme, for the request with that method and target
// as they were sent. The error is ErrMalformed, ErrForged or ErrExpired, judged in this order.
func (k *Keys) Verify(text, method, target string, now time.Time) (p Proof, err error) {
	parts := strings.Split(text[:min(len(text), maxText+1)], ".")
	// base64 passes over line ends, even where it is strict.
	if len(text) > maxText || len(parts) < 5 || len(parts) > 6 || parts[0] != version || strings.ContainsAny(text, "\r\n") {
		return p, ErrMalformed
	}
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	nonce, errNonce := decode(parts[2])
	caller, errCaller := decode(parts[3])
	if err != nil || errNonce != nil || errCaller != nil || len(nonce) != nonceSize || len(caller) > maxCaller {
		return p, ErrMalformed
	}
	if !k.made(strings.Join(parts[:4], "."), parts[4:], method, target) {
		return p, ErrForged
	}
	at := time.UnixMilli(ms)
	if age := now.Sub(at); age.Abs() > Lifetime {
		return p, ErrExpired
	}
	return Proof{Caller: string(caller), Nonce: [nonceSize]byte(nonce), Until: at.Add(Lifetime)}, nil
}

// made reports whether one of the MACs is ours.
func (k *Keys) made(claim string, macs []string, method, target string) bool {
	for _, text := range macs {
		given, err := decode(text)
		if err != nil {
			continue
		}
		for _, key := range k.keys {
			if hmac.Equal(given, mac(key, method, target, claim)) {
				return true
			}
		}
	}
	return false
}

// mac returns the MAC. Neither method nor target has a line end, so the parts cannot be
// divided in another way.
func mac(key []byte, method, target, claim string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(method + "\n" + target + "\n" + claim))
	return m.Sum(nil)
}

var base64URL = base64.RawURLEncoding.Strict()

func encode(b []byte) string { return base64URL.EncodeToString(b) }

func decode(text string) ([]byte, error) { return base64URL.DecodeString(text) }
