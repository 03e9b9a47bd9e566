package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

const (
	tokenSecret = "a-kestrel-hovers-over-the-motorway"
	pan         = "4929135791358317"
	panSpaced   = "4929 1357 9135 8317"
	stray       = "osprey" // in whatever else a stranger may send
)

// disguised is a step's field so that it cannot stand in a log by chance, and the
// same for the same: last four digits that are no year and no size, a year of
// expiry that is not this one's, names of our own.
func disguised(t *testing.T, scenario string, n int, f *velocity.Fields) url.Values {
	t.Helper()
	values := url.Values{}
	for field, v := range f.All {
		switch field {
		case velocity.FieldLast4:
			last4, err := strconv.Atoi(v)
			require.NoError(t, err)
			v = fmt.Sprintf("%04d", (last4+5000)%10_000)
		case velocity.FieldExpYear:
			year, err := strconv.Atoi(v)
			require.NoError(t, err)
			v = strconv.Itoa(2000 + year%50 + 50)
		case velocity.FieldExpiry:
			v = strings.NewReplacer("30", "80", "31", "81").Replace(v)
		case velocity.FieldCardID, velocity.FieldCart, velocity.FieldDevice, velocity.FieldAccount:
			v = "merlin-" + v
		case velocity.FieldAttemptID:
			v = "harrier-" + scenario + "-" + v
		}
		values.Set(field.String(), v)
	}
	if !f.Has(velocity.FieldAttemptID) { // none is left to be made by chance
		values.Set("attempt_id", fmt.Sprintf("buzzard-%s-%d", scenario, n))
	}
	return values
}

