package velocity

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspended returns for how long the machine has been suspended since it was started:
// CLOCK_BOOTTIME counts that time, CLOCK_MONOTONIC does not (clock_gettime(2)).
func suspended() time.Duration {
	var boot, monotonic unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic) != nil {
		return 0
	}
	// Read one after the other: what lies between is no suspension.
	return time.Duration(boot.Nano() - monotonic.Nano()).Round(10 * time.Millisecond)
}
