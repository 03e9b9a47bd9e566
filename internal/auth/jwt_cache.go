package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// maxKnown is how many tokens are remembered at most.
const maxKnown = 10_000

// A tokenCache remembers verified tokens, because verifying one costs fifteen times
// the look-up. It holds no token, and only what our issuer signed gets in: a
// stranger cannot fill it.
//
// There are two generations. When the young one is full it becomes the old one,
// and what was old is forgotten at once, whatever its size; a token forgotten too
// early is verified again.
type tokenCache struct {
	key        [sha256.Size]byte // of this process alone: no table made elsewhere fits
	mu         sync.RWMutex
	young, old map[tokenID]knownToken
}

// A tokenID is the keyed hash of a token. It never leaves the cache, so there is no
// hash for anybody to extend, and key and token in one row do for an HMAC.
type tokenID [sha256.Size]byte

type knownToken struct {
	caller *Caller
	until  time.Time // first moment at which it is expired
	key    *verificationKey
}

func newTokenCache() *tokenCache {
	c := &tokenCache{young: make(map[tokenID]knownToken)}
	rand.Read(c.key[:]) // never fails: the process would end
	return c
}

// id hashes a token of at most maxToken bytes, without an allocation.
func (c *tokenCache) id(token []byte) tokenID {
	var buf [sha256.Size + maxToken]byte
	n := copy(buf[:], c.key[:])
	n += copy(buf[n:], token)
	return sha256.Sum256(buf[:n])
}

// find returns nil for a token that is not known, or expired at now.
func (c *tokenCache) find(id tokenID, now time.Time) *Caller {
	c.mu.RLock()
	defer c.mu.RUnlock()
	token, found := c.young[id]
	if !found {
		token, found = c.old[id]
	}
	if !found || !now.Before(token.until) {
		return nil
	}
	return token.caller
}

func (c *tokenCache) add(id tokenID, token knownToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= maxKnown/2 {
		c.young, c.old = make(map[tokenID]knownToken), c.young
	}
	c.young[id] = token
}

// with is a copy of c that holds the tokens for whose key there is another one, and
// that instead.
func (c *tokenCache) with(another func(*verificationKey) *verificationKey) *tokenCache {
	c.mu.RLock()
	defer c.mu.RUnlock()
	instead := make(map[*verificationKey]*verificationKey)
	kept := func(tokens map[tokenID]knownToken) map[tokenID]knownToken {
		of := make(map[tokenID]knownToken, len(tokens))
		for id, token := range tokens {
			key, asked := instead[token.key]
			if !asked {
				key = another(token.key)
				instead[token.key] = key
			}
			if key != nil {
				token.key = key
				of[id] = token
			}
		}
		return of
	}
	return &tokenCache{key: c.key, young: kept(c.young), old: kept(c.old)}
}
