package operator

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/build"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
)

// Metrics are all metrics of the program. The series of every closed set of labels are
// made at the start, so that rates see zeros and a check looks nothing up under a lock.
// Labels come from the source or the configuration, never from a request: a flood of
// unknown paths or users makes no series. A new metric is a field here and a line in one
// of the register methods.
type Metrics struct {
	Registry *prometheus.Registry

	checks   [3]prometheus.Counter                           // by velocity.Outcome
	degraded struct{ store, wait, clock prometheus.Counter } // by reason
	duration *notedDurations
	outcomes *prometheus.CounterVec
	plan     atomic.Pointer[planMetrics]   // of the plan of the last decision
	panLike  prometheus.Counter            // requests with a value like a card number
	noIP     map[string]prometheus.Counter // by reason
	later    prometheus.Counter            // checks without a card that nothing bounds
	issuer   map[velocity.IssuerAnswer]prometheus.Counter
	suspect  []prometheus.Counter // by velocity.Suspicion; the first is nil

	requests  *prometheus.CounterVec
	routes    map[string]*routeMetrics
	durations *durations

	acceptErrors  map[string]prometheus.Counter // by door
	closedForRoom map[string]prometheus.Counter // by door
	tlsFailures   *prometheus.CounterVec        // by door and reason

	operations        map[opResult]prometheus.Counter
	operationDuration map[string]*notedDurations
	storeUp           map[string]prometheus.Gauge // by server

	auth    *prometheus.CounterVec
	authOK  []schemeCounter
	reloads *prometheus.CounterVec // by result
}

// A schemeCounter counts the successful authentications of a scheme, the usual result,
// without the look-up by labels.
type schemeCounter struct {
	scheme string
	ok     prometheus.Counter
}

// An opResult is the labels of one counter of store operations.
type opResult struct {
	op     string
	result memcached.Result
}

// routeMetrics are those of one route. The counters are by status; those of statuses that
// the program does not answer with are nil.
type routeMetrics struct {
	by       [600]prometheus.Counter
	duration *notedDurations
}

// planMetrics are the counters of a plan's rules, in configuration order. They are made
// once for each plan, so that a decision finds its counters by position.
type planMetrics struct {
	plan  *velocity.Plan
	rules []ruleMetrics
}

// ruleMetrics are the counters of one rule.
type ruleMetrics struct {
	name    string
	by      [3]prometheus.Counter // by velocity.Outcome
	skipped prometheus.Counter
}

// Sources are what the metrics read at each scrape. None may be nil, and each must be
// safe for concurrent use.
type Sources struct {
	Memory     func() velocity.MemoryStats
	LogDropped func() uint64        // lines, since the start
	ClockAhead func() time.Duration // of the machine's clock before the instance's
	Waits      func() turns.Waits   // of checks for their turns

	DecisionLogDropped func() uint64 // events without a line, since the start
}

// bucketBounds are the bounds of the classic histograms, in seconds: 0.25 ms to 1 s. A
// native histogram stands beside them, for a Prometheus that scrapes those.
var bucketBounds = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1}

// NewMetrics makes the metrics for this plan and these memcached servers, named as in the
// configuration; none with the embedded store, which has no metrics of operations.
// AddRoutes is called before they are used.
func NewMetrics(plan *velocity.Plan, servers []string, from Sources) *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry()}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registerChecks(plan)
	m.registerGuard()
	m.registerRequests()
	m.registerConnections()
	m.registerStore(servers)
	m.registerAuth()
	m.reloads = m.counters("fraudcheck_config_reloads_total", "Reloads of the configuration, by how they ended.", "result")
	for _, result := range []string{"ok", "error"} {
		m.reloads.WithLabelValues(result)
	}
	m.registerSources(from)
	return m
}

