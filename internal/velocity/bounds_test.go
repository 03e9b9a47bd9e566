package velocity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What the documentation promises as a number. Elsewhere tests use the constants, and
// would change with them.
func TestBoundsAreThoseThatArePromised(t *testing.T) {
	assert.Equal(t, 30*time.Second, tellFor, "the longest that a server which lost its memory is told")
	assert.Equal(t, 100, perNetwork, "records of one network that are told before those of others")
	assert.LessOrEqual(t, localFor*time.Millisecond+sweepEvery+sweepLimit, time.Second, "from a local answer until what it was shown is written")
	assert.Equal(t, 10*time.Millisecond, time.Second/slewDivisor, "by which the clock follows the machine's in a second")
	assert.Equal(t, 60<<10, maxRecord, "a record is no larger")
	assert.Equal(t, []int{128, 256}, []int{maxID, maxText}, "characters of a field")
}
