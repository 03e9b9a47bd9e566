package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/testbed"
)

// Once a change is answered it holds at every instance. Two instances that both block a
// hundred addresses from their copies let each go: by forgetting it, or by an override.
// The attack goes on meanwhile, on some from those very addresses. The next check at
// either instance is not blocked, or the answer has named what blocks it.
func TestAChangeThatIsAnsweredHoldsAtEveryInstance(t *testing.T) {
	t.Parallel()
	instances := startSharing(t, testbed.StartMemcached(t).Addr, 2)
	for _, p := range instances {
		p.shared(t)
	}
	const addresses = 100
	ip := func(n int) string { return fmt.Sprintf("203.0.113.%d", n+1) }
	each := func(do func(n int)) {
		var all sync.WaitGroup
		for n := range addresses {
			all.Go(func() { do(n) })
		}
		all.Wait()
	}
	var card atomic.Int64
	var mu sync.Mutex
	var shown [addresses][]time.Time // when attempts were answered
	show := func(p *program, n int) answer {
		a, err := p.try(p.addr, "POST", "/v1/check", attempt(ip(n), fmt.Sprintf("%04d", card.Add(1)%10_000)))
		mu.Lock()
		shown[n] = append(shown[n], time.Now())
		mu.Unlock()
		assert.NoError(t, err)
		assert.Equal(t, http.StatusOK, a.status, a.body)
		assert.False(t, a.Degraded)
		return a
	}
	each(func(n int) {
		for range 6 {
			show(instances[0], n)
		}
		for _, p := range instances {
			assert.Equal(t, "block", show(p, n).Decision)
		}
	})

	// Of three addresses one is forgotten, and shows nothing until that is answered; one is
	// forgotten while it goes on; one gets an override while it goes on.
	const quiet, forgotten, overridden = 0, 1, 2
	stop := make(chan struct{})
	var attack sync.WaitGroup
	defer attack.Wait()
	defer sync.OnceFunc(func() { close(stop) })()
	for _, p := range instances {
		for w := range 2 {
			attack.Go(func() {
				for n := w; ; n += 2 {
					select {
					case <-stop:
						return
					default:
					}
					if n%addresses%3 != quiet {
						show(p, n%addresses)
					}
				}
			})
		}
	}
	each(func(n int) {
		began := time.Now()
		// Not before then the answer looks at what would still block.
		looks := began.Add(900 * time.Millisecond)
		after := func() (attempts int) {
			mu.Lock()
			defer mu.Unlock()
			for _, at := range shown[n] {
				if at.After(looks) {
					attempts++
				}
			}
			return attempts
		}
		var a answer
		var err error
		if n%3 == overridden {
			a, err = instances[n%2].try(instances[n%2].operators, "PUT", "/v1/addresses/"+ip(n)+"/override",
				`{"decision":"allow","for":"1h","reason":"a shop of ours"}`, "Authorization", basic("desk", analystPassword), "Content-Type", "application/json")
		} else {
			a, err = instances[n%2].try(instances[n%2].operators, "DELETE", "/v1/addresses/"+ip(n), "", "Authorization", basic("desk", analystPassword))
		}
		assert.NoError(t, err)
		if !assert.Equal(t, http.StatusOK, a.status, a.body) {
			return
		}
		assert.Greater(t, time.Since(began), 900*time.Millisecond, "as long as a local answer may run")
		for i, p := range slices.Backward(instances) {
			next := show(p, n)
			switch n % 3 {
			case quiet:
				assert.NotEqual(t, "block", next.Decision, "%s at instance %d: %s", ip(n), i, a.body)
				assert.Contains(t, a.body, `"still_blocked_by":[]`)
			case forgotten:
				// Cards that are shown after the answer has looked may block again.
				named := strings.Contains(a.body, `"still_blocked_by":["cards_per_ip"]`)
				more := after() > len(instances)-i
				assert.True(t, named || more || next.Decision != "block", "%s at instance %d: %s", ip(n), i, a.body)
			case overridden:
				assert.Equal(t, "allow", next.Decision, "%s at instance %d", ip(n), i)
			}
		}
	})
}
