package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"

	"fraudcheck/internal/velocity"
)

// hashedAddress returns a function that shows an IP address as a keyed hash of 9 bytes,
// 12 characters: two lines about one address have the same, and it does not tell which
// address that is.
func hashedAddress(key []byte) func(netip.Addr) string {
	return func(a netip.Addr) string {
		mac := hmac.New(sha256.New, key)
		text := a.As16()
		mac.Write([]byte("address"))
		mac.Write(text[:])
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:9])
	}
}

// addressForm returns how log lines show a shopper's IP address, by log.ip: full, prefix
// (its /24 or /48), hash (with the key) or none (empty text).
func addressForm(form string, key []byte) func(netip.Addr) string {
	switch form {
	case "full":
		return netip.Addr.String
	case "prefix":
		return func(a netip.Addr) string {
			var text [64]byte
			return string(velocity.Network(a).AppendTo(text[:0]))
		}
	case "hash":
		return hashedAddress(key)
	}
	return func(netip.Addr) string { return "" }
}
