package main

import (
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
	passwords "fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/config"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// distinctSettings have no value twice, and none that is a default: a setting that reaches
// another one's place, or none, is seen.
const distinctSettings = `
hash_key: ` + hashKey + `
ipv6_prefix: 56
trusted_proxies: [10.0.0.1]
tls: {in_front: true}
limits: {in_flight: 808, answer: 91ms, read: 11s, write: 12s, idle: 13s, connections: {callers: 14, operators: 15}}
store: {kind: memcached, budget: 31ms, memory: {max_bytes: 2MiB}, memcached: {servers: ["127.0.0.1:1"], max_conns: 16}}
rules: [{name: quiet, per: ip, count: attempts, window: 2h, review_over: 1, block_over: 2, retention: idle, hold: 3h, mode: shadow}]
auth:
  networks: [198.51.100.0/24]
  session_timeout: 17m
  tokens: {ttl: 18m, refresh_ttl: 19h, per_user: 20, sliding: true}
  basic:
    users:
      - {username: desk, password: ` + password + `, roles: [analyst], networks: [203.0.113.0/24], bind_ip: true}
  jwt:
    client_id: shop
    secret: an-issuer-and-a-service-share-this-one
    encoding: clear
    algorithms: [HS384]
    issuer: https://issuer.example
    roles_claim: realm.groups
    profile_claims: [email]
    role_map: {fraud-desk: analyst}
`

// configured returns the service of a configuration as far as its doors, which is not
// started.
func configured(t *testing.T, text string) *service {
	t.Helper()
	p, err := configure(&flags{Config: writeFile(t, "fraudcheck.yaml", text)}, config.FilesAndPipes)
	require.NoError(t, err)
	s := &service{policy: p, guard: auth.NewGuard(p.authPolicy), clock: velocity.NewClock(time.Now())}
	var stderr strings.Builder
	for _, step := range []func() error{s.makeKeys, s.makeMemory, func() error { return s.openLog(&stderr) }, s.makeMetrics} {
		require.NoError(t, step())
	}
	s.checker = velocity.NewChecker(p.plan, s.keys.records, s.memory)
	t.Cleanup(func() {
		s.close()
		s.closeLog()
	})
	return s
}

func TestEverySettingReachesWhatItIsFor(t *testing.T) {
	s := configured(t, distinctSettings)
	require.NoError(t, s.makeDoors())
	require.NoError(t, s.openMemcached())

	for port, most := range map[string]int{"callers": 14, "operators": 15} {
		server := s.callers
		if port == "operators" {
			server = s.operators
		}
		assert.Equal(t, most, server.Connections, port)
		assert.Equal(t, []time.Duration{11 * time.Second, 12 * time.Second, 13 * time.Second},
			[]time.Duration{server.Read, server.Write, server.Idle}, port)
		assert.Equal(t, 808, s.doorSettings(port).InFlight, port)
	}
	assert.Equal(t, turns.Settings{Turns: 16, Answer: 91 * time.Millisecond, Budget: 31 * time.Millisecond, Room: 707}, s.turns.Settings)

	holders := make([]turns.Turn, 16)
	for i := range holders {
		_, ok := s.turns.Take(&holders[i])
		require.True(t, ok)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		turn := turns.Turn{Start: time.Now().Add(time.Hour)} // so that it waits for as long as it takes
		s.turns.Take(&turn)
		turn.Release()
	}()
	require.Eventually(t, func() bool { return s.gathered(t)["fraudcheck_checks_waiting"] == 1 }, prompt, time.Millisecond)
	for i := range holders {
		holders[i].Release()
	}
	<-waited

	assert.Equal(t, []velocity.Rule{{
		Name: "quiet", Per: "ip", Count: "attempts", Window: 2 * time.Hour, ReviewOver: 1, BlockOver: 2,
		Retention: velocity.Idle, Hold: 3 * time.Hour, Mode: velocity.Shadow,
	}}, s.plan.Rules())
	var d velocity.Decision
	for n, ip := range []string{"2001:db8::1", "2001:db8:0:ff::1", "2001:db8:0:100::1"} {
		a := velocitytest.Attempt(t, ip, n)
		s.checker.Check(&a, s.now(), nil, &d)
		assert.Equal(t, []int{1, 2, 1}[n], d.Rules[0].Count, "%s, of a /56", ip)
	}

	callers := s.authSettings
	assert.Equal(t, session.Settings{
		TTL: 18 * time.Minute, RefreshTTL: 19 * time.Hour, PerUser: 20, Sliding: true, SessionTimeout: 17 * time.Minute,
	}, callers.Tokens)
	assert.Equal(t, []string{"198.51.100.0/24"}, callers.Networks)
	assert.Equal(t, []string{"10.0.0.1"}, callers.TrustedProxies)
	assert.True(t, callers.TLSInFront)
	assert.Equal(t, []auth.User{{
		Name: "desk", Password: password, Encryption: passwords.Clear, Roles: auth.Analyst,
		Networks: []string{"203.0.113.0/24"}, BindIP: true,
	}}, callers.Users)
	assert.Equal(t, &auth.JWTSettings{RoleMap: map[string]string{"fraud-desk": "analyst"}, Settings: jwt.Settings{
		ClientID: "shop", Secret: "an-issuer-and-a-service-share-this-one", Encoding: "clear", Algorithms: []string{"HS384"},
		Issuer: "https://issuer.example", RolesClaim: "realm.groups", Profile: []string{"email"},
	}}, callers.JWT)
}

// gathered are the metrics, as a scrape shows them.
func (s *service) gathered(t *testing.T) testbed.Metrics {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(s.metrics.Registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return testbed.ParseMetrics(w.Body.String())
}

func TestWhatHappensAtAPortIsCountedThere(t *testing.T) {
	s := configured(t, guarded)
	s.metrics.RegisterTLS(listener.TLSReasons, time.Now)
	for _, port := range []string{"callers", "operators"} {
		events := s.doorSettings(port).Events
		for i := range reflect.TypeOf(events).NumField() {
			require.False(t, reflect.ValueOf(events).Field(i).IsNil(), "%s is not counted", reflect.TypeOf(events).Field(i).Name)
		}
		events.AcceptFailed(syscall.ENOBUFS)
		events.MadeRoom()
		events.TLSFailed("plain_text", netip.Addr{}, io.EOF)
		events.Outcome(velocity.IssuerAnswer{Outcome: "declined", Reason: "other"})
		events.NoIP("phone")
		events.PANLike()
	}
	have := s.gathered(t)
	for series, want := range map[string]float64{
		`fraudcheck_accept_errors_total{door="callers"}`:                      1,
		`fraudcheck_accept_errors_total{door="operators"}`:                    1,
		`fraudcheck_connections_closed_for_room_total{door="callers"}`:        1,
		`fraudcheck_connections_closed_for_room_total{door="operators"}`:      1,
		`fraudcheck_tls_failures_total{door="callers",reason="plain_text"}`:   1,
		`fraudcheck_tls_failures_total{door="operators",reason="plain_text"}`: 1,
		`fraudcheck_outcomes_total{outcome="declined",reason="other"}`:        2,
		`fraudcheck_checks_without_ip_total{reason="phone"}`:                  2,
		`fraudcheck_pan_like_input_total`:                                     2,
	} {
		assert.Equal(t, want, have[series], series)
	}
}

// Of the log files of earlier days those leave that are older than log.days, or that
// would take more than log.max_bytes.
func TestTheBoundsOfLogFilesAreThoseOfTheConfiguration(t *testing.T) {
	day := func(ago int) string { return "log." + time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
	for bounds, left := range map[string][]string{
		"days: 3, max_bytes: 1GiB":  {day(2)},
		"days: 10, max_bytes: 1GiB": {day(5), day(2)},
		"days: 10, max_bytes: 2MiB": {day(2)},
	} {
		folder := t.TempDir()
		for _, ago := range []int{5, 2} {
			require.NoError(t, os.WriteFile(filepath.Join(folder, day(ago)), make([]byte, 1<<20), 0o600))
		}
		yesterday := filepath.Join(folder, "log") // its lines are put away with the first line of today
		require.NoError(t, os.WriteFile(yesterday, []byte("a line\n"), 0o600))
		require.NoError(t, os.Chtimes(yesterday, time.Time{}, time.Now().AddDate(0, 0, -1)))
		configured(t, guarded+"log: {path: "+folder+", "+bounds+"}\n").closeLog()
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		assert.Equal(t, append(append([]string{"log"}, left...), day(1)), names, bounds)
	}
}

// A file that the configuration names is followed, except for those of the start alone.
func TestEveryFileThatAReloadReadsIsFollowed(t *testing.T) {
	s := config.Defaults()
	s.Auth.Basic.Users = []config.User{{}, {}}
	var named []string
	var name func(v reflect.Value, key string)
	name = func(v reflect.Value, key string) {
		switch v.Kind() {
		case reflect.Pointer:
			name(v.Elem(), key)
		case reflect.Slice:
			for i := range v.Len() {
				name(v.Index(i), key)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
				if own := key + "." + tag; f.Tag.Get("path") == "file" {
					path := fmt.Sprint(strings.TrimPrefix(own, "."), "#", len(named))
					v.Field(i).SetString(path)
					named = append(named, path)
				} else if f.IsExported() {
					name(v.Field(i), own)
				}
			}
		}
	}
	name(reflect.ValueOf(s), "")
	atTheStart := []string{"hash_key_file", "hash_key_previous_file", "decision_log.key_file", "store.memory.snapshot_file"}
	followed := filesOf(s)
	require.Greater(t, len(named), len(atTheStart)+5)
	for _, path := range named {
		key, _, _ := strings.Cut(path, "#")
		assert.Equal(t, !slices.Contains(atTheStart, key), slices.Contains(followed, path), key)
	}
}
