package velocity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func newLocalAnswers(u *Update) *localAnswers {
	ls := &localAnswers{byKey: make(map[Key]*localAnswer)}
	ls.allow(u)
	return ls
}

func TestWhatIsShownWhenTheTimeIsOverIsNotTakenForWritten(t *testing.T) {
	u := &Update{now: 1000}
	ls := newLocalAnswers(u)
	require.True(t, ls.allows(u))
	require.Empty(t, ls.end(1000+localFor), "nothing was shown yet")
	require.False(t, ls.use(u.key), "so this is for the servers")
}
