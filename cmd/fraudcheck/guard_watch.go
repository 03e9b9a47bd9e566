package main

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// suspects returns what says, at most once a minute, that checks come with an IP address
// that is hardly a shopper's, and what to look at. address is how the log shows one; empty
// text for not at all.
func suspects(log *slog.Logger, address func(netip.Addr) string) event.Watcher {
	rarely := atMostEvery(time.Minute)
	var unsaid atomic.Int64
	return func(e *event.Event) {
		d := e.Decision
		if d == nil || d.Suspect == velocity.NotSuspect || d.Settled {
			return
		}
		unsaid.Add(1)
		if !rarely() {
			return
		}
		text := "checks come with an IP address that is no shopper's of the Internet, so no rule on it blocks: "
		switch d.Suspect {
		case velocity.ByNetwork:
			text = "checks come with an IP address of collapse_guard.networks, a proxy's, so no rule on it blocks: "
		case velocity.ByConnection:
			text = "checks come with the IP address of their own connection, so no rule on it blocks: "
		}
		text += "have the checkout send the shopper's (docs/integrate.md, section 4); where the address is right, put it into lists.allow or set collapse_guard.private"
		attrs := []any{slog.String("kind", d.Suspect.String())}
		if shown := address(e.Attempt.Address); shown != "" {
			attrs = append(attrs, slog.String("address", shown))
		}
		log.Warn(text, append(attrs, slog.Int64("checks", unsaid.Swap(0)))...)
	}
}
