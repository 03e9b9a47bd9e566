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
	far := false
	go every(ctx, 10*time.Second, func(now time.Time) {
		clock.Now(now)
		ahead, was := clock.Ahead(), far
		if far = ahead.Abs() > time.Minute; far && !was { // once, and not every 10 s
			log.Warn("the machine's clock was set; windows go by the service's clock, which follows it by 10 ms a second", "seconds", int(ahead.Seconds()))
		}
	})
	return cancel
}
