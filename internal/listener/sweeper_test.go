package listener

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASweepEndsWhatTakesLongerThanItsLimit(t *testing.T) {
	const read, write, idle = 8, 16, 80 // rounds
	ours, theirs := connected(t)
	round := func(n int64) { ours.endOverdue(ours.tick.Add(n), read, write, idle) }
	readable := func() {
		t.Helper()
		_, err := theirs.Write([]byte("x"))
		require.NoError(t, err)
		_, err = ours.Read(make([]byte, 1))
		assert.NoError(t, err)
	}

	round(idle) // idle it may be so long
	readable()
	ours.SetState(StateActive)
	round(read)
	readable()
	round(1) // the request is late
	_, err := ours.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)

	_, err = ours.Write([]byte("an answer"))
	require.NoError(t, err)
	ours.SetState(StateIdle) // it was only the answer that took long
	readable()
	round(idle + 1)
	_, err = ours.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)

	ours.SetState(StateActive)
	_, err = ours.Write([]byte("go on, and then an answer"))
	require.NoError(t, err)
	round(write + 2) // it was only what came between that took long
	_, err = ours.Write([]byte("an answer"))
	require.NoError(t, err)

	writing := make(chan error, 1)
	go func() {
		_, err := ours.Write(make([]byte, 64<<20)) // more than anybody takes
		writing <- err
	}()
	require.Eventually(t, func() bool { return ours.writing.Load() > 0 }, time.Minute, time.Millisecond)
	round(write + 1)
	assert.Empty(t, writing)
	round(1)
	assert.ErrorIs(t, <-writing, os.ErrDeadlineExceeded)
}
