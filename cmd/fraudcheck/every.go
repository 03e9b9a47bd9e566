package main

import (
	"context"
	"time"
)

// every calls do once in each interval, with the time of the tick, until ctx ends. A call
// that takes longer than the interval delays the next one; ticks that it misses are
// dropped.
func every(ctx context.Context, interval time.Duration, do func(now time.Time)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			do(now)
		}
	}
}
