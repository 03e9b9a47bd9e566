package operator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/door/doortest"
)

// A peer that lies, or has no care, gets no card number, no page of text and no forged
// address shown.
func TestWhatAPeerTellsIsShownAsOwnAnswersAre(t *testing.T) {
	const card = "4111 1111 1111 1111"
	long := strings.Repeat("x", 100_000)
	decision := func(members string) string {
		return `{"time":"2026-11-21T09:00:00.000Z","number":7,` + members + `}`
	}
	override := func(members string) string {
		return `{"since":"2026-11-21T09:00:00.000Z","until":"2027-11-21T09:00:00.000Z",` + members + `}`
	}
	hostile, _ := answeringBy(t, "web-2", func(path string) string {
		switch path {
		case "/v1/decisions":
			return `{"decisions":[` + strings.Join([]string{
				decision(`"decision":"block","ip":"203.0.113.7","card":"` + card + `","attempt":"` + card + `","request_id":"` + card + `","caller":"` + card + `",
					"reasons":["` + card + `","cards_per_ip"],"rules":[{"name":"` + card + `","outcome":"block","mode":"enforce"},{"name":"a","outcome":"` + card + `","mode":"enforce"},{"name":"b","outcome":"allow","mode":"enforce","count":1}]`),
				decision(`"decision":"` + card + `"`),
				decision(`"decision":"allow","ip":"` + card + `"`),
				decision(`"decision":"allow","caller":"` + long + `","reasons":["a"` + strings.Repeat(`,"a"`, 9_999) + `]`),
			}, ",") + `]}`
		case "/v1/overrides":
			return `{"overrides":[` + strings.Join([]string{
				override(`"subject":"203.0.113.7","decision":"allow","by":"` + card + `","reason":"` + card + `"`),
				override(`"subject":"203.0.113.8","decision":"` + card + `"`), override(`"subject":"` + card + `","decision":"allow"`),
			}, ",") + `]}`
		case "/v1/logins":
			return `{"logins":[{"id":"a","username":"` + card + `","tag":"` + card + `","from":"` + card + `"},{"id":"` + card + `"}]}`
		case "/v1/instances":
			return `{"instances":[{"version":"` + long + `","store":"` + card + `","rules":"` + card + `","lists":"` + card + `","hash_key":"` + card + `","hash_key_previous":"` + card + `"}]}`
		}
		return `{"blocked":[{"ip":"203.0.113.7","reasons":["` + card + `","cards_per_ip"]}]}`
	})
	d := openAmong(t, []string{hostile})
	shown := map[string]string{}
	for _, path := range []string{"/v1/decisions", "/v1/overrides", "/v1/logins", "/v1/instances", "/v1/blocked"} {
		a := d.anonymous(t, "GET", path, "", doortest.AsOperator)
		require.Equal(t, 200, a.Status, a.Body)
		assert.Empty(t, a.JSON["unreachable"])
		assert.NotContains(t, a.Body, "4111", path)
		assert.Less(t, len(a.Body), 10_000, path)
		shown[path] = a.Body
	}
	const nobody = `,"degraded":false,"caller":"`
	assert.Contains(t, shown["/v1/decisions"], `{"time":"2026-11-21T09:00:00.000Z","instance":"web-2","ip":"203.0.113.7","card":null,"decision":"block","reasons":["cards_per_ip"],"rules":[{"name":"b","outcome":"allow","mode":"enforce","count":1}]`+nobody+`masked","attempt":"","request_id":""}`)
	assert.Equal(t, 2, strings.Count(shown["/v1/decisions"], nobody))
	assert.Contains(t, shown["/v1/overrides"], `[{"subject":"203.0.113.7","decision":"allow","by":"masked","since":"2026-11-21T09:00:00.000Z","until":"2027-11-21T09:00:00.000Z","reason":""}]`)
	assert.Contains(t, shown["/v1/logins"], `[{"id":"a","username":"masked","tag":"","from":null,`)
	assert.Contains(t, shown["/v1/blocked"], `"reasons":["cards_per_ip"]`)
}

// A peer that lies may not have a firewall drop half of all shoppers.
func TestOnlySubjectsOfTheRulesAreTakenFromAPeer(t *testing.T) {
	var told []string
	for _, ip := range []string{"2000::/3", "8.0.0.0/7", "203.0.113.0/24", "2001:db8::/63", "2001:db8::1", "2001:db8:0:2::/64", "203.0.113.9"} {
		told = append(told, fmt.Sprintf(`{"ip":%q,"reasons":["cards_per_ip"]}`, ip))
	}
	hostile, _ := answering(t, "web-2", `{"blocked":[`+strings.Join(told, ",")+`],"overrides":[],"running_seconds":7200}`)
	d := openAmong(t, []string{hostile})
	d.set(2 * time.Hour)
	a := d.ask(t, "GET", "/v1/blocked?networks=1", "", text)
	require.Equal(t, 200, a.Status, a.Body)
	assert.Equal(t, "2001:db8:0:2::/64\n203.0.113.9\n# end 2\n", a.Body)
}

// The list for firewalls is refused after the first question that a peer does not answer.
func TestAPeerThatIsAwayIsCountedOnceAndAskedOnce(t *testing.T) {
	var asked []string
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		w.Header().Set(proof.InstanceHeader, "web-2 1")
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(away.Close)
	d := openAmong(t, []string{away.Listener.Addr().String()})
	d.set(2 * time.Hour)
	a := d.ask(t, "GET", "/v1/blocked", "", text)
	doortest.RequireProblem(t, a, 503, "store_unreachable", "")
	assert.Contains(t, a.JSON["detail"], "1 of the other instances")
	assert.Equal(t, []string{"/v1/blocked"}, asked)
}
