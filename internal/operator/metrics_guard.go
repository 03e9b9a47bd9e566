package operator

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// registerGuard makes the metrics of the collapse guard.
func (m *Metrics) registerGuard() {
	suspect := m.counters("fraudcheck_suspect_subject_total", "Checks with an IP address that is hardly a shopper's, so that no rule on it blocks, by why.", "kind")
	m.suspect = make([]prometheus.Counter, 1, 1+len(velocity.Suspicions()))
	for _, kind := range velocity.Suspicions() {
		m.suspect = append(m.suspect, suspect.WithLabelValues(kind))
	}
}

// RegisterTraffic makes the metrics of the last ten minutes' checks: the largest share of one
// address, 0 for too few checks, and estimates of how many different addresses and cards came.
// It is called before the metrics are used.
func (m *Metrics) RegisterTraffic(topShare, addresses, cards func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fraudcheck_top_subject_share", Help: "Largest share of one IP address in the checks of the last ten minutes, 0 to 1; 0 for fewer than 200 checks.",
	}, topShare))
	for what, distinct := range map[string]func() float64{"addresses": addresses, "cards": cards} {
		m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fraudcheck_recent_distinct", Help: "Different IP addresses and cards in the checks of the last ten minutes, estimated within 3 %.",
			ConstLabels: prometheus.Labels{"what": what},
		}, distinct))
	}
}

// suspected counts a check whose address is suspect, unless a list or an override decided: then
// somebody knows the address.
func (m *Metrics) suspected(d *velocity.Decision) {
	if d.Suspect != velocity.NotSuspect && !d.Settled {
		m.suspect[d.Suspect].Inc()
	}
}

// Counts returns what was decided since the start, and what each rule of the plan in force
// said, for [recent.Minutes].
func (m *Metrics) Counts() recent.Counts {
	all := recent.Counts{Degraded: total(m.degraded.store) + total(m.degraded.wait) + total(m.degraded.clock)}
	for o := range m.checks {
		all.By[o] = total(m.checks[o])
	}
	p := m.plan.Load()
	for i, rule := range p.plan.Rules() {
		of := &p.rules[i]
		r := recent.RuleCounts{RuleKey: recent.RuleKey{Name: rule.Name, Mode: rule.Mode}, Skipped: total(of.skipped)}
		for o := range of.by {
			r.By[o] = total(of.by[o])
		}
		all.Rules = append(all.Rules, r)
	}
	return all
}

func total(c prometheus.Counter) uint64 {
	var is dto.Metric
	if c.Write(&is) != nil {
		return 0 // no counter of the library fails
	}
	return uint64(is.GetCounter().GetValue())
}
