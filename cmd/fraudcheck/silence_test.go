package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func basic(user, pass string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
}

// What a caller may send and no log line may hold.
const (
	oddLast4  = "8317"
	oddYear   = "2087"
	shopper4  = "203.0.113.77"
	neighbour = "203.0.113.78"
	shopper6  = "2001:db8:aaaa:bbbb::77"
)

// chatter sends the program good, bad and odd requests, all with something to hide.
func chatter(t *testing.T, p *program) {
	t.Helper()
	body := func(ip, more string) string {
		return `{"ip":"` + ip + `","last4":"` + oddLast4 + `","exp_month":11,"exp_year":` + oddYear + more + `}`
	}
	for _, tt := range []struct {
		path, body string
		status     int
		header     []string
	}{
		{"/v1/check", body(shopper4, ""), 200, nil},
		{"/v1/check", body(shopper4, `,"attempt_id":"hunter2","card_id":"hunter2","email":"hunter2@example.com","device":"hunter2"`), 200, nil},
		{"/v1/check", body(neighbour, ""), 200, nil},
		{"/v1/check", body(shopper6, ""), 200, nil},
		{"/v1/outcomes", body(shopper4, `,"outcome":"declined"`), 202, nil},
		{"/v1/check?ip=" + shopper4 + "&last4=" + oddLast4 + "&exp_month=11&exp_year=" + oddYear, "", 200, nil},
		{"/v1/check?hunter-2=" + oddLast4, body(shopper4, ""), 400, nil},
		{"/v1/check", body(shopper4, `,"card_`+oddLast4+`":1`), 400, nil},
		{"/v1/check", body(shopper4, `,"ip":"`+shopper4+`"`), 400, nil},
		{"/v1/check", body("hunter2", ""), 400, nil},
		{"/v1/check", strings.Replace(body(shopper4, ""), oddLast4, "411111111111"+oddLast4, 1), 400, nil},
		{"/v1/check", body(shopper4, `,"card_id":"4111 1111 1111 `+oddLast4+`"`), 400, nil},
		{"/v1/check", body(shopper4, "") + "hunter2", 400, nil},
		{"/v1/" + oddLast4 + "/" + shopper4, "", 404, nil},
		{"/v1/check", body(shopper4, strings.Repeat(" ", 9000)), 413, nil},
		{"/v1/check", body(shopper4, ""), 415, []string{"Content-Type", "text/hunter2"}},
		{"/v1/check", body(shopper4, ""), 401, []string{"Authorization", "Bearer hunter2"}},
		{"/v1/check", body(shopper4, ""), 401, []string{"Authorization", basic("hunter2", "hunter2")}},
		{"/v1/check", body(shopper4, ""), 200, []string{"Cookie", "a=hunter2", "X-Forwarded-For", shopper4, "User-Agent", "hunter2", "X-Request-ID", "411111111111" + oddLast4}},
	} {
		a := p.send(t, "POST", tt.path, tt.body, tt.header...)
		require.Equal(t, tt.status, a.status, "%s %s", tt.body, a.body)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, p.send(t, "HUNTER2", "/v1/check", "").status)
}

// logOf runs the program through chatter and returns what it logged, without
// the ports it was given by chance: any digits may stand in them.
func logOf(t *testing.T, settings string) string {
	t.Helper()
	p := start(t, guarded+settings)
	chatter(t, p)
	p.client.CloseIdleConnections()
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	require.Equal(t, 0, code)
	require.Empty(t, p.stdout.String())
	return strings.NewReplacer(p.addr, "(here)", p.operators, "(there)").Replace(p.stderr.String())
}

