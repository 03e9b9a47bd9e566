package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	passwords "fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
	"fraudcheck/internal/wire"
)

const body = `{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030,"attempt_id":"order-8812-1"}`

// argonHash is the password of the request that is authenticated.
const argonHash = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xkRp5t8nKGXY253q/lKMAgps0oqUKMF6Uzqpkr+Jno0"

// The budgets: what each part of a check may allocate, and beside it what the
// library below it needs for the least it could do.

// part is one thing that is measured: run does it once.
type part struct {
	name   string
	budget float64 // allocations
	run    func()
}

func check(ok bool, what string) {
	if !ok {
		panic("the fixture does not do what it says: " + what)
	}
}

func parts(t testing.TB) []part {
	var f velocity.Fields
	var a velocity.Attempt
	var err error
	require.NoError(t, wire.DecodeJSON(body, wire.CheckFields, &f))
	known := f
	a, err = velocity.ParseAttempt(&known)
	require.NoError(t, err)

	guard := guardOf(t, auth.Settings{Users: []auth.User{{Name: "checkout", Password: strings.Repeat("p", 24), Encryption: passwords.Clear, Roles: auth.Checker}}, Tokens: session.Settings{TTL: time.Hour, RefreshTTL: time.Hour, PerUser: 1, SessionTimeout: time.Hour}})
	remembering := guardOf(t, auth.Settings{Users: []auth.User{{Name: "checkout", Password: argonHash, Encryption: passwords.Argon2id, Roles: auth.Checker}}})
	settings, key := tokenKeys(t, "HS256")
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "checkout", "aud": "ABC", "exp": time.Now().Add(time.Hour).Unix()}).SignedString(key)
	require.NoError(t, err)
	believing := guardOf(t, auth.Settings{JWT: settings})
	shown := &auth.Request{Header: header{[]byte("Bearer " + token)}, At: time.Now()}
	request := &auth.Request{Header: header{[]byte("Basic Y2hlY2tvdXQ6cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw")}, At: time.Now()}

	ownKeys, err := session.NewKeys(make([]byte, 32))
	require.NoError(t, err)
	guard.Logins = session.NewLogins(ownKeys, session.NewMemory())
	issued, err := guard.Login(&auth.Request{Header: request.Header, At: request.At}, "", "")
	require.NoError(t, err)
	ours := &auth.Request{Header: header{[]byte("Bearer " + issued.Access)}, At: request.At}

	mac, sum, input := hmac.New(sha256.New, make([]byte, 32)), make([]byte, 0, 32), make([]byte, 50)
	keys := velocitytest.NewKeys(t)
	onMemory, now := checker(t, keys, velocity.DefaultRule), velocitytest.Start
	var d velocity.Decision
	var flat map[string]any

	return []part{
		{"decode/ceiling: scan the bytes", 0, func() { check(strings.Count(body, `"`) == 16, "body") }},
		{"decode/DecodeJSON", 0, func() {
			f = velocity.Fields{}
			check(wire.DecodeJSON(body, wire.CheckFields, &f) == nil && f.Value(velocity.FieldLast4) == "4242", "decode")
		}},
		{"decode/encoding,json", 60, func() {
			flat = nil
			check(json.Unmarshal([]byte(body), &flat) == nil && flat["last4"] == "4242", "decode")
		}},
		{"parse/ceiling: netip.ParseAddr", 0, func() {
			addr, err := netip.ParseAddr("203.0.113.7")
			check(err == nil && addr.Is4(), "address")
		}},
		{"parse/ParseAttempt", 0, func() { a, err = velocity.ParseAttempt(&known); check(err == nil, "parse") }},
		{"auth/Basic", 0, func() { c, err := guard.Authenticate(request); check(err == nil && c.Name == "checkout", "auth") }},
		{"auth/token of our own", 0, func() { c, err := guard.Authenticate(ours); check(err == nil && c.Name == "checkout", "auth") }},
		{"auth/Basic, argon2id", 0, func() { c, err := remembering.Authenticate(request); check(err == nil && c.Name == "checkout", "auth") }},
		{"auth/JWT", 0, func() { c, err := believing.Authenticate(shown); check(err == nil && c.Name == "checkout", "auth") }},
		{"fingerprint/ceiling: two reused HMAC states", 0, func() {
			for range 2 {
				mac.Reset()
				mac.Write(input)
				sum = mac.Sum(sum[:0])
			}
		}},
		{"check/known subject", 0, func() {
			now++
			onMemory.Check(&a, now, nil, &d)
			check(d.Outcome == velocity.Allow && d.Rules[0].Count == 1, "one card")
		}},
		{"whole/body to decision, known subject", 0, func() {
			now++
			f = velocity.Fields{}
			check(wire.DecodeJSON(body, wire.CheckFields, &f) == nil, "decode")
			a, err = velocity.ParseAttempt(&f)
			onMemory.Check(&a, now, nil, &d)
			check(err == nil && d.Outcome == velocity.Allow && d.Rules[0].Count == 1, "one card")
		}},
	}
}

