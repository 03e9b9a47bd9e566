package velocity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func newLeases(u *Update) *leases {
	ls := &leases{byKey: make(map[Key]*lease)}
	ls.grant(u)
	return ls
}

func TestWhatIsShownWhileALeaseEndsIsNotTakenForWritten(t *testing.T) {
	u := &Update{now: 1000}
	ls := newLeases(u)
	require.True(t, ls.runs(u))
	require.Empty(t, ls.end(1000+leaseFor), "nothing was shown yet")
	require.False(t, ls.use(u.key), "so this is for the servers")
}
