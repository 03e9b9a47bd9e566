package operator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/operator"
)

func TestInstancesShowWhatTheyMustHaveAlike(t *testing.T) {
	alike, _ := answering(t, "web-2", `{"instances":[{"id":"web-2","peer":null,"reachable":true,"version":"fraudcheck 1","since":"2026-11-28T13:00:00.000Z","time":"2026-11-28T13:05:00.000Z","store":"memcached","rules":"aaaaaaaa","lists":"bbbbbbbb","hash_key":"AAAAAAAA","hash_key_previous":"BBBBBBBB","mood":"good"}],"unreachable":[]}`)
	lies, _ := answering(t, "web-3", `{"instances":[{"id":"web-1","peer":"x","reachable":false,"why":"tired"}]}`)
	crowd, _ := answering(t, "web-4", `{"instances":[{},{}]}`)
	d := openAmong(t, []string{alike, lies, crowd, "127.0.0.1:1"})
	a := d.anonymous(t, "GET", "/v1/instances", "", doortest.AsOperator)
	require.Equal(t, 200, a.Status, a.Body)
	assert.Equal(t, []any{crowd, "127.0.0.1:1"}, a.JSON["unreachable"])
	all := a.JSON["instances"].([]any)
	require.Len(t, all, 5)
	nothing := map[string]any{"id": nil, "peer": nil, "reachable": false, "why": nil, "version": nil, "since": nil, "time": nil,
		"store": nil, "rules": nil, "lists": nil, "hash_key": nil, "hash_key_previous": nil}
	with := func(members map[string]any) map[string]any {
		for name, value := range nothing {
			if _, set := members[name]; !set {
				members[name] = value
			}
		}
		return members
	}
	assert.Equal(t, with(map[string]any{"id": "web-2", "peer": alike, "reachable": true, "version": "fraudcheck 1", "since": "2026-11-28T13:00:00.000Z",
		"time": "2026-11-28T13:05:00.000Z", "store": "memcached", "rules": "aaaaaaaa", "lists": "bbbbbbbb", "hash_key": "AAAAAAAA", "hash_key_previous": "BBBBBBBB"}), all[1])
	assert.Equal(t, with(map[string]any{"id": "web-3", "peer": lies, "reachable": true}), all[2])
	assert.Equal(t, with(map[string]any{"peer": crowd, "why": "answers in another form than this version reads"}), all[3])
	assert.Equal(t, with(map[string]any{"peer": "127.0.0.1:1", "why": "cannot be connected to: connection refused"}), all[4])
}

func TestAnInstanceTellsOfItself(t *testing.T) {
	since := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	d := open(t, nil, func(s *doortest.Setup) {
		s.Self = operator.Self{Version: "fraudcheck 2", Since: since, Store: "memory", HashKey: "AAAAAAAA"}
	})
	a := d.anonymous(t, "GET", "/v1/instances?scope=this", "", doortest.AsOperator)
	require.Equal(t, 200, a.Status, a.Body)
	self := a.JSON["instances"].([]any)[0].(map[string]any)
	now, err := time.Parse(time.RFC3339, self["time"].(string))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), now, time.Minute)
	rules, lists := d.checker.Plan().IDs()
	delete(self, "time")
	assert.Equal(t, map[string]any{"id": "web-1", "peer": nil, "reachable": true, "why": nil, "version": "fraudcheck 2", "since": "2026-11-21T08:00:00.000Z",
		"store": "memory", "rules": rules, "lists": lists, "hash_key": "AAAAAAAA", "hash_key_previous": nil}, self)
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/instances?x=1", "", doortest.AsOperator), 400, "field_unknown", "x")
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/instances", "", doortest.AsAnalyst), 403, "role_missing", "")
}
