package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProfilesAreForOperatorsWhereTheyAreSwitchedOn(t *testing.T) {
	t.Parallel()
	users := strings.Replace(guarded, "users: [", "users: [{username: boss, roles: [operator], password: "+password+"}, {username: ana, roles: [analyst], password: "+password+"}, ", 1)
	on, off := start(t, users+"debug: {pprof: true}\n"), start(t, users)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=1", "/debug/pprof/profile?seconds=1", "/debug/pprof/cmdline"} {
		ask := func(p *program, port, user string) answer {
			a, err := p.try(port, "GET", path, "", "Authorization", user)
			require.NoError(t, err)
			return a
		}
		a := ask(on, on.operators, basic("boss", password))
		assert.Equal(t, http.StatusOK, a.status, path)
		assert.NotEmpty(t, a.body)
		assert.Equal(t, "403 role_missing", problemOf(ask(on, on.operators, basic("ana", password))))
		assert.Equal(t, "401 authorization_missing", problemOf(ask(on, on.operators, "")))
		assert.Equal(t, "404 not_found", problemOf(ask(on, on.addr, basic("boss", password))))
		assert.Equal(t, "404 not_found", problemOf(ask(off, off.operators, basic("boss", password))))
	}
	a, err := on.try(on.operators, "GET", "/debug/pprof/nosuch", "", "Authorization", basic("boss", password))
	require.NoError(t, err)
	assert.Equal(t, "404 not_found", problemOf(a))
	a, err = on.try(on.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	assert.Contains(t, a.body, `fraudcheck_http_requests_total{code="200",route="/debug/pprof/{profile}"} 4`)
}
