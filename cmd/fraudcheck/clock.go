package main

import (
	"context"
	"log/slog"
	"time"

	"fraudcheck/internal/velocity"
)

// watchClock logs, until stop is called, when the machine's clock comes to differ from
// the service's by more than a minute: once for each time. It reads the clock every 10 s,
// which also moves the service's towards the machine's while there is no traffic.
func watchClock(clock *velocity.Clock, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for far := false; ; {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				clock.Now(now)
			}
			// Logged when it begins, not each 10 s: far remembers.
			ahead := clock.Ahead()
			if was := far; ahead.Abs() > time.Minute {
				if far = true; !was {
					log.Warn("the machine's clock was set; windows go on by the old one and are drawn after it by 10 ms a second", "seconds", int(ahead.Seconds()))
				}
			} else {
				far = false
			}
		}
	}()
	return cancel
}
