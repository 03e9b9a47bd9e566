package door

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestATagIsTheAddressAndSixCharacters(t *testing.T) {
	tags := NewTags([]byte("key"))
	for address, shown := range map[string]string{
		"10.0.0.5":        `10\.0\.0\.5`,
		"::ffff:10.0.0.5": `10\.0\.0\.5`,
		"2001:db8::5":     `2001:db8::5`,
		"fe80::1%eth0":    `fe80::1`,
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": `ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff`,
	} {
		assert.Regexp(t, `^`+shown+`-[A-Za-z0-9_-]{6}$`, string(tags.AppendTag(nil, netip.MustParseAddr(address), []byte("id"))))
	}
	assert.Regexp(t, `^unix-[A-Za-z0-9_-]{6}$`, string(tags.AppendTag(nil, netip.Addr{}, []byte("id"))), "on a unix socket there is no address")
}

func TestATagTellsConversationsApartAndNotWhatTheyAre(t *testing.T) {
	address := netip.MustParseAddr("10.0.0.5")
	tags, others := NewTags([]byte("key")), NewTags([]byte("another key"))
	of := func(tags *Tags, from netip.Addr, id []byte) string { return string(tags.AppendTag(nil, from, id)) }
	seen := map[string]bool{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for n := range 100 {
		all.Go(func() {
			id := []byte(fmt.Sprint("conversation ", n))
			tag := of(tags, address, id)
			assert.Equal(t, tag, of(tags, address, id), "one conversation, one tag")
			assert.Equal(t, tag, of(NewTags([]byte("key")), address, id), "on every instance")
			assert.NotEqual(t, tag, of(others, address, id), "keyed")
			assert.Equal(t, tag[len("10.0.0.5"):], of(tags, netip.MustParseAddr("10.0.0.6"), id)[len("10.0.0.6"):])
			mu.Lock()
			defer mu.Unlock()
			seen[tag] = true
		})
	}
	all.Wait()
	assert.Len(t, seen, 100)
}

func TestShortIDsStandForTexts(t *testing.T) {
	tags := NewTags([]byte("key"))
	of := func(tags *Tags, kind, text string) string { return string(tags.AppendShortID(nil, kind, text)) }
	assert.Regexp(t, `^[a-z2-7]{8}$`, of(tags, "attempt", "pi_1"))
	assert.Equal(t, of(tags, "attempt", "pi_1"), of(NewTags([]byte("key")), "attempt", "pi_1"), "on every instance")
	assert.NotEqual(t, of(tags, "attempt", "pi_1"), of(tags, "attempt", "pi_2"))
	assert.NotEqual(t, of(tags, "attempt", "pi_1"), of(tags, "email", "pi_1"))
	assert.NotEqual(t, of(tags, "attempt", "pi_1"), of(NewTags([]byte("another key")), "attempt", "pi_1"))
}

// A token's subject is text of whoever issued it.
func TestACallersNameIsOneWordOfItsLine(t *testing.T) {
	tags := NewTags([]byte("key"))
	for _, name := range []string{"checkout", "kassa-ß-日本", "anna@shop.example", "auth0|5f7c8e", "svc_1.a:b/c+d", "till7", "01234567890"} {
		assert.Equal(t, name, tags.Name(name))
	}
	for name, shown := range map[string]string{
		"nobody (0ms) basic op": `"nobody (0ms) basic op"`,
		"till 7, hall 11":       `"till 7, hall 11"`,
		"request=01JD":          `"request=01JD"`,
		"a\nb\x1b[2J":           `"a\nb\x1b[2J"`,
		"a\u00a0b\u202e":        `"a\u00a0b\u202e"`,
		`a"b`:                   `"a\"b"`,
		"\xff":                  `"\xff"`,
		"+49 30 1234567":        `"+49 30 1234567"`,
	} {
		assert.Equal(t, shown, tags.Name(name))
	}
	masked := map[string]bool{}
	for _, name := range []string{
		"4111111111111111", "4111 1111 1111 1111", "card-4111-1111-1111-1", "x411111111111", "4111_1111_1111_1111", "4111.1111.1111.1111",
		"4a1b1c1d1e1f1g1h1i1j1k1", "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661", // Arabic digits
		"\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11", "\u2463\u2460\u2460\u2460\u2460\u2460\u2460\u2460\u2460\u2460\u2460\u2460", // full width, in circles
	} {
		shown := tags.Name(name)
		assert.Regexp(t, `^masked:[a-z2-7]{8}$`, shown, name)
		assert.False(t, masked[shown], "two names stay two")
		masked[shown] = true
	}
}

// Requests of several callers may come over one connection, from a proxy for instance.
func TestATagIsThatOfItsRequestWhateverTheConnectionCarriedBefore(t *testing.T) {
	tags, kept := NewTags([]byte("key")), new(Kept)
	one, other := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.6")
	for _, request := range []struct {
		from         netip.Addr
		conversation string
	}{{one, "user a"}, {one, "user a"}, {one, "user b"}, {other, "user b"}, {netip.Addr{}, "user b"}, {one, "user a"}} {
		want := string(tags.AppendTag(nil, request.from, []byte(request.conversation)))
		assert.Equal(t, want, kept.tagOf(tags, request.from, []byte(request.conversation)))
		assert.Equal(t, want, (*Kept)(nil).tagOf(tags, request.from, []byte(request.conversation)), "nothing is kept of the connection")
	}
}