// guardOf is a guard with these settings.
func guardOf(t testing.TB, s auth.Settings) *auth.Guard {
	t.Helper()
	policy, err := auth.NewPolicy(s)
	require.NoError(t, err)
	return auth.NewGuard(policy)
}

// header is that of a request with these Authorization headers.
type header [][]byte

func (h header) Values(string) [][]byte { return h }

func checker(t testing.TB, keys *velocity.Keys, rules ...velocity.Rule) *velocity.Checker {
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	memory, err := velocity.NewMemory(1 << 30)
	require.NoError(t, err)
	return velocity.NewChecker(plan, keys, memory)
}

func TestAllocationBudgets(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	for _, p := range parts(t) {
		require.LessOrEqual(t, testing.AllocsPerRun(500, p.run), p.budget, p.name)
	}
}

func BenchmarkParts(b *testing.B) {
	for _, p := range parts(b) {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.run()
			}
		})
	}
}

// New addresses with one card each: the bulk of honest traffic.
func BenchmarkCheckNewSubject(b *testing.B) {
	c := checker(b, velocitytest.NewKeys(b), velocity.DefaultRule)
	a := velocitytest.Attempt(b, "203.0.113.7", 1)
	var d velocity.Decision
	b.ReportAllocs()
	n := uint32(0)
	for b.Loop() {
		n++
		a.Address = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		c.Check(&a, velocitytest.Start, nil, &d)
		check(d.Rules[0].Count == 1, "a new address")
	}
}

// One address, always another card: blocked from the sixth on, and no dearer.
func BenchmarkCheckAttack(b *testing.B) {
	for _, cards := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("cards=%d", cards), func(b *testing.B) {
			c := checker(b, velocitytest.NewKeys(b), velocity.DefaultRule)
			attempts := make([]velocity.Attempt, cards)
			for i := range attempts {
				attempts[i] = velocitytest.Attempt(b, "203.0.113.7", i)
			}
			var d velocity.Decision
			for i := range attempts {
				c.Check(&attempts[i], velocitytest.Start, nil, &d)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				c.Check(&attempts[i%cards], velocitytest.Start+velocity.Time(i), nil, &d)
				check(d.Rules[0].Count == min(cards, 6), "count")
			}
		})
	}
}

func BenchmarkCheckParallel(b *testing.B) {
	c := checker(b, velocitytest.NewKeys(b), velocity.DefaultRule)
	var worker atomic.Uint32
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		a := velocitytest.Attempt(b, "203.0.113.7", 1)
		w, n := byte(worker.Add(1)), uint32(0)
		var d velocity.Decision
		for pb.Next() {
			n++
			a.Address = netip.AddrFrom4([4]byte{w, byte(n >> 16), byte(n >> 8), byte(n)})
			c.Check(&a, velocitytest.Start, nil, &d)
		}
		check(n == 0 || d.Rules[0].Count == 1, "a new address")
	})
}