// registerChecks makes the metrics of checks and rules.
func (m *Metrics) registerChecks(plan *velocity.Plan) {
	checks := m.counters("fraudcheck_checks_total", "Checks answered, by decision.", "decision")
	for o := range m.checks {
		m.checks[o] = checks.WithLabelValues(velocity.Outcome(o).String())
	}
	degraded := m.counters("fraudcheck_degraded_checks_total", "Checks that rest on this instance's own knowledge: the shared store did not answer in time, there was no turn in time to ask it, or the clock is off.", "reason")
	m.degraded.store, m.degraded.wait, m.degraded.clock = degraded.WithLabelValues("store"), degraded.WithLabelValues("wait"), degraded.WithLabelValues("clock")
	m.panLike = m.counters("fraudcheck_pan_like_input_total", "Requests with a field that looks like a whole card number: refused, or where it may be an order's number, taken.").WithLabelValues()
	noIP := m.counters("fraudcheck_checks_without_ip_total", "Checks without a shopper's IP address, by the reason that the caller gave.", "reason")
	m.noIP = make(map[string]prometheus.Counter)
	for _, reason := range velocity.NoIPReasons {
		m.noIP[reason] = noIP.WithLabelValues(reason)
	}
	m.later = m.counters("fraudcheck_unbounded_later_total", "Checks without a card that no enforced rule on attempts bounds: any number pass before their cards are told.").WithLabelValues()
	issuer := m.counters("fraudcheck_outcomes_total", "Outcomes taken, by what the issuer answered and, of declines, why; late: too old to count.", "outcome", "reason")
	m.issuer = make(map[velocity.IssuerAnswer]prometheus.Counter)
	for _, a := range append(velocity.IssuerAnswers[:len(velocity.IssuerAnswers):len(velocity.IssuerAnswers)], velocity.LateAnswer) {
		m.issuer[a] = issuer.WithLabelValues(a.Outcome, a.Reason)
	}
	m.duration = m.histograms("fraudcheck_check_duration_seconds", "Time from a check read to its decision.").of()
	m.outcomes = m.counters("fraudcheck_rule_outcomes_total", "What each rule said; skipped: the attempt lacked its subject.", "rule", "outcome", "mode")
	m.planCounters(plan)
}

// AddPlan makes the series of the plan's rules, at zero where there are none yet: a
// reload calls it before it puts the plan in force.
func (m *Metrics) AddPlan(plan *velocity.Plan) { m.planCounters(plan) }

// planCounters makes the counters of a plan and keeps them as those of the last plan.
func (m *Metrics) planCounters(plan *velocity.Plan) *planMetrics {
	p := &planMetrics{plan: plan}
	for _, r := range plan.Rules() {
		of := ruleMetrics{name: r.Name, skipped: m.outcomes.WithLabelValues(r.Name, "skipped", string(r.Mode))}
		for o := range of.by {
			of.by[o] = m.outcomes.WithLabelValues(r.Name, velocity.Outcome(o).String(), string(r.Mode))
		}
		p.rules = append(p.rules, of)
	}
	m.plan.Store(p)
	return p
}

// registerRequests makes the metrics of requests; their series come with AddRoutes. The
// route "none" stands for paths that are not there.
func (m *Metrics) registerRequests() {
	m.requests = m.counters("fraudcheck_http_requests_total", "Requests answered, by route and status.", "route", "code")
	m.durations = m.histograms("fraudcheck_http_request_duration_seconds", "Time from a request read to its answer made.", "route")
	m.routes = make(map[string]*routeMetrics)
	m.AddRoutes([]string{"none"})
}

// AddRoutes makes the metrics of these routes, by their paths as in the routes' tables,
// for every status that the program answers with. It is called before any is used.
func (m *Metrics) AddRoutes(paths []string) {
	for _, route := range paths {
		of := &routeMetrics{duration: m.durations.of(route)}
		for _, status := range []int{200, 202, 204, 400, 401, 403, 404, 405, 408, 413, 415, 417, 429, 431, 500, 501, 503, 505} {
			of.by[status] = m.requests.WithLabelValues(route, strconv.Itoa(status))
		}
		m.routes[route] = of
	}
}

// registerConnections makes the metrics of connections, by door.
func (m *Metrics) registerConnections() {
	failed := m.counters("fraudcheck_accept_errors_total", "Accepts that failed and were tried again, by door.", "door")
	closed := m.counters("fraudcheck_connections_closed_for_room_total", "Connections closed because limits.connections was reached, by door.", "door")
	m.acceptErrors, m.closedForRoom = make(map[string]prometheus.Counter), make(map[string]prometheus.Counter)
	for _, door := range []string{"callers", "operators"} {
		m.acceptErrors[door], m.closedForRoom[door] = failed.WithLabelValues(door), closed.WithLabelValues(door)
	}
}

// AcceptFailed counts an accept that failed at the door "callers" or "operators".
func (m *Metrics) AcceptFailed(door string) { m.acceptErrors[door].Inc() }

