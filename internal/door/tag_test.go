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
		assert.Regexp(t, `^`+shown+`-[A-Za-z0-9_-]{6}$`, tags.Of(netip.MustParseAddr(address), []byte("id")))
	}
	assert.Regexp(t, `^unix-[A-Za-z0-9_-]{6}$`, tags.Of(netip.Addr{}, []byte("id")), "on a unix socket there is no address")
}

func TestATagTellsConversationsApartAndNotWhatTheyAre(t *testing.T) {
	address := netip.MustParseAddr("10.0.0.5")
	tags, others := NewTags([]byte("key")), NewTags([]byte("another key"))
	seen := map[string]bool{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for n := range 100 {
		all.Go(func() {
			id := []byte(fmt.Sprint("conversation ", n))
			tag := tags.Of(address, id)
			assert.Equal(t, tag, tags.Of(address, id), "one conversation, one tag")
			assert.Equal(t, tag, NewTags([]byte("key")).Of(address, id), "on every instance")
			assert.NotEqual(t, tag, others.Of(address, id), "keyed")
			assert.Equal(t, tag[len("10.0.0.5"):], tags.Of(netip.MustParseAddr("10.0.0.6"), id)[len("10.0.0.6"):])
			mu.Lock()
			defer mu.Unlock()
			seen[tag] = true
		})
	}
	all.Wait()
	assert.Len(t, seen, 100)
}

func TestACallersNameThatMayBeACardNumberIsNotShown(t *testing.T) {
	for _, name := range []string{"", "checkout", "kassa-ß-日本", "anna@shop.example", "till 7, hall 11", "+49 30 1234567"} {
		assert.Equal(t, name, Loggable(name))
	}
	for _, name := range []string{"4111111111111111", "4111 1111 1111 1111", "card-4111-1111-1111-1", "x411111111111"} {
		assert.Equal(t, "(a number)", Loggable(name))
	}
}
