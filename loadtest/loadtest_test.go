package main

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// What must hold whatever happens, in short and with counts alone: a machine that is
// busy elsewhere must not fail it.
func TestPromisesHold(t *testing.T) {
	testbed.SkipShort(t, "runs real processes for a minute")
	testbed.NeedMemcached(t)
	s, err := newRunner(t.Context(), &options{Short: true, Rate: 150})
	require.NoError(t, err)
	t.Cleanup(s.close)
	s.budget = 250 * time.Millisecond
	for _, f := range faults {
		if f.crowd != nil || f.left {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			if _, err := exec.LookPath(f.needs); f.needs != "" && err != nil {
				t.Skipf("%s is not installed", f.needs)
			}
			t.Parallel() // nearly all of the time is waiting
			r, err := s.runFault(t.Context(), f)
			require.NoError(t, err)
			assert.Empty(t, r.Broken)
			assert.GreaterOrEqual(t, r.Calls, int64(150))
		})
	}
}

// Crowds want the machine for themselves: one after the other.
func TestPromisesHoldInACrowd(t *testing.T) {
	testbed.SkipShort(t, "saturates the machine")
	testbed.NeedMemcached(t)
	s, err := newRunner(t.Context(), &options{Short: true})
	require.NoError(t, err)
	t.Cleanup(s.close)
	s.budget = 250 * time.Millisecond
	crowds, err := choose("saturated-1000-embedded,saturated-4000-memcached,saturated-forgotten")
	require.NoError(t, err)
	for _, f := range crowds {
		t.Run(f.name, func(t *testing.T) {
			r, err := s.runFault(t.Context(), f)
			require.NoError(t, err)
			assert.Empty(t, r.Broken)
			assert.Empty(t, r.Unjudged)
		})
	}
}

func TestChooseKnowsEveryFaultByItsName(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range faults {
		chosen, err := choose(f.name)
		require.NoError(t, err)
		require.Len(t, chosen, 1)
		assert.False(t, seen[f.name], f.name)
		seen[f.name] = true
	}
	_, err := choose("killed,nothing")
	assert.ErrorContains(t, err, `"nothing"`)
}