// tell sends an attempt or an outcome, in one of the three ways there are.
func (p *program) tell(t *testing.T, way int, values url.Values) {
	t.Helper()
	path, status := "/v1/check", http.StatusOK
	if values.Has("outcome") {
		path, status = "/v1/outcomes", http.StatusAccepted
	}
	var a answer
	switch way % 3 {
	case 0:
		fields := map[string]string{}
		for name := range values {
			fields[name] = values.Get(name)
		}
		body, err := json.Marshal(fields)
		require.NoError(t, err)
		a = p.send(t, "POST", path, string(body))
	case 1:
		a = p.send(t, "POST", path, values.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	case 2:
		a = p.send(t, "POST", path+"?"+values.Encode(), "")
	}
	require.Equal(t, status, a.status, "%s %s", values, a.body)
	require.False(t, a.Degraded)
}

// needlesIn are what must be found nowhere of what was told.
func needlesIn(t *testing.T, values url.Values, needles map[needle]bool) {
	t.Helper()
	for name := range values {
		switch v := values.Get(name); name {
		case "ip":
			for _, n := range addressNeedles(t, v) {
				needles[n] = true
			}
		case "expiry":
			needles[needle{text: v, word: !strings.ContainsAny(v, "/-")}] = true
		case "last4", "exp_year":
			needles[needle{text: v, word: true}] = true
		case "exp_month", "outcome", "reason", "card", "no_ip", "at":
		default:
			needles[needle{text: v}] = true
		}
	}
}

// refusals sends both doors what they refuse, with something to hide in every
// place, and returns all that they said.
func refusals(t *testing.T, p *program) (said string) {
	t.Helper()
	desk := basic("desk", analystPassword)
	card := func(more string) string {
		return `{"ip":"203.0.113.7","last4":"9242","exp_month":12,"exp_year":2080` + more + `}`
	}
	for _, tt := range []struct {
		door, method, path, body string
		status                   int
		header                   []string
	}{
		// In values and names of fields.
		{p.addr, "POST", "/v1/check", card(`,"` + pan + `":1`), 400, nil},
		{p.addr, "POST", "/v1/check", card(`,"card_` + pan + `":1`), 400, nil},
		{p.addr, "POST", "/v1/check", card(`,"9242":"1280"`), 400, nil},
		{p.addr, "POST", "/v1/check", card(`,"203.0.113.7":1`), 400, nil},
		{p.addr, "POST", "/v1/check", card(`,"eve@example.com":1`), 400, nil},
		{p.addr, "POST", "/v1/check", card(`,"card_id":"` + panSpaced + `"`), 400, nil},
		{p.addr, "POST", "/v1/check", card(`,"email":["eve@example.com"]`), 400, nil},
		{p.addr, "POST", "/v1/check", card(`,"ip":"203.0.113.8"`), 400, nil},
		{p.addr, "POST", "/v1/check", card(``) + pan, 400, nil},
		{p.addr, "POST", "/v1/check", pan, 400, nil},
		{p.addr, "POST", "/v1/check", strings.Replace(card(""), "9242", pan, 1), 400, nil},
		{p.addr, "POST", "/v1/check", strings.Replace(card(""), "203.0.113.7", "203.0.113.7, 198.51.100.9", 1), 400, nil},
		{p.addr, "POST", "/v1/check", strings.Replace(card(""), "2080", "208", 1), 400, nil},
		{p.addr, "POST", "/v1/outcomes", card(`,"outcome":"` + stray + `"`), 400, nil},
		{p.addr, "POST", "/v1/check", card(strings.Repeat(" ", 9000)), 413, nil},
		{p.addr, "POST", "/v1/check", "ip=203.0.113.7&pan=" + pan + "&" + panSpaced + "=%zz", 400, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		// In the query and in the path.
		{p.addr, "POST", "/v1/check?" + pan + "=1", card(""), 400, nil},
		{p.addr, "POST", "/v1/check?ip=203.0.113.7&last4=9242", card(""), 400, nil},
		{p.addr, "POST", "/v1/check?card=" + url.QueryEscape(panSpaced), "", 400, nil},
		{p.addr, "POST", "/v1/check/" + pan, card(""), 404, nil},
		{p.addr, "GET", "/v1/addresses/203.0.113.7", "", 404, nil},
		{p.addr, pan, "/v1/check", "", 405, nil},
		{p.operators, "GET", "/v1/addresses/" + pan, "", 400, []string{"Authorization", desk}},
		{p.operators, "GET", "/v1/addresses/203.0.113.7%20" + stray, "", 400, []string{"Authorization", desk}},
		{p.operators, "GET", "/v1/addresses/203.0.113.7/" + pan, "", 404, []string{"Authorization", desk}},
		{p.operators, "GET", "/v1/subjects/eve@example.com", "", 404, []string{"Authorization", desk}},
		{p.operators, pan, "/v1/addresses/203.0.113.7", "", 405, []string{"Authorization", desk}},
		{p.operators, "POST", "/v1/subjects/read", `{"per":"` + pan + `","value":"eve@example.com"}`, 400, []string{"Authorization", desk}},
		{p.operators, "POST", "/v1/subjects/read", `{"per":"email","value":"eve@example.com","` + pan + `":1}`, 400, []string{"Authorization", desk}},
		{p.operators, "POST", "/v1/subjects/forget", `{"per":"card","card_id":"` + panSpaced + `"}`, 400, []string{"Authorization", desk}},
		{p.operators, "POST", "/v1/subjects/forget", `{"per":"card","last4":"9242"}`, 400, []string{"Authorization", desk}},
		{p.operators, "POST", "/v1/subjects/forget", `{"per":"email","value":"eve@example.com"}`, 415, []string{"Authorization", desk, "Content-Type", stray + "/" + pan}},
		// In headers, and by strangers.
		{p.addr, "POST", "/v1/check", card(""), 415, []string{"Content-Type", "text/" + stray, "X-Request-ID", pan}},
		{p.addr, "POST", "/v1/check", card(""), 401, []string{"Authorization", basic(pan, stray)}},
		{p.addr, "POST", "/v1/check", card(""), 401, []string{"Authorization", "Bearer " + stray + "." + pan + ".x"}},
		{p.addr, "POST", "/v1/check", card(""), 401, []string{"Authorization", pan, "Cookie", "card=" + pan, "X-Request-ID", stray + " " + pan}},
		{p.addr, "POST", "/v1/check", card(""), 401, []string{"Authorization", "Bearer " + shopToken(t, time.Now().Add(-time.Hour), "checker")}},
		{p.addr, "POST", "/v1/check", card(""), 403, []string{"Authorization", desk}},
		{p.operators, "GET", "/v1/addresses/203.0.113.7", "", 401, []string{"Authorization", basic("eve@example.com", stray), "X-Forwarded-For", "203.0.113.7"}},
		{p.operators, "DELETE", "/v1/addresses/203.0.113.7", "", 403, []string{"User-Agent", pan, "Referer", "https://" + stray + ".example/" + pan}},
		{p.operators, "DELETE", "/v1/addresses/203.0.113.7", "", 403, []string{"Authorization", "Bearer " + shopToken(t, time.Now().Add(time.Hour), stray)}},
	} {
		a, err := p.try(tt.door, tt.method, tt.path, tt.body, tt.header...)
		require.NoError(t, err)
		require.Equal(t, tt.status, a.status, "%s %s %s: %s", tt.method, tt.path, tt.body, a.body)
		for name, value := range a.header {
			said += fmt.Sprintln(name, value)
		}
		said += a.body + "\n"
	}
	for _, door := range []string{p.addr, p.operators} {
		for _, raw := range []string{
			"POST /v1/check?" + pan + " HTTP/9.9\r\nHost: " + stray + "\r\n\r\n",
			"POST /v1/check HTTP/1.1\r\nHost: a\r\n" + stray + " " + pan + "\r\n\r\n",
			"POST /v1/check HTTP/1.1\r\nHost: a\r\nContent-Length: " + panSpaced + "\r\n\r\n",
			"POST /v1/check HTTP/1.1\r\nHost: a\r\nX-Card: " + strings.Repeat(pan+stray, 2000) + "\r\n\r\n",
			pan + "\r\n\r\n",
		} {
			said += say(t, door, raw)
		}
	}
	return said
}

// say sends bytes that need not be HTTP, and returns what comes back until the
// other side closes.
func say(t *testing.T, door, raw string) string {
	t.Helper()
	conn, err := net.Dial("tcp", door)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(prompt)))
	_, _ = io.WriteString(conn, raw) // refused before all of it was sent, maybe
	text, _ := io.ReadAll(conn)      // and then the connection is cut
	require.NotContains(t, string(text), "HTTP/1.1 2")
	return string(text)
}

