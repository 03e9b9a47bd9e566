package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An operator sees who is logged in, and ends a login that is not its own.
func TestAnOperatorListsAndEndsLogins(t *testing.T) {
	folder := t.TempDir()
	p := start(t, strings.Replace(guarded, "}]}", ", roles: [operator]}]}", 1)+"decision_log: {path: "+folder+"}\n")
	l, other := login(t, p, p.addr), login(t, p, p.operators)
	require.Equal(t, http.StatusOK, l.byToken(p, "GET", "/v1/me", "").status)
	tags := map[string]string{}
	list := func() (ids map[string]string) {
		a, err := p.try(p.operators, "GET", "/v1/logins", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, a.status, a.body)
		var said struct {
			Logins []struct {
				ID, Username, From, Tag string
				Since, Until            time.Time
				LastUsed                time.Time `json:"last_used"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(a.body), &said))
		ids = map[string]string{}
		for _, login := range said.Logins {
			ids[login.ID], tags[login.ID] = login.Username, login.Tag
			assert.Equal(t, "127.0.0.1", login.From)
			p.await(t, p.stderr, `\[127\.0\.0\.1-`+regexp.QuoteMeta(login.Tag)+`\] +POST /v1/login\n`) // its log lines are found
			assert.WithinDuration(t, time.Now(), login.Since, time.Minute)
			assert.False(t, login.LastUsed.Before(login.Since))
			assert.Equal(t, 24*time.Hour, login.Until.Sub(login.Since))
		}
		return ids
	}
	ids := list()
	require.Len(t, ids, 2)
	a, err := p.try(p.operators, "GET", "/v1/logins?user=x", "")
	require.NoError(t, err)
	assert.Equal(t, "400 field_unknown", problemOf(a))
	for id, user := range ids {
		assert.Equal(t, "checkout", user)
		a, err := p.try(p.operators, "DELETE", "/v1/logins/"+id, "")
		require.NoError(t, err)
		assert.Equal(t, http.StatusNoContent, a.status, a.body)
		a, err = p.try(p.operators, "DELETE", "/v1/logins/"+id, "")
		require.NoError(t, err)
		assert.Equal(t, "404 not_found", problemOf(a), "it has ended")
		p.await(t, p.stderr, `INFO .*Audit: end login `+id+` of checkout by=checkout request=`)
		line := awaitDecisions(t, folder, 1)[0]
		assert.Equal(t, []string{"login_ended", tags[id], "checkout"}, []string{line.Kind, line.What, line.Caller})
		assert.NotContains(t, line.text, id)
		break
	}
	assert.Len(t, list(), 1)
	in := 0
	for _, each := range []*loggedIn{l, other} {
		if each.byToken(p, "GET", "/v1/me", "").status == http.StatusOK {
			in++
		}
	}
	assert.Equal(t, 1, in, "the other one goes on")
	for _, id := range []string{"x", "AAAAAAAAAAAAAAAAAAAAAA", "%20"} {
		a, err := p.try(p.operators, "DELETE", "/v1/logins/"+id, "")
		require.NoError(t, err)
		assert.Equal(t, "404 not_found", problemOf(a), id)
	}
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	require.Zero(t, code)
	assert.Len(t, decisionsIn(t, folder), 2, "the end of the login and of the run: what was refused is no change")
}
