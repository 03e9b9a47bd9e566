package main

import (
	"context"
	"log/slog"
	"time"

	"fraudcheck/internal/velocity"
)

// watchClock logs, until stop is called, when the machine's clock comes to differ from
// the service's by more than a minute, and when that is over. It reads the clock every 10 s,
// which also moves the service's towards the machine's while there is no traffic.
func watchClock(clock *velocity.Clock, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	far := false
	go every(ctx, 10*time.Second, func(now time.Time) {
		clock.Now(now)
		was := far
		switch far = clock.Off(); {
		case far && !was:
			log.Warn("the machine's clock was set; windows go by the service's clock, which follows it by up to a second a second once it is steady; answers are degraded until they agree to a minute", "seconds", int(clock.Ahead().Seconds()))
		case was && !far:
			log.Info("the machine's clock and the service's agree to a minute again; answers are no longer degraded for that")
		}
	})
	return cancel
}