// Everything the scenarios tell, and everything that is refused, is told to two
// instances that share a memcached. What they write, measure, answer to mistakes and
// keep is then searched for it.
func TestSilenceOfInstancesThatShare(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	scenarios := velocitytest.Load(t, "../../internal/velocity/testdata/scenarios")
	settings := sharing(server.Addr)
	settings = settings[:strings.Index(settings, "rules:")] + "accept_no_ip: true\nrules:\n"
	for i, s := range scenarios {
		for _, r := range s.Rules {
			settings += fmt.Sprintf("  - {name: s%d_%s, per: %s, count: %s, window: %s, review_over: %d, block_over: %d, retention: %s, mode: %s}\n",
				i, r.Name, r.Per, r.Count, r.Window, r.ReviewOver, r.BlockOver, r.Retention, r.Mode)
		}
	}
	settings += sharing("")[strings.Index(sharing(""), "auth:"):] +
		"  jwt: {client_id: shop, encoding: clear, secret: " + tokenSecret + "}\n"
	var instances []*program
	var folders []string
	for _, format := range []string{"canister", "json"} {
		folder := filepath.Join(t.TempDir(), "logs")
		folders = append(folders, folder)
		instances = append(instances, start(t, settings+"log: {level: DEBUG, format: "+format+", ip: hash, path: "+folder+"}\ndecision_log: {path: "+folder+"}\n"))
	}

	needles, told := map[needle]bool{}, 0
	for _, s := range scenarios {
		for i := range s.Steps {
			if s.Steps[i].Change != nil {
				continue
			}
			values := disguised(t, s.Name, i, &s.Steps[i].Fields)
			instances[told%2].tell(t, told/2, values)
			needlesIn(t, values, needles)
			told++
		}
	}
	problems := ""
	for _, p := range instances {
		problems += refusals(t, p)
		for _, ip := range []string{"203.0.113.7", "2001:db8:0:1::1"} {
			require.Equal(t, http.StatusOK, p.asAnalyst(t, "GET", "/v1/addresses/"+ip).status)
		}
	}
	for _, text := range []string{
		"492913", "357913", "358317", "4929 1357", "4929-1357", stray, "example.com", "203.0.113.", "2001:db8", "2001:0db8", "64:ff9b",
		password, analystPassword, hashKey, tokenSecret, strings.TrimPrefix(basic("checkout", password), "Basic "),
		strings.TrimPrefix(basic("desk", analystPassword), "Basic "), strings.TrimPrefix(basic(pan, stray), "Basic "),
		shopToken(t, time.Now(), "checker")[:30],
	} {
		needles[needle{text: text}] = true
	}
	var all []needle
	for n := range needles {
		all = append(all, n)
	}
	t.Logf("%d told, %d needles", told, len(all))
	require.Greater(t, len(all), 500)

	keys, values := dump(t, server.Addr)
	require.Greater(t, len(keys), 20)
	kept := ""
	for i := range keys {
		assert.Regexp(t, `^fraudcheck:[\w-]{8}:([\w-]{22}|canary)$`, keys[i])
		kept += keys[i] + "\n" + string(values[i]) + "\n"
	}
	silent(t, haystack{"memcached", kept, true}, all)
	const example = "such as 203.0.113.7 or 2001:db8::7" // the program's own
	require.Contains(t, problems, example)
	silent(t, haystack{"problems", strings.ReplaceAll(problems, example, ""), false}, all)
	logged := 0
	for i, p := range instances {
		a, err := p.try(p.operators, "GET", "/metrics", "")
		require.NoError(t, err)
		silent(t, haystack{"metrics", names(a.body), false}, all)
		p.client.CloseIdleConnections()
		p.signal(t, syscall.SIGTERM)
		code, _ := p.exitCode(t)
		require.Equal(t, 0, code)
		require.Empty(t, p.stdout.String())
		silent(t, haystack{"log", untagged(p.stderr.String()), false}, all)
		logged += strings.Count(p.stderr.String(), "Response:")
		file, err := os.ReadFile(filepath.Join(folders[i], "log"))
		require.NoError(t, err)
		assert.Equal(t, p.stderr.String(), string(file), "the file holds the same lines")
		decisions, err := os.ReadFile(filepath.Join(folders[i], "decisions"))
		require.NoError(t, err)
		require.Greater(t, strings.Count(string(decisions), "\n"), told/4)
		silent(t, haystack{"decision log", withoutNumbers(string(decisions)), false}, all)
	}
	assert.Greater(t, logged, told, "nothing was left out of the log")
}
