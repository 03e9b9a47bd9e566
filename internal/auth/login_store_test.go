package auth_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/turns"
)

// recording remembers all that a store was given.
type recording struct {
	session.Store
	values map[string][]byte // by key
}

func (s *recording) Put(key string, value []byte, version uint64, now, until time.Time, turn *turns.Turn) error {
	s.values[key] = value
	return s.Store.Put(key, value, version, now, until, turn)
}

func TestTheStoreHoldsNoCredentialAndNoName(t *testing.T) {
	store := &recording{Store: session.NewMemory(), values: map[string][]byte{}}
	i := newInstance(t, store, issuing)
	issued, cookie := i.login("checkout", "open sesame")
	require.Len(t, store.values, 2, "the login, and the user's list")
	written := fmt.Sprintf("%s", store.values)
	for _, needle := range []string{"checkout", "open sesame", issued.Access[5:], issued.Refresh[5:], cookie[len(cookie)-40:]} {
		assert.NotContains(t, written, needle)
	}
}

// forging gives every item the value of another.
type forging struct {
	session.Store
	values map[string][]byte // as written before
}

func (s *forging) Get(key string, now time.Time, turn *turns.Turn) ([]byte, uint64, error) {
	value, version, err := s.Store.Get(key, now, turn)
	if genuine, ok := s.values[key]; err == nil && ok && bytes.Equal(value, genuine) {
		for other := range s.values {
			if other != key {
				value = s.values[other]
			}
		}
	}
	return value, version, err
}

func TestForgedItemsOfTheStoreAreIgnored(t *testing.T) {
	honest := &recording{Store: session.NewMemory(), values: map[string][]byte{}}
	i := newInstance(t, honest, issuing)
	a, cookie := i.login("checkout", "open sesame")
	b, _ := i.login("analyst", "magnifier")
	j := newInstance(t, &forging{honest.Store, honest.values}, issuing)
	for range 3 {
		assert.Equal(t, "token_invalid", j.ask(cookie))
		for _, issued := range []*auth.Tokens{a, b} {
			_, err := j.Refresh(j.request(), issued.Refresh)
			assert.Equal(t, auth.TokenInvalid, err)
		}
		j.after(time.Second)
	}
	assert.NoError(t, j.Logout(j.request(bearing(a.Access)), ""), "it is written over")
	i.after(time.Second)
	assert.Equal(t, "token_invalid", i.ask(bearing(a.Access)))
	issued, _ := j.login("checkout", "open sesame")
	assert.NotEmpty(t, issued.Refresh)
}
