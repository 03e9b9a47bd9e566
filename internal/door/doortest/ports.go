package doortest

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/callers"
	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/peers"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/server"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// Passwords of users of a Setup's guard.
const (
	CheckoutPassword = "open sesame"
	PaymentsPassword = "swordfish"
	AnalystPassword  = "magnifier"
)

// Authorization lines of users of a Setup's guard.
var (
	AsCheckout = Basic("checkout", CheckoutPassword) // a checker, as payments
	AsPayments = Basic("payments", PaymentsPassword)
	AsAnalyst  = Basic("analyst", AnalystPassword) // may not check
	AsOperator = Basic("operator", "everything")
	AsNobody   = Basic("guest", "welcome")   // a caller without any role
	AsBranch   = Basic("branch", "far away") // an analyst who may not ask from here
)

// ShortIDs are those of both doors.
var ShortIDs = velocity.NewShortIDs([]byte("the hash key of a Setup, 32 bytes"))

// NewPolicy lets in the users above, by Basic, from the networks of callers.
func NewPolicy(t testing.TB, callers, proxies []string) *auth.Policy {
	t.Helper()
	policy, err := auth.NewPolicy(auth.Settings{Networks: callers, TrustedProxies: proxies, Users: []auth.User{
		{Name: "checkout", Password: CheckoutPassword, Encryption: password.Clear, Roles: auth.Checker},
		{Name: "payments", Password: PaymentsPassword, Encryption: password.Clear, Roles: auth.Checker},
		{Name: "analyst", Password: AnalystPassword, Encryption: password.Clear, Roles: auth.Analyst},
		{Name: "operator", Password: "everything", Encryption: password.Clear, Roles: auth.Operator},
		{Name: "guest", Password: "welcome", Encryption: password.Clear},
		{Name: "branch", Password: "far away", Encryption: password.Clear, Roles: auth.Analyst, Networks: []string{"192.0.2.0/24"}},
	}})
	require.NoError(t, err)
	return policy
}

// Setup is what a Fraudcheck is made of.
type Setup struct {
	door.Settings // of both doors
	Server        server.Settings
	Checker       *velocity.Checker
	Now           func(time.Time) velocity.Time
	Address       func(netip.Addr) string
	Profiles      bool
	Peers         *peers.Peers // of the operators' port
	Self          operator.Self
	AcceptNoIP    bool
	Watchers      []event.Watcher
	Metrics       *operator.Metrics
	Minutes       *recent.Minutes
	Firewall      operator.Firewall
	Ring          *recent.Ring // of 1,000 decisions; nil: they are not kept

	log    *Log
	memory *velocity.Memory
	ln     net.Listener
}

// On has the callers' port listen there.
func (s *Setup) On(ln net.Listener) { s.ln = ln }

// Store has the checker work with that store, which may use the embedded one.
func (s *Setup) Store(t testing.TB, rules []velocity.Rule, store func(*velocity.Memory) velocity.Store) {
	s.Checker = velocitytest.NewChecker(t, rules, store(s.memory))
}

// A Fraudcheck is both ports of the service, over one checker with an embedded store.
// Only its time is the test's: it stands still until it is set.
type Fraudcheck struct {
	Callers, Operators *Port
	Checker            *velocity.Checker
	Metrics            *operator.Metrics
	Memory             *velocity.Memory
	Log                *Log
	CallersDoor        *door.Door

	clock atomic.Int64
}

// Open serves both ports until the test ends, with the default rule; change may set
// them up otherwise.
func Open(t testing.TB, change ...func(*Setup)) *Fraudcheck {
	t.Helper()
	memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	f := &Fraudcheck{Memory: memory, Log: new(Log)}
	f.Log.Least = -100
	f.Set(0)
	s := Setup{
		Settings: door.Settings{Guard: auth.NewGuard(NewPolicy(t, nil, nil)), TagKey: []byte("a key for the tests"), InFlight: 64, RefusalLines: 1 << 30},
		Now:      func(time.Time) velocity.Time { return f.Now() },
		Address:  func(a netip.Addr) string { return velocity.Network(a).String() },
		log:      f.Log, memory: memory,
	}
	s.Settings.Log = f.Log.Logger()
	s.Store(t, []velocity.Rule{velocity.DefaultRule}, func(local *velocity.Memory) velocity.Store { return local })
	s.Ring = recent.NewRing(recent.RingSettings{Keep: 1000, Rules: 1, Instance: "web-1", Start: f.Now()})
	for _, c := range change {
		c(&s)
	}
	f.Checker = s.Checker
	if f.Metrics = s.Metrics; f.Metrics == nil {
		f.Metrics = operator.NewMetrics(s.Checker.Plan(), nil, operator.Sources{
			Memory: memory.Stats, LogDropped: func() uint64 { return 0 }, DecisionLogDropped: func() uint64 { return 0 }, ClockAhead: func() time.Duration { return 0 },
			Waits: (*turns.Queue)(nil).Waits,
		})
	}
	s.Minutes = recent.NewMinutes(recent.NewTraffic(), f.Metrics.Counts, f.Now())
	s.Watchers = append(s.Watchers, recent.Together(s.Ring, s.Minutes.Traffic).Watch)
	s.Guard.Observe = f.Metrics.Auth
	f.open(t, &s)
	return f
}

