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

func TestWhatIsOwedEndsNoOtherLease(t *testing.T) {
	u := &Update{now: 1000}
	ls := newLeases(u)
	require.True(t, ls.use(u.key))
	owed := ls.end(1000 + leaseFor)
	require.Len(t, owed, 1)
	ls.owe(owed[0], 2000)
	require.False(t, ls.runs(u), "it is not to be answered from")
	u.now = 2500
	ls.grant(u)
	require.Equal(t, owed, ls.end(2000+leaseFor))
	require.True(t, ls.runs(u))
	require.Empty(t, ls.end(2500+leaseFor))
	require.Zero(t, ls.live.Load())
}
