package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestAddressesAreMeasuredInBothStores(t *testing.T) {
	testbed.SkipShort(t, "starts the program twice")
	testbed.SkipRace(t, "builds and starts the program")
	testbed.NeedMemcached(t)
	var out strings.Builder
	require.NoError(t, measureAddresses(t.Context(), &options{addresses: 2000}, &out, io.Discard))
	for _, what := range []string{"store memory", "store tcp", "fraudcheck_memory_bytes", "memcached: items"} {
		require.Contains(t, out.String(), what)
	}
}