func TestLogShowsNoSecretAndTheAddressOnlyAsConfigured(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "starts the program for each form of an address in each format")
	for _, format := range []string{"canister", "json"} {
		for ip, tt := range map[string]struct{ shown, notShown []string }{
			"full":   {[]string{shopper4, neighbour, shopper6}, nil},
			"prefix": {[]string{"203.0.113.0/24", "2001:db8:aaaa::/48"}, []string{"203.0.113.7", "bbbb"}},
			"hash":   {nil, []string{"203.0.113", "2001:db8"}},
			"none":   {nil, []string{"203.0.113", "2001:db8"}},
		} {
			t.Run(format+" "+ip, func(t *testing.T) {
				log := logOf(t, "log: {level: DEBUG, format: "+format+", ip: "+ip+"}")
				assert.Equal(t, 6, len(regexp.MustCompile(`200 allow|"decision":"allow"`).FindAllString(log, -1)), "%s", log) // all that were checked are there
				for _, secret := range []string{
					password, hashKey, marker, "HUNTER2", "hunter-2", oddLast4, oddYear, "411111", "4111 1111", "example.com",
					strings.TrimPrefix(basic("checkout", password), "Basic "), strings.TrimPrefix(basic(marker, marker), "Basic "),
				} {
					assert.NotContains(t, log, secret)
				}
				for _, text := range tt.shown {
					assert.Contains(t, log, text)
				}
				for _, text := range tt.notShown {
					assert.NotContains(t, log, text)
				}
				for line := range strings.Lines(log) {
					if format == "json" {
						var event struct{ Time, Level, Message, Tag string }
						require.NoError(t, json.Unmarshal([]byte(line), &event), line)
						assert.NotContains(t, []string{event.Time, event.Level, event.Message, event.Tag}, "", line)
					} else {
						assert.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO {5}|DEBUG {4}|WARNING {2})\[[^\]]+\] +\S.*\n$`, line)
					}
				}
			})
		}
	}
}

func TestLogHashTellsAddressesApartAndNothingElse(t *testing.T) {
	t.Parallel()
	log := logOf(t, "log: {ip: hash}")
	var shown []string
	for _, found := range regexp.MustCompile(`Response: 200 allow (\S+) \(`).FindAllStringSubmatch(log, -1) {
		assert.Regexp(t, `^[\w-]{12}$`, found[1])
		shown = append(shown, found[1])
	}
	require.Len(t, shown, 6)
	same := shown[0]
	assert.Equal(t, []string{same, same, shown[2], shown[3], same, same}, shown)
	assert.NotEqual(t, same, shown[2])
	assert.NotEqual(t, same, shown[3])
	assert.NotEqual(t, shown[2], shown[3])

	another := logOf(t, "log: {ip: hash}\nipv6_prefix: 64")
	assert.Contains(t, another, same, "the same key, the same hash")
}

func TestLogNoneLeavesTheAddressOut(t *testing.T) {
	t.Parallel()
	assert.Regexp(t, `Response: 200 allow \(\d+ms\)`, logOf(t, "log: {ip: none}"))
}

func TestLogLinesOfACheckSayWhatHappened(t *testing.T) {
	p := start(t, guarded)
	for _, last4 := range []string{"0000", "0001", "0002", "0003", "0004", "0005"} {
		p.decide(t, shopper4, last4)
	}
	p.await(t, p.stderr, `INFO     \[127\.0\.0\.1-[\w-]{6}\]  POST /v1/check\n`)
	p.await(t, p.stderr, `INFO     \[127\.0\.0\.1-[\w-]{6}\]  Response: 200 allow 203\.0\.113\.0/24 \(\d+ms\) basic checkout request=\w{26} attempt=[a-z2-7]{8}\n`)
	p.await(t, p.stderr, `Response: 200 review 203\.0\.113\.0/24 cards_per_ip=4>3 \(\d+ms\) basic checkout request=\w{26} attempt=[a-z2-7]{8}\n`)
	p.await(t, p.stderr, `Response: 200 block 203\.0\.113\.0/24 cards_per_ip=6>5 \(\d+ms\) basic checkout request=\w{26} attempt=[a-z2-7]{8}\n`)
}

func TestLogBeginsWithVersionAndConfiguration(t *testing.T) {
	p := start(t, guarded+"rules: [{name: mail, per: email, count: cards, window: 1h, block_over: 5}]")
	log := p.stderr.String()
	assert.Regexp(t, `^\S+ \S+ INFO     \[main\]              fraudcheck \S.* go1`, log)
	assert.Regexp(t, `WARNING  \[main\]              Configuration: rules\[0\] \(mail\) `, log)
	assert.Regexp(t, `Listening on 127\.0\.0\.1:\d+ \(store memory, 1 rule\)\n`, log)
}

func TestLogDisabledIsSilent(t *testing.T) {
	t.Parallel()
	p := launch(t, "log: {level: DISABLED}\nlisten: 127.0.0.1:0")
	p.addr = p.await(t, p.stdout, `http://(\S+)/v1/check`)[1]
	assert.Equal(t, http.StatusUnauthorized, p.send(t, "POST", "/v1/check", "").status)
	p.client.CloseIdleConnections()
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Equal(t, 0, code)
	assert.Empty(t, p.stderr.String())
}