// MadeRoom counts a connection that was closed at that door because there were too
// many.
func (m *Metrics) MadeRoom(door string) { m.closedForRoom[door].Inc() }

// RegisterTLS makes the metrics of TLS, which there are only where the ports speak it:
// reasons are those of handshakes that fail, and expiry returns when the certificate in
// force runs out. It is called before they are used.
func (m *Metrics) RegisterTLS(reasons []string, expiry func() time.Time) {
	m.tlsFailures = m.counters("fraudcheck_tls_failures_total", "TLS handshakes that failed, by door and why.", "door", "reason")
	for _, door := range []string{"callers", "operators"} {
		for _, reason := range reasons {
			m.tlsFailures.WithLabelValues(door, reason)
		}
	}
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fraudcheck_tls_certificate_expiry_timestamp_seconds", Help: "When the certificate that both ports show runs out.",
	}, func() float64 { return float64(expiry().Unix()) }))
}

// TLSFailed counts a TLS handshake that failed at that door, for one of the reasons of
// RegisterTLS.
func (m *Metrics) TLSFailed(door, reason string) { m.tlsFailures.WithLabelValues(door, reason).Inc() }

// registerAuth makes a series for each result that a scheme can have.
func (m *Metrics) registerAuth() {
	m.auth = m.counters("fraudcheck_auth_total", "Authentications, by scheme and how they ended; ok_local: without the store, which did not answer.", "scheme", "result")
	for _, o := range auth.AllOutcomes() {
		for _, result := range o.Results {
			if counter := m.auth.WithLabelValues(o.Scheme, result); result == "ok" {
				m.authOK = append(m.authOK, schemeCounter{o.Scheme, counter})
			}
		}
	}
}

// registerStore makes the metrics of memcached: operations, their time, and which servers
// answer.
func (m *Metrics) registerStore(servers []string) {
	if len(servers) == 0 {
		return
	}
	operations := m.counters("fraudcheck_store_operations_total", "Operations on memcached, by how they ended.", "op", "result")
	durations := m.histograms("fraudcheck_store_operation_duration_seconds", "Time of an operation on memcached.", "op")
	m.operations = make(map[opResult]prometheus.Counter)
	m.operationDuration = make(map[string]*notedDurations)
	for _, op := range memcached.Ops {
		m.operationDuration[op] = durations.of(op)
		for _, result := range memcached.Results {
			m.operations[opResult{op, result}] = operations.WithLabelValues(op, string(result))
		}
	}
	up := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "fraudcheck_store_up", Help: "Whether the last operation on the server was answered; it is asked at the start."}, []string{"server"})
	m.Registry.MustRegister(up)
	m.storeUp = make(map[string]prometheus.Gauge)
	for _, s := range servers {
		m.storeUp[s] = up.WithLabelValues(s)
	}
}

// registerSources makes the metrics that are read at each scrape.
func (m *Metrics) registerSources(from Sources) {
	counter := func(name, help string, value func() float64) {
		m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	gauge := func(name, help string, value func() float64, labels prometheus.Labels) {
		m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	counter("fraudcheck_store_evicted_in_window_total", "Records forgotten inside their window, because store.memory.max_bytes was reached.",
		func() float64 { return float64(from.Memory().EvictedInWindow) })
	gauge("fraudcheck_memory_records", "Records in memory: those of the embedded store, or this instance's copies of those in memcached.",
		func() float64 { return float64(from.Memory().Records) }, nil)
	gauge("fraudcheck_memory_bytes", "Memory taken from the system for them, of store.memory.max_bytes.",
		func() float64 { return float64(from.Memory().Bytes) }, nil)
	counter("fraudcheck_log_dropped_total", "Log lines dropped because nobody took them in time.",
		func() float64 { return float64(from.LogDropped()) })
	counter("fraudcheck_decision_log_dropped_total", "Checks and outcomes that the decision log has no line for: its queue was full, or it could not be written.",
		func() float64 { return float64(from.DecisionLogDropped()) })
	gauge("fraudcheck_clock_ahead_seconds", "How far the machine's clock is ahead of the one that windows go by.",
		func() float64 { return from.ClockAhead().Seconds() }, nil)
	gauge("fraudcheck_checks_waiting", "Checks that wait for their turn to ask the shared store.",
		func() float64 { return float64(from.Waits().Waiting) }, nil)
	m.Registry.MustRegister(waitCollector(from.Waits))
	built := prometheus.Labels{"version": "unknown", "goversion": "unknown"}
	if info, ok := build.Info(); ok {
		built["version"], built["goversion"] = info.Main.Version, info.GoVersion
	}
	gauge("fraudcheck_build_info", "What is running; always 1.", func() float64 { return 1 }, built)
}

// RegisterBlocked makes the metrics of blocked addresses. Both functions are called at each
// scrape: how many are blocked now, and how many left the list of them since the start,
// while they were blocked, because there were too many.
func (m *Metrics) RegisterBlocked(blocked func() int, evicted func() uint64) {
	m.Registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fraudcheck_blocked_addresses", Help: "IP addresses, IPv6 networks for such, that are blocked now and were seen trying at this instance."},
			func() float64 { return float64(blocked()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "fraudcheck_blocked_addresses_evicted_total", Help: "Blocked IP addresses, untried longest, that are not listed any more because there are more than 100,000."},
			func() float64 { return float64(evicted()) }))
}

// counters registers counters with these labels.
func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.Registry.MustRegister(v)
	return v
}

