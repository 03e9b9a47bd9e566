package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"fraudcheck/internal/config"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// A topShare warns, at most once a minute, of an address that sends more than a share of all
// checks. An attacker and a proxy before all shoppers look alike, so it changes no decision and
// says both. One goroutine at a time may look.
type topShare struct {
	most   atomic.Uint64 // the share as math.Float64bits
	last   atomic.Uint64 // likewise, the share as of the last look
	warned velocity.Time
}

// share is the largest share of an address, as of the last look.
func (w *topShare) share() float64 { return math.Float64frombits(w.last.Load()) }

// isLarge reports whether the share of an address is one to warn of.
func (w *topShare) isLarge(top recent.Top) bool {
	return top.Share() > math.Float64frombits(w.most.Load())
}

// limit takes over collapse_guard.share.
func (w *topShare) limit(s *config.Settings) { w.most.Store(math.Float64bits(s.CollapseGuard.Share)) }

// look returns the warning that is due at now; empty for none. shown is the address as the log
// may show it, whole where that is all of it, and operators the URL of the operators' port.
func (w *topShare) look(top recent.Top, now velocity.Time, shown, operators string) string {
	w.last.Store(math.Float64bits(top.Share()))
	if !w.isLarge(top) || w.warned > 0 && now-w.warned < velocity.Time(time.Minute.Milliseconds()) {
		return ""
	}
	w.warned = now
	address, which := top.Address.String(), shown
	if shown != address {
		address, which = "IP", shown+" (GET /v1/trends names it whole: IP)"
	}
	override := func(decision, reason string) string {
		return fmt.Sprintf(`curl -u YOU -X PUT %s/v1/addresses/%s/override -H 'Content-Type: application/json' -d '{"decision":%q,"for":"24h","reason":%q}'`,
			operators, address, decision, reason)
	}
	return fmt.Sprintf("one IP address sends %.0f %% of the checks of the last ten minutes (%d of %d), %s. An attacker: its cards are counted and the rules block it; to block all it sends: %s. "+
		"Or a proxy of yours, and all shoppers behind it are one: have the checkout send theirs (docs/guard.md); to let them buy until then: %s",
		100*top.Share(), top.Attempts, top.Of, which, override("block", "attack"), override("allow", "our proxy"))
}

// watchTraffic looks once a second, until stop is called, which waits for a look: it may ask
// the store.
func (s *service) watchTraffic() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	form := addressForm(s.settings.Log.IP, s.keys.log)
	scheme := "http://"
	if s.policy.certificate != nil {
		scheme = "https://"
	}
	operators := scheme + s.operatorsListen.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, time.Second, func(time.Time) {
			now := s.now()
			s.minutes.Tick(now)
			top := s.traffic.Top(now, func(top recent.Top) bool { return s.topShare.isLarge(top) && s.isDecided(top.Address, now) })
			if text := s.topShare.look(top, now, shownAddress(top.Address, form), operators); text != "" {
				s.log.Warn(text)
			}
		})
	}()
	return func() {
		cancel()
		<-done
	}
}

// isDecided reports whether an override or a list decides about an address: then somebody
// knows it.
func (s *service) isDecided(address netip.Addr, now velocity.Time) bool {
	r := s.checker.Inspect(&velocity.Attempt{Address: address}, []string{"ip"}, now)
	return r.Override != nil || r.Listed != nil
}

// shownAddress is the address in that form; "not shown" where the log may show none.
func shownAddress(a netip.Addr, form func(netip.Addr) string) string {
	if !a.IsValid() {
		return ""
	}
	if shown := form(a); shown != "" {
		return shown
	}
	return "not shown"
}
