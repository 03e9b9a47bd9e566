package verify

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	fraudcheck "fraudcheck/client"
	"fraudcheck/client/fraudchecktest"
	"fraudcheck/internal/testbed"
)

// Outcomes are delivered again until the service takes them, and each counts once, also
// where it was taken and only its answer was lost.
func TestOutcomesOfAnyClientCountOnce(t *testing.T) {
	t.Parallel()
	i := startCounting(t, "127.0.0.1:0")
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		const outcomes = 5
		ip := address()
		s := faultyProxy(t, i)
		shop.open(t, options{URL: s.URL, MS: patient})
		s.Script(fraudchecktest.Reply{Status: 503}, fraudchecktest.Reply{Fault: fraudchecktest.Drop}, fraudchecktest.Reply{Fault: fraudchecktest.Half},
			fraudchecktest.Reply{Status: 429}, fraudchecktest.Reply{}, fraudchecktest.Reply{Fault: fraudchecktest.Reset})
		for n := range outcomes {
			a := shop(t, command{Do: "outcome", Fields: declined(ip, n)})
			assert.Less(t, a.MS, 1000.0, "it keeps nobody waiting")
		}
		var counters map[string]int
		require.Eventually(t, func() bool {
			counters = shop.counters(t)
			return counters["outcomes_delivered"] == outcomes
		}, testbed.Prompt, testbed.PollInterval, "%v", counters)
		assert.Zero(t, counters["outcomes_waiting"])
		assert.Zero(t, counters["outcomes_dropped"])
		assert.Equal(t, map[string]int{"cards": 0, "attempts": 0, "declined": outcomes}, counts(t, i, ip))
	})
}

// The Go client names every field that the service takes, and no other.
func TestTheGoClientHasTheFieldsOfTheService(t *testing.T) {
	i := startCounting(t, "127.0.0.1:0")
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+i.Addr+"/v1/outcomes", strings.NewReader(`{"nothing":1}`))
	require.NoError(t, err)
	r.SetBasicAuth("checkout", "correct-horse-battery")
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	var problem struct{ Code, Detail string }
	require.NoError(t, json.NewDecoder(got.Body).Decode(&problem))
	require.Equal(t, "field_unknown", problem.Code)
	var fields []string
	for _, of := range []any{fraudcheck.Attempt{}, fraudcheck.Outcome{}} {
		for n := range reflect.TypeOf(of).NumField() {
			if name, _, _ := strings.Cut(reflect.TypeOf(of).Field(n).Tag.Get("json"), ","); name != "" {
				fields = append(fields, name)
			}
		}
	}
	_, list, found := strings.Cut(problem.Detail, " which takes ")
	require.True(t, found, problem.Detail)
	assert.ElementsMatch(t, strings.Split(list, ", "), fields)
}
