package velocity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What the documentation promises as a number. Elsewhere tests use the constants, and
// would change with them.
func TestBoundsAreThoseThatArePromised(t *testing.T) {
	assert.Equal(t, 30*time.Second, tellFor, "an instance tells a server for so long that lost its memory")
	assert.Equal(t, 100, perNetwork, "of one network so many before the others")
	assert.LessOrEqual(t, localFor*time.Millisecond+sweepEvery+sweepLimit, time.Second, "a local answer, and what it was shown is written")
	assert.Equal(t, 10*time.Millisecond, time.Second/slewDivisor, "the clock follows the machine's by so much a second")
	assert.Equal(t, 60<<10, maxRecord, "a record is no larger")
	assert.Equal(t, []int{128, 256}, []int{maxID, maxText}, "characters of a field")
}
