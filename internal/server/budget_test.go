package server

import (
	"bufio"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/callers"
	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// What a whole request may allocate, from its bytes to those of the answer, when
// nothing is logged. A check on memcached allocates what one on the embedded store does;
// the one more is for the probes of the server, which are counted too.
func TestAllocationBudgets(t *testing.T) {
	testbed.SkipRace(t, "counts allocations, and the detector allocates")
	server := testbed.StartMemcached(t)
	shared := func(local *velocity.Memory) velocity.Store {
		m := velocitytest.NewMemcached(t, local, memcached.Settings{Servers: []string{server.Addr}, Budget: 10 * time.Second})
		plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
		require.NoError(t, err)
		clock := velocity.NewClock(time.Now())
		m.Watch(func() *velocity.Plan { return plan }, func() velocity.Time { return clock.Now(time.Now()) })
		m.Client.Await(10 * time.Second)
		return m
	}
	alone := func(local *velocity.Memory) velocity.Store { return local }
	for _, tt := range []struct {
		name   string
		store  func(*velocity.Memory) velocity.Store
		comes  string // the address, with a number in it for one that is always new
		budget float64
	}{
		{"the embedded store, a new address", alone, "10.%d.%d.%d", 2},
		{"the embedded store, a known address", alone, "10.0.0.1", 2},
		{"memcached, a new address", shared, "10.%d.%d.%d", 3},
		{"memcached, a known address", shared, "11.0.0.1", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			local, err := velocity.NewMemory(64 << 20)
			require.NoError(t, err)
			policy, err := auth.NewPolicy(auth.Settings{Users: []auth.User{{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Roles: auth.Checker}}})
			require.NoError(t, err)
			checks := &callers.API{
				Checker:  velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, tt.store(local)),
				Now:      velocity.NewClock(time.Now()).Now,
				Watchers: []event.Watcher{func(*event.Event) {}},
				ShortIDs: velocity.NewShortIDs(make([]byte, velocity.MinHashKey)),
			}
			s := New(door.New(door.Settings{
				Guard: auth.NewGuard(policy), Log: slog.New(slog.DiscardHandler), TagKey: make([]byte, 32), InFlight: 10,
			}, checks.Routes()...), Settings{})
			const runs = 1000
			var bodies [][]byte
			for n := range runs + 1 {
				address := tt.comes
				if strings.Contains(address, "%") {
					address = fmt.Sprintf(address, n>>16, n>>8&255, n&255)
				}
				bodies = append(bodies, []byte(`{"ip":"`+address+`","last4":"4242","exp_month":12,"exp_year":2030}`))
			}
			var ctx fasthttp.RequestCtx
			ctx.Init(new(fasthttp.Request), nil, nil)
			head := "POST /v1/check HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Basic Y2hlY2tvdXQ6b3BlbiBzZXNhbWU=\r\n\r\n"
			require.NoError(t, ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(head))))
			n := 0
			answer := func() {
				ctx.Response.Reset()
				ctx.Request.SetBody(bodies[n%len(bodies)])
				s.handle(&ctx)
				n++
			}
			for range 10 { // what is made once
				answer()
			}
			assert.LessOrEqual(t, testing.AllocsPerRun(runs-1, answer), tt.budget)
			require.Contains(t, string(ctx.Response.Body()), `"decision":"allow"`)
			require.Contains(t, string(ctx.Response.Body()), `"degraded":false`)
		})
	}
}
