package operator_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
)

// Everybody may scrape, so a crowd that does must cost the checks nothing.
func TestScrapesThatComeTogetherShareOneLook(t *testing.T) {
	d := open(t, nil)
	var looks, happened atomic.Int64
	d.metrics.Registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "looks"}, func() float64 { return float64(looks.Add(1)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "happened"}, func() float64 { return float64(happened.Load()) }))
	const crowd, each = 20, 5
	began := time.Now()
	var all sync.WaitGroup
	for range crowd {
		l := d.Dial(t)
		all.Go(func() {
			for range each {
				before := happened.Add(1)
				a := l.Ask(doortest.Raw("GET /metrics", ""))
				assert.Equal(t, 200, a.Status)
				_, value, _ := strings.Cut(a.Body, "\nhappened ")
				seen := int64(0)
				_, err := fmt.Sscan(value, &seen)
				assert.NoError(t, err)
				assert.GreaterOrEqual(t, seen, before, "it sees what happened before it came")
			}
		})
	}
	all.Wait()
	require.Positive(t, looks.Load())
	assert.LessOrEqual(t, looks.Load(), 2+int64(time.Since(began)/(100*time.Millisecond)))
}

func TestScrapesThatAskForSomethingElseGetIt(t *testing.T) {
	d := open(t, nil)
	var all sync.WaitGroup
	for _, tt := range []struct{ query, header, contentType, encoding string }{
		{"", "Accept: text/plain", "text/plain", ""},
		{"", "Accept-Encoding: gzip", "text/plain", "gzip"},
		{"", "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "application/vnd.google.protobuf", ""},
		{"?name%5B%5D=go_goroutines", "Accept: text/plain", "text/plain", ""},
	} {
		l := d.Dial(t)
		all.Go(func() {
			a := l.Ask(doortest.Raw("GET /metrics"+tt.query, "", tt.header))
			assert.Equal(t, 200, a.Status)
			assert.Contains(t, a.Header.Get("Content-Type"), tt.contentType)
			assert.Equal(t, tt.encoding, a.Header.Get("Content-Encoding"))
			if tt.query != "" {
				assert.NotContains(t, a.Body, "fraudcheck_checks_total")
			}
		})
	}
	all.Wait()
}
