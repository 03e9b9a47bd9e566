package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// Over TLS as without it: accepted connections are answered, later ones are refused.
func TestAStopLosesNoCallOverTLS(t *testing.T) {
	testbed.SkipShort(t, "loads the program until its drain is over")
	t.Parallel()
	i := newIdentity(t, "first", tomorrow())
	config, _ := withTLS(t, i)
	p := start(t, config+loadedDrain)
	client := clientTrusting(t, i)
	var answered atomic.Int64
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			pace := time.NewTicker(drainPace)
			defer pace.Stop()
			for range pace.C {
				r, err := http.NewRequest("POST", "https://"+p.addr+"/v1/check", io.NopCloser(strings.NewReader(attempt("203.0.113.7", "4242"))))
				if !assert.NoError(t, err) {
					return
				}
				r.SetBasicAuth("checkout", password)
				response, err := client.Do(r)
				if errors.Is(err, syscall.ECONNREFUSED) {
					return
				}
				if !assert.NoError(t, err) {
					return
				}
				a, err := readAnswer(response)
				if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, a.status, a.body) {
					return
				}
				if answered.Add(1) == 100 {
					assert.NoError(t, p.Signal(syscall.SIGTERM))
				}
			}
		})
	}
	callers.Wait()
	require.GreaterOrEqual(t, answered.Load(), int64(100))
	code, _ := p.exitCode(t)
	assert.Zero(t, code)
}
