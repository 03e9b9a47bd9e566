package session

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/turns"
)

// A held store answers only with something from gate, where there is a gate.
type held struct {
	*Memory
	turns *turns.Queue
	gate  chan struct{}
}

func (s *held) Get(key string, now time.Time, turn *turns.Turn) ([]byte, uint64, error) {
	if s.gate != nil {
		<-s.gate
	}
	return s.Memory.Get(key, now, turn)
}

func (s *held) Patience(turn *turns.Turn) time.Time { return s.turns.Patience(turn) }

// The one that asks may be no check, and may wait for its turn for a second: a check behind
// it goes on when its own answer is nearly due.
func TestARequestWaitsForTheLookUpOfAnotherNoLongerThanItMay(t *testing.T) {
	keys, err := NewKeys([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	user := &User{Name: "checkout"}
	policy := &Policy{Settings: Settings{TTL: time.Hour, RefreshTTL: time.Hour, PerUser: 3, SessionTimeout: time.Hour}, Users: map[string]*User{"checkout": user}}
	for class, longest := range map[turns.Class]time.Duration{turns.Check: 75 * time.Millisecond, turns.LookUp: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store := &held{Memory: NewMemory(), turns: turns.New(turns.Settings{Turns: 1, Answer: 80 * time.Millisecond, Budget: 50 * time.Millisecond})}
			logins := NewLogins(keys, store)
			issued, err := logins.Begin(policy, user, netip.Addr{}, midnight)
			require.NoError(t, err)
			later := midnight.Add(2 * time.Second)
			ask := func(class turns.Class) Shown {
				shown, err := logins.Access(policy, []byte(issued.Access), netip.Addr{}, later, &turns.Turn{Class: class, Start: time.Now()})
				assert.NoError(t, err)
				return shown
			}
			store.gate = make(chan struct{})
			asking := make(chan Shown)
			go func() { asking <- ask(turns.LookUp) }()
			synctest.Wait()
			began := time.Now()
			assert.True(t, ask(class).Local)
			assert.Equal(t, longest, time.Since(began))
			close(store.gate)
			assert.False(t, (<-asking).Local)
			assert.False(t, ask(class).Local, "what the other was told is known to all")
		})
	}
}