func (f *Fraudcheck) open(t testing.TB, s *Setup) {
	t.Helper()
	decided := func(d *velocity.Decision, took time.Duration) {
		s.Minutes.Traffic.Took(took)
		f.Metrics.Decision(d, took)
	}
	settings := func(port string) door.Settings {
		its := s.Settings
		if its.Events.Request == nil {
			its.Events = door.Events{
				Request: f.Metrics.Request, Decision: decided, Outcome: f.Metrics.Outcome, NoIP: f.Metrics.NoIP, PANLike: f.Metrics.PANLike,
				AcceptFailed: func(error) { f.Metrics.AcceptFailed(port) },
				MadeRoom:     func() { f.Metrics.MadeRoom(port) },
			}
		}
		return its
	}
	ofCallers := settings("callers")
	checks := &callers.API{Checker: s.Checker, Now: s.Now, Address: s.Address, AcceptNoIP: s.AcceptNoIP, Events: ofCallers.Events, Watchers: s.Watchers,
		ShortIDs: ShortIDs}
	looks := &operator.API{Checker: s.Checker, Guard: s.Guard, Metrics: f.Metrics, Now: s.Now, Address: s.Address, Profiles: s.Profiles, Peers: s.Peers, Self: s.Self,
		Minutes: s.Minutes, Ring: s.Ring, Instance: "web-1", ShortIDs: ShortIDs, CursorKey: []byte("a key for the tests"), Watchers: s.Watchers}
	f.watchBlocked(s, checks, looks)
	ofOperators := settings("operators")
	ofCallers.Elsewhere, ofCallers.OtherPort = looks.Routes(), "operators' port"
	ofOperators.Elsewhere, ofOperators.OtherPort = checks.Routes(), "callers' port"
	f.CallersDoor = door.New(ofCallers, checks.Routes()...)
	if ofOperators.Ready == nil {
		ofOperators.Ready = f.CallersDoor.IsReady
	}
	operators := door.New(ofOperators, looks.Routes()...)
	f.Metrics.AddRoutes(f.CallersDoor.Paths())
	f.Metrics.AddRoutes(operators.Paths())

	if s.ln == nil {
		s.ln = listen(t)
	}
	f.Callers = serve(s.ln, f.CallersDoor, s.Server)
	f.Operators = serve(listen(t), operators, s.Server)
	t.Cleanup(func() {
		var stopping sync.WaitGroup
		for _, p := range f.Ports() {
			stopping.Go(func() { p.stop(t) })
		}
		stopping.Wait()
	})
}

// watchBlocked has checks tell which addresses are blocked, and operators see them.
func (f *Fraudcheck) watchBlocked(s *Setup, checks *callers.API, looks *operator.API) {
	blocked := recent.NewBlocked(s.Checker)
	f.Metrics.RegisterBlocked(func() int { return blocked.Count(f.Now()) }, blocked.Evicted)
	if s.Firewall.Infrastructure == nil {
		s.Firewall.Infrastructure = func() ([]netip.Prefix, error) { return s.Guard.TrustedProxies(), nil }
	}
	checks.Watchers = append(checks.Watchers, blocked.Watch)
	looks.Blocked, looks.Firewall = blocked, s.Firewall
}

// Ports are both ports by name.
func (f *Fraudcheck) Ports() map[string]*Port {
	return map[string]*Port{"callers": f.Callers, "operators": f.Operators}
}

// Morning is the instance's time when it opens.
var Morning = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// Set moves the instance's time to so long after the morning.
func (f *Fraudcheck) Set(after time.Duration) {
	f.clock.Store(int64(velocity.TimeOf(Morning.Add(after))))
}

// Now is the instance's time.
func (f *Fraudcheck) Now() velocity.Time { return velocity.Time(f.clock.Load()) }

// Routes are all values of the label "route".
func (f *Fraudcheck) Routes(t testing.TB) []string {
	t.Helper()
	families, err := f.Metrics.Registry.Gather()
	require.NoError(t, err)
	var routes []string
	for _, family := range families {
		if family.GetName() != "fraudcheck_http_request_duration_seconds" {
			continue
		}
		for _, m := range family.GetMetric() {
			routes = append(routes, m.GetLabel()[0].GetValue())
		}
	}
	slices.Sort(routes)
	return routes
}