// histograms registers histograms with these labels, classic and native at once. A native
// one keeps at most 100 buckets and is reset at most once an hour.
func (m *Metrics) histograms(name, help string, labels ...string) *durations {
	d := &durations{HistogramVec: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: bucketBounds,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}, labels)}
	m.Registry.MustRegister(d)
	return d
}

// Request counts an answer of either port. took is the time from the request read to its
// answer made. A status that AddRoutes does not know gets its series here.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	of := m.routes[route]
	if of == nil || status >= len(of.by) || of.by[status] == nil {
		m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	} else {
		of.by[status].Inc()
	}
	if of != nil {
		of.duration.observe(took)
	}
}

// Decision counts a check and what each rule said of it; it allocates nothing. took is
// the time from the request read to the decision.
func (m *Metrics) Decision(d *velocity.Decision, took time.Duration) {
	m.checks[d.Outcome].Inc()
	m.duration.observe(took)
	switch {
	case d.StoreFailed:
		m.degraded.store.Inc()
	case d.ClockOff:
		m.degraded.clock.Inc()
	case d.Degraded:
		m.degraded.wait.Inc()
	}
	if d.UnboundedLater {
		m.later.Inc()
	}
	m.suspected(d)
	// A decision that began before a reload belongs to the plan before: its counters are
	// made again, which is rare.
	p := m.plan.Load()
	if p.plan != d.Plan {
		p = m.planCounters(d.Plan)
	}
	answered := d.Rules // in configuration order too, those left out aside
	for i := range p.rules {
		if len(answered) == 0 || answered[0].Rule.Name != p.rules[i].name {
			p.rules[i].skipped.Inc()
			continue
		}
		p.rules[i].by[answered[0].Outcome].Inc()
		answered = answered[1:]
	}
}

// Outcome counts an issuer's answer: one of velocity.IssuerAnswers, or velocity.LateAnswer.
func (m *Metrics) Outcome(a velocity.IssuerAnswer) { m.issuer[a].Inc() }

// NoIP counts a check without an IP address, for one of velocity.NoIPReasons.
func (m *Metrics) NoIP(reason string) { m.noIP[reason].Inc() }

// PANLike counts a request in which a value looks like a card number.
func (m *Metrics) PANLike() { m.panLike.Inc() }

// Auth counts an authentication by scheme and result: see auth.AllOutcomes.
func (m *Metrics) Auth(scheme, result string) {
	for i := range m.authOK {
		if result == "ok" && m.authOK[i].scheme == scheme {
			m.authOK[i].ok.Inc()
			return
		}
	}
	m.auth.WithLabelValues(scheme, result).Inc()
}

// Reload counts a reload of the configuration: ok or error.
func (m *Metrics) Reload(result string) { m.reloads.WithLabelValues(result).Inc() }

// Operation counts an operation on a memcached, and notes whether the server answered.
// server is named as in NewMetrics; op and result are of memcached.Ops and
// memcached.Results.
func (m *Metrics) Operation(server, op string, result memcached.Result, took time.Duration) {
	m.operations[opResult{op, result}].Inc()
	m.operationDuration[op].observe(took)
	up := 1.0
	if result == memcached.Timeout || result == memcached.Failed {
		up = 0
	}
	m.storeUp[server].Set(up)
}