// What a record costs by the number of elements it holds.
func BenchmarkRecord(b *testing.B) {
	for _, elements := range []int{2, 6, 100, 1000, velocity.MaxBlockOver + 1} {
		b.Run(fmt.Sprintf("elements=%d", elements), func(b *testing.B) {
			rule := velocity.DefaultRule
			rule.ReviewOver, rule.BlockOver = 0, elements-1
			c := checker(b, velocitytest.NewKeys(b), rule)
			var d velocity.Decision
			for i := range elements {
				a := velocitytest.Attempt(b, "203.0.113.7", i)
				c.Check(&a, velocitytest.Start, nil, &d)
			}
			a := velocitytest.Attempt(b, "203.0.113.7", 0)
			b.ReportAllocs()
			now := velocitytest.Start
			for b.Loop() {
				now++
				c.Check(&a, now, nil, &d)
				check(d.Rules[0].Count == elements, "a full record")
			}
		})
	}
}

// Checks on memcached, and beside them the least that can be asked of it.
func BenchmarkMemcached(b *testing.B) {
	server := testbed.StartMemcached(b)
	keys := velocitytest.NewKeys(b)
	local, err := velocity.NewMemory(1 << 30)
	require.NoError(b, err)
	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
	require.NoError(b, err)
	store := velocitytest.NewMemcached(b, local, memcached.Settings{Servers: []string{server.Addr}, Budget: time.Second})
	c := velocity.NewChecker(plan, keys, store)
	store.Watch(c.Plan, func() velocity.Time { return velocitytest.Start })
	store.Client.Await(10 * time.Second)
	a := velocitytest.Attempt(b, "203.0.113.7", 1)
	var d velocity.Decision
	var fresh atomic.Uint32
	visit := func(count int) {
		c.Check(&a, velocitytest.Start, nil, &d)
		check(!d.Degraded && d.Rules[0].Count == count, "shared, and counted")
	}

	b.Run("ceiling: bare gomemcache Get", func(b *testing.B) {
		bare := memcache.New(server.Addr)
		require.NoError(b, bare.Set(&memcache.Item{Key: "key", Value: make([]byte, 40)}))
		b.ReportAllocs()
		for b.Loop() {
			item, err := bare.Get("key")
			check(err == nil && len(item.Value) == 40, "a hit")
		}
	})
	b.Run("new subject", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := fresh.Add(1)
			a.Address = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			visit(1)
		}
	})
	b.Run("known subject", func(b *testing.B) {
		a.Address = netip.MustParseAddr("203.0.113.7")
		b.ReportAllocs()
		for b.Loop() {
			visit(1)
		}
	})
	// 64 at once share system calls, as they do under load.
	together := func(address func(caller, call uint32) [4]byte) func(*testing.B) {
		return func(b *testing.B) {
			var callers atomic.Uint32
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			busy := processorTime(b)
			b.RunParallel(func(pb *testing.PB) {
				a, caller, call := a, callers.Add(1), uint32(0)
				var d velocity.Decision
				for pb.Next() {
					call++
					a.Address = netip.AddrFrom4(address(caller, call))
					c.Check(&a, velocitytest.Start, nil, &d)
					check(!d.Degraded && d.Rules[0].Count == 1, "shared, and counted")
				}
			})
			b.ReportMetric(float64(processorTime(b)-busy)/float64(b.N), "cpu-ns/check")
		}
	}
	b.Run("64 at once, new subjects", together(func(uint32, uint32) [4]byte {
		n := fresh.Add(1)
		return [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	}))
	b.Run("64 at once, known subjects", together(func(caller, call uint32) [4]byte {
		return [4]byte{203, 0, byte(caller), byte(call % 50)}
	}))
}
