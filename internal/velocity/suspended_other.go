//go:build !linux

package velocity

import "time"

// suspended: there is no clock that counts it.
func suspended() time.Duration { return 0 }
