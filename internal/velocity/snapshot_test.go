package velocity

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func saved(t *testing.T, m *Memory) []byte {
	var b bytes.Buffer
	require.NoError(t, m.Save(&b, testKeys(t)))
	return b.Bytes()
}

func (s *shop) load(t *testing.T, snapshot []byte, at time.Duration) int {
	n, err := s.memory.Load(bytes.NewReader(snapshot), testKeys(t), s.Plan(), testStart+Time(at.Milliseconds()))
	require.NoError(t, err)
	return n
}

func TestASnapshotRemembersWhatCountsStill(t *testing.T) {
	day := DefaultRule
	day.Name, day.Per, day.Window = "day", "network", 24*time.Hour
	before := newShop(t, 8<<20, DefaultRule, day)
	for n := range 5000 {
		before.show(n, 1, 0)
	}
	for card := range 6 {
		before.show(7, card, 30*time.Minute)
	}
	snapshot := saved(t, before.memory)

	after := newShop(t, 8<<20, DefaultRule, day)
	require.Equal(t, before.memory.Stats().Records, after.load(t, snapshot, 31*time.Minute))
	require.Equal(t, 6, after.show(7, 9, 31*time.Minute))
	require.Equal(t, 2, after.show(4999, 2, 31*time.Minute))
	require.Equal(t, snapshot, saved(t, func() *Memory {
		again := newShop(t, 8<<20, DefaultRule, day)
		again.load(t, snapshot, 0)
		return again.memory
	}()), "in the same order")

	late := newShop(t, 8<<20, DefaultRule, day)
	require.Less(t, late.load(t, snapshot, 2*time.Hour), 100, "only the networks' records")
	small := newShop(t, 1<<20, DefaultRule, day)
	small.load(t, snapshot, 0)
	require.LessOrEqual(t, small.memory.Stats().Bytes, 1<<20)
}

func TestADamagedSnapshotIsNotBelieved(t *testing.T) {
	s := newShop(t, 1<<20, DefaultRule)
	s.show(1, 1, 0)
	snapshot := saved(t, s.memory)
	empty := newShop(t, 1<<20, DefaultRule)
	refused := func(b []byte, keys *Keys) {
		_, err := empty.memory.Load(bytes.NewReader(b), keys, empty.Plan(), testStart)
		require.ErrorIs(t, err, ErrSnapshot)
		require.Zero(t, empty.memory.Stats().Records)
	}
	for i := range snapshot {
		refused(snapshot[:i], testKeys(t))
		changed := bytes.Clone(snapshot)
		changed[i] ^= 1
		refused(changed, testKeys(t))
	}
	refused(append(bytes.Clone(snapshot), 0), testKeys(t))
	others, err := NewKeys([]byte(strings.Repeat("y", 32)))
	require.NoError(t, err)
	refused(snapshot, others)
	require.Equal(t, 1, empty.load(t, snapshot, 0))
}
