package session

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The values below were computed apart from this program, in Python, as RFC 5869 (HKDF),
// RFC 2104 (HMAC) and NIST SP 800-38D (GCM) say. With another value, instances of
// different versions would not believe each other's logins; with one key for two
// purposes, what is made for one would be good for the other.
func TestKeysAreTheSameInAllVersionsAndOthersForEachPurpose(t *testing.T) {
	k, err := NewKeys([]byte(strings.Repeat("another test key", 2)))
	require.NoError(t, err)
	assert.Equal(t, "fraudcheck:HWe6crEa:ktXlsDvaP-Jb1lBMWqWDn1nt", k.itemKey("login", []byte("one")), "items and key id")
	assert.Equal(t, "p.cGF5bG9hZDicgg9POOVhCZMjt03HSRckf88kfZUyj3H6mumde-vQ", k.signer().write("p.", []byte("payload")), "tokens")
	sealed, err := hex.DecodeString("000102030405060708090a0b5e42f2de9c9109165e5e56455a88c033d299d403cd2b4c")
	require.NoError(t, err)
	value, err := k.decrypt("a name", sealed)
	assert.NoError(t, err, "values")
	assert.Equal(t, "a value", string(value))
}
