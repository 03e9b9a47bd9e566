package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A streamed is an event of a stream of decisions.
type streamed struct {
	Name, Instance, IP string
	Unreachable        []string
}

// streams follows the decisions of the instance. It returns once the stream has begun.
func (p *program) streams(t *testing.T, query string) <-chan streamed {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+p.operators+"/v1/decisions/stream"+query, nil)
	require.NoError(t, err)
	r.SetBasicAuth("checkout", password)
	response, err := new(http.Client).Do(r)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	t.Cleanup(func() { _ = response.Body.Close() })
	events, begun := make(chan streamed, 1000), make(chan struct{})
	go func() {
		defer close(events)
		var e streamed
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
			case "event":
				e.Name = value
			case "data":
				_ = json.Unmarshal([]byte(value), &e)
			case "":
				switch {
				case e.Name != "":
					events <- e
				case value == "decisions":
					close(begun)
				}
				e = streamed{}
			}
		}
	}()
	select {
	case <-begun:
	case <-time.After(prompt):
		require.Fail(t, "no stream has begun")
	}
	return events
}

// next returns the next event.
func next(t *testing.T, events <-chan streamed) (e streamed) {
	t.Helper()
	select {
	case e, open := <-events:
		require.True(t, open, "the stream has ended")
		return e
	case <-time.After(prompt):
		require.Fail(t, "no event came")
	}
	return e
}

func TestAStreamHasTheDecisionsOfThreeInstances(t *testing.T) {
	configs, ports := among(t, 3, "", "")
	var instances []*program
	for i, c := range configs {
		instances = append(instances, start(t, c, "--operator-listen", ports[i]))
	}
	first, third := instances[0].streams(t, ""), instances[2].streams(t, "")
	again, this := instances[0].streams(t, "?ip=203.0.113.3"), instances[0].streams(t, "?scope=this")
	checked := 0
	check := func(at int) streamed {
		checked++
		ip := fmt.Sprintf("203.0.113.%d", checked)
		require.Equal(t, 200, instances[at].send(t, "POST", "/v1/check", attempt(ip, "4242")).status)
		return streamed{Name: "decision", Instance: fmt.Sprintf("web-%d", at+1), IP: ip}
	}
	for at := range 3 {
		want := check(at)
		assert.Equal(t, want, next(t, first))
		assert.Equal(t, want, next(t, third))
		if at == 0 {
			assert.Equal(t, want, next(t, this))
		}
		if want.IP == "203.0.113.3" {
			assert.Equal(t, want, next(t, again))
		}
	}

	// One that hangs is named, and what it decided meanwhile comes once it answers.
	instances[2].signal(t, syscall.SIGSTOP)
	assert.Equal(t, streamed{Name: "unreachable", Unreachable: ports[2:]}, next(t, first))
	assert.Equal(t, check(1), next(t, first), "the others are followed")
	instances[2].signal(t, syscall.SIGCONT)
	assert.Equal(t, streamed{Name: "unreachable", Unreachable: []string{}}, next(t, first))
	assert.Equal(t, check(2), next(t, first))

	instances[2].signal(t, syscall.SIGKILL)
	assert.Equal(t, streamed{Name: "unreachable", Unreachable: ports[2:]}, next(t, first))
	instances[0].await(t, instances[0].stderr, `WARNING .*A peer is missing in answers to operators: `+ports[2]+` cannot be connected to`)
	instances[2] = start(t, configs[2], "--operator-listen", ports[2])
	assert.Equal(t, streamed{Name: "unreachable", Unreachable: []string{}}, next(t, first), "a new run is followed")
	want := check(2)
	assert.Equal(t, want, next(t, first))
	assert.Empty(t, this)
	instances[0].await(t, instances[0].stderr, `INFO .*A peer answers again: `+ports[2])
	for _, p := range instances {
		assert.NotContains(t, p.stderr.String(), "Fraudcheck-Peer")
	}
}
