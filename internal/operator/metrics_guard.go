package operator

import (
	"github.com/prometheus/client_golang/prometheus"

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

// suspected counts a check whose address is suspect, unless a list or an override decided: then
// somebody knows the address.
func (m *Metrics) suspected(d *velocity.Decision) {
	if d.Suspect != velocity.NotSuspect && !d.Settled {
		m.suspect[d.Suspect].Inc()
	}
}
