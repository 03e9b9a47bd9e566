package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestAddressesAreMeasuredInBothStores(t *testing.T) {
	testbed.SkipShort(t, "starts the program twice")
	testbed.SkipRace(t, "builds and starts the program")
	testbed.NeedMemcached(t)
	for _, pack := range []bool{false, true} {
		var out strings.Builder
		require.NoError(t, measureAddresses(t.Context(), &options{addresses: "500,2000", pack: pack}, &out, io.Discard))
		embedded, shared, found := strings.Cut(out.String(), "store tcp")
		require.True(t, found && strings.Contains(embedded, "store memory"), out.String())
		assert.Regexp(t, `(?m)^ +500( +\d+){2}$\n +2000( +\d+){2}$`, embedded)
		assert.Regexp(t, `(?m)^ +500( +\d+){7}$\n +2000( +\d+){7}$`, shared)
	}
}

func TestStepsIncrease(t *testing.T) {
	steps, err := parseSteps("1000,10000")
	require.NoError(t, err)
	require.Equal(t, []uint32{1000, 10000}, steps)
	for _, wrong := range []string{"", "0", "-1", "10,10", "1,x", "1000000000"} {
		_, err := parseSteps(wrong)
		require.ErrorContains(t, err, "increasing", wrong)
	}
}
