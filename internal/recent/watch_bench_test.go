package recent_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/event"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// What all that watches costs a check, and each part: of honest traffic, where one address of
// twenty was seen before, and of a flood from one address.
func BenchmarkWatchers(b *testing.B) {
	for _, part := range []string{"none", "ring", "traffic", "blocked", "ids", "all"} {
		for _, kind := range []string{"honest", "flood"} {
			b.Run(part+"/"+kind, func(b *testing.B) {
				ring, traffic, blocked := newRing(10_000), recent.NewTraffic(), recent.NewBlocked(nil)
				ids := velocity.NewShortIDs([]byte("0123456789abcdef0123456789abcdef"))
				watch := map[string]func(*event.Event){
					"ring": ring.Watch, "traffic": traffic.Watch, "blocked": blocked.Watch,
					"ids": func(e *event.Event) { e.ShortAttempt = ids.Card(e.Attempt) ^ ids.Attempt(e.AttemptID) },
				}
				if part == "all" {
					checks := recent.Together(ring, traffic)
					watch["all"] = func(e *event.Event) { watch["ids"](e); checks.Watch(e); blocked.Watch(e) }
				}
				watch["none"] = func(*event.Event) {}
				f := watch[part]
				a := attemptOf(b)
				d := velocity.Decision{Plan: plan, Rules: []velocity.RuleResult{{Rule: &cardsPerIP, Count: 1}}}
				if kind == "flood" {
					d.Outcome, d.Rules[0].Outcome, d.Reasons = velocity.Block, velocity.Block, []string{cardsPerIP.Name}
				}
				caller, id := &auth.Caller{Name: "checkout"}, []byte("01JD2Z4V7K8M9N0P1Q2R3S4T5V")
				n, e := uint32(0), new(event.Event)
				one := func() {
					n++
					address := n
					if n%20 == 0 {
						address = n / 2
					}
					if kind == "flood" {
						address = 1
					}
					a.Address = netip.AddrFrom4([4]byte{11, byte(address >> 16), byte(address >> 8), byte(address)})
					*e = event.Event{Kind: event.Check, Time: start + velocity.Time(n>>5), Attempt: a, AttemptID: "01JD2Z4V7K8M9N0P1Q2R3S4T5V", RequestID: id, Caller: caller, Decision: &d, ShortCard: velocity.ShortID(uint64(n) * 0x9e3779b97f4a7c15), ShortAttempt: 7}
					f(e)
				}
				for range 50_000 {
					one()
				}
				// The machine may do other things: a quarter of the stretches took less.
				var took []time.Duration
				for b.Loop() {
					began := time.Now()
					for range 500 {
						one()
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/4].Nanoseconds())/500, "cpu-ns/op")
			})
		}
	}
}

func attemptOf(t testing.TB) *velocity.Attempt {
	var f velocity.Fields
	for name, value := range map[string]string{"ip": "203.0.113.7", "last4": "4242", "expiry": "12/30", "attempt_id": "a"} {
		field, ok := velocity.FieldByName(name)
		require.True(t, ok && f.Set(field, value))
	}
	a, err := velocity.ParseAttempt(&f)
	require.NoError(t, err)
	return &a
}
