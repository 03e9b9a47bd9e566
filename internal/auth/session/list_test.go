package session

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Otherwise a long list would push out what is known of the sessions in use, which are
// good for a minute without the store.
func TestAListOfLoginsPutsNoneIntoTheCache(t *testing.T) {
	keys, err := NewKeys([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	store, user := NewMemory(), &User{Name: "checkout"}
	policy := &Policy{Settings: Settings{TTL: time.Hour, RefreshTTL: time.Hour, PerUser: 3, SessionTimeout: time.Hour}, Users: map[string]*User{"checkout": user}}
	issued, err := NewLogins(keys, store).Begin(policy, user, netip.Addr{}, midnight)
	require.NoError(t, err)
	another := NewLogins(keys, store)
	logins, err := another.List(policy, midnight)
	require.NoError(t, err)
	require.Len(t, logins, 1)
	assert.Equal(t, issued.Login, logins[0].ID)
	assert.Empty(t, another.known.young)
}
