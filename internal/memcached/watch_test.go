package memcached

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAServerThatHangsIsAskedAgainAtOnce(t *testing.T) {
	const usualBudget = 50 * time.Millisecond
	assert.LessOrEqual(t, pauseAfter(Timeout, usualBudget), time.Duration(0), "a probe waits for it all the time")
	assert.Equal(t, retryEvery-time.Millisecond, pauseAfter(Timeout, time.Millisecond), "a small budget does not make it a flood")
	for _, result := range []Result{OK, Failed, ""} {
		assert.Equal(t, probeEvery-20*time.Millisecond, pauseAfter(result, 20*time.Millisecond), result)
	}
}
