package fraudcheck_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	fraudcheck "fraudcheck/client"
	"fraudcheck/client/fraudchecktest"
)

var declined = fraudcheck.Outcome{Attempt: card, Outcome: "declined", Reason: "invalid_number"}

// delivered waits until the service took n outcomes.
func delivered(t *testing.T, c *fraudcheck.Client, n uint64) {
	t.Helper()
	within(t, fmt.Sprint(n, " delivered"), func() bool { return c.Counters().OutcomesDelivered == n })
}

func TestOutcomesAreDelivered(t *testing.T) {
	s, c := fake(t, nil)
	r := check(t, c)
	o := declined
	o.AttemptID = r.AttemptID
	o.At = time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC)
	c.Outcome(o)
	delivered(t, c, 1)
	got := s.Requests()[1]
	expect(t, "path", got.Path, "/v1/outcomes")
	expect(t, "the fields", fmt.Sprint(got.Fields), "map[at:2026-11-28T13:00:00Z attempt_id:"+r.AttemptID+
		" email:eva@example.com exp_month:12 exp_year:2030 ip:203.0.113.7 last4:4242 outcome:declined reason:invalid_number]")
	expect(t, "the connection is kept", got.Reused, true)
}

func TestAnOutcomeIsDeliveredAgainUntilItIsTaken(t *testing.T) {
	s, c := fake(t, nil)
	s.Script(fraudchecktest.Reply{Status: 503}, fraudchecktest.Reply{Fault: fraudchecktest.Drop}, fraudchecktest.Reply{Fault: fraudchecktest.Drop})
	begin := time.Now()
	c.Outcome(declined)
	expect(t, "the caller does not wait", time.Since(begin) < time.Second, true)
	delivered(t, c, 1)
	got := s.Requests()
	expect(t, "requests", len(got), 4)
	for _, r := range got {
		expect(t, "one attempt_id", r.AttemptID(), got[0].AttemptID())
	}
	expect(t, "it arrives at once, so the time is that of its arrival", got[0].Fields["at"], nil)
	at, err := time.Parse(time.RFC3339Nano, got[3].Fields["at"].(string))
	expect(t, "error", err, nil)
	expect(t, "later it says when it was", at.Sub(begin).Abs() < time.Second, true)
}

func TestAnOutcomeThatIsRefusedIsDroppedAndShown(t *testing.T) {
	faults := make(chan fraudcheck.Fault, 1)
	s, c := fake(t, func(o *fraudcheck.Options) { o.OnFault = func(f fraudcheck.Fault) { faults <- f } })
	s.Script(fraudchecktest.Reply{Status: 400, Code: "field_unknown", Field: "reason"})
	c.Outcome(declined)
	c.Outcome(declined)
	delivered(t, c, 1)
	f := <-faults
	expect(t, "path", f.Path, "/v1/outcomes")
	expect(t, "field", f.Field, "reason")
	expect(t, "counters", c.Counters(), fraudcheck.Counters{Faults: 1, OutcomesDelivered: 1, OutcomesDropped: 1})
}

func TestTheOldestOutcomesMakeRoom(t *testing.T) {
	s, c := fake(t, nil)
	s.Standing(fraudchecktest.Reply{Fault: fraudchecktest.Hang})
	c.Outcome(declined)
	within(t, "the first is under way", func() bool { return len(s.Requests()) == 1 })
	for n := range 1010 {
		o := declined
		o.AttemptID = fmt.Sprint("order-", n)
		c.Outcome(o)
	}
	expect(t, "waiting", c.Counters().OutcomesWaiting, uint64(1000))
	expect(t, "dropped", c.Counters().OutcomesDropped, uint64(10))
	s.Standing(fraudchecktest.Reply{})
	s.CloseIdle()
	c.Close(t.Context())
	got := s.Requests()
	got = got[1:] // the first arrived twice: its connection broke
	expect(t, "the newest arrives", got[len(got)-1].AttemptID(), "order-1009")
	expect(t, "the first that is left", got[1].AttemptID(), "order-10")
}

func TestCloseDeliversWhatWaits(t *testing.T) {
	s, c := fake(t, nil)
	for range 50 {
		c.Outcome(declined)
	}
	c.Close(t.Context())
	expect(t, "requests", len(s.Requests()), 50)
	expect(t, "counters", c.Counters(), fraudcheck.Counters{OutcomesDelivered: 50})
	c.Outcome(declined)
	expect(t, "dropped", c.Counters().OutcomesDropped, uint64(1))
	c.Close(t.Context())
}

func TestCloseEndsWithItsContext(t *testing.T) {
	s, c := fake(t, nil)
	s.Standing(fraudchecktest.Reply{Fault: fraudchecktest.Hang})
	for range 50 {
		c.Outcome(declined)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	c.Close(ctx)
	expect(t, "it is prompt", time.Since(begin) < time.Second, true)
	expect(t, "dropped", c.Counters().OutcomesDropped, uint64(50))
}
