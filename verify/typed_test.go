package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// typed are the fields whose text a shopper types or brings along, and how many characters
// of it count.
var typed = map[string]int{"email": 256, "device": 256, "cart": 256, "account": 256, "attempt_id": 128}

// Texts with which a shopper might have a check refused: it would not be checked then.
var hostile = map[string]string{
	"usual":                     "eva@example.com",
	"long":                      strings.Repeat("a", 300) + "@example.com",
	"a mebibyte":                strings.Repeat("eva@example.com ", 1<<16),
	"of exactly 256":            strings.Repeat("b", 256),
	"of 2 bytes each":           strings.Repeat("é", 257),
	"of 4 bytes each":           strings.Repeat("😀", 300),
	"of 3 and 4 bytes":          "x" + strings.Repeat("😀中", 300),
	"accents that combine":      strings.Repeat("e\u0301", 200),
	"quotes":                    strings.Repeat(`"`, 300),
	"backslashes":               strings.Repeat(`\`, 300),
	"control characters":        strings.Repeat("\x01", 300),
	"NUL":                       "\x00",
	"NUL inside":                "eva@example.com\x00.org",
	"delete":                    strings.Repeat("\x7f", 300),
	"markup":                    strings.Repeat("<&>", 100),
	"line separators":           strings.Repeat("\u2028", 150) + strings.Repeat("\u2029", 150),
	"lines":                     "a\r\nb\nc\u0085d",
	"the end of the planes":     "\uffff\ufdd0\U0010ffff",
	"a byte order mark":         "\ufeffeva@example.com",
	"a blank":                   " ",
	"blanks":                    " \t\r\n\v\f\u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000",
	"300 blanks":                strings.Repeat(" ", 300),
	"300 wide blanks":           strings.Repeat("\u3000\u0085", 150),
	"blanks around":             strings.Repeat(" \u0085", 300) + "eva@example.com" + strings.Repeat("\t\u00a0", 300),
	"blanks inside":             "a" + strings.Repeat(" ", 300) + "b",
	"nothing of any width":      "\u200b\u2060\u180e",
	"zero":                      "0",
	"null":                      "null",
	"a whole card number":       "4242 4242 4242 4242",
	"an escape of half a pair":  `\ud83d`,
	"more fields":               `x","ip":"198.51.100.1","no":"`,
	"the name of a prototype":   "__proto__",
	"a form":                    "a=b&c=%zz",
	"right to left, and tagged": "\u202eeva+tag@example.com\u202c",
}

// What is no text in some language: bytes that are not UTF-8, halves of UTF-16.
var noText = map[string]string{
	"half a pair":       "=\xd8",
	"the other half":    "\x00\xdc",
	"many halves":       strings.Repeat("=\xd8", 300),
	"halves about text": strings.Repeat(" \x00", 10) + strings.Repeat("=\xd8a\x00", 300),
	"a half cut off":    strings.Repeat("=\xd8\x00\xde", 255) + "=\xd8",
	"no UTF-8":          strings.Repeat("\xff\xfe", 300),
	"too long a form":   "\xc0\xaf\xe0\x80\xaf\xed\xa0\xbd",
}

// Whatever a shopper types, the check is answered, and counts what the service itself
// counts of the text that it takes: the first characters, of an e-mail those after blanks.
func TestNoTextKeepsACheckFromBeingAnswered(t *testing.T) {
	t.Parallel()
	i := startTyped(t)
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		shop.open(t, options{URL: "http://" + i.Addr, MS: patient})
		delivered := 0
		for name, text := range hostile {
			ip := address()
			fields, accepted := attempt(ip, 1), attempt(ip, 1)
			for field, limit := range typed {
				fields[field], accepted[field] = text, firstOf(text, limit)
			}
			accepted["email"] = firstOf(strings.TrimSpace(text), typed["email"])
			a := shop.check(t, fields)
			assert.Equal(t, "service", a.Source, "%s: %s", name, a.Cause)
			assert.Equal(t, http.StatusOK, post(t, i, accepted), name) // as if it were sent again
			fields["outcome"] = "declined"
			shop(t, command{Do: "outcome", Fields: fields})
			delivered++
			awaitDelivered(t, shop, delivered)
			want := map[string]int{"cards": 1, "attempts": 1, "declined": 1, "emails": 1, "devices": 1, "accounts": 1}
			if accepted["email"] == "" {
				want["emails"] = 0
			}
			assert.Equal(t, want, counts(t, i, ip), name)
		}
		assert.Empty(t, shop(t, command{Do: "faults"}).Faults)
	})
}

// Each is one text, however it is replaced.
func TestWhatIsNoTextIsReplaced(t *testing.T) {
	t.Parallel()
	i := startTyped(t)
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		shop.open(t, options{URL: "http://" + i.Addr, MS: patient})
		delivered := 0
		for name, text := range noText {
			ip := address()
			raw := map[string]string{}
			for field := range typed {
				raw[field] = hex.EncodeToString([]byte(text))
			}
			for range 2 { // the second is a retry
				a := shop(t, command{Do: "check", Fields: attempt(ip, 1), Bytes: raw})
				assert.Equal(t, "service", a.Source, "%s: %s", name, a.Cause)
			}
			outcome := attempt(ip, 1)
			outcome["outcome"] = "declined"
			shop(t, command{Do: "outcome", Fields: outcome, Bytes: raw})
			delivered++
			awaitDelivered(t, shop, delivered)
			assert.Equal(t, map[string]int{"cards": 1, "attempts": 1, "declined": 1, "emails": 1, "devices": 1, "accounts": 1}, counts(t, i, ip), name)
		}
		assert.Empty(t, shop(t, command{Do: "faults"}).Faults)
	})
}

// What the shop got wrong stays refused, and is shown.
func TestAWrongFieldOfTheShopStaysAFault(t *testing.T) {
	i := startTyped(t)
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		shop.open(t, options{URL: "http://" + i.Addr, MS: patient})
		for field, wrong := range map[string]string{"ip": "shopper", "card_id": strings.Repeat("x", 129), "last4": "42424", "expiry": "13/30", "no_ip": "none", "card": "soon"} {
			fields := attempt(address(), 1)
			fields[field] = wrong
			fields["email"] = strings.Repeat("x", 300)
			if field == "no_ip" {
				delete(fields, "ip")
			}
			assert.Equal(t, "fault", shop.check(t, fields).Cause, field)
		}
		require.Eventually(t, func() bool { return len(shop(t, command{Do: "faults"}).Faults) == 6 }, testbed.Prompt, testbed.PollInterval)
		for _, f := range shop(t, command{Do: "faults"}).Faults {
			assert.Equal(t, http.StatusBadRequest, f.Status)
			assert.NotEmpty(t, f.Field)
			assert.NotContains(t, typed, f.Field)
		}
	})
}

// startTyped starts the program with rules that count what the fields are counted in.
func startTyped(t *testing.T) *testbed.Instance {
	t.Helper()
	return startRules(t, []string{"cards", "attempts", "declined_cards", "emails", "devices", "accounts"}, "127.0.0.1:0")
}

// firstOf returns the first characters of the text.
func firstOf(text string, limit int) string {
	characters := []rune(text)
	return string(characters[:min(limit, len(characters))])
}

// awaitDelivered waits until the shop's client has delivered that many outcomes.
func awaitDelivered(t *testing.T, shop shop, n int) {
	t.Helper()
	var counters map[string]int
	require.Eventually(t, func() bool {
		counters = shop.counters(t)
		return counters["outcomes_delivered"] == n
	}, testbed.Prompt, testbed.PollInterval, "%v", counters)
}

// post sends a check without any client of ours, and returns the status.
func post(t *testing.T, i *testbed.Instance, fields map[string]string) int {
	t.Helper()
	body, err := json.Marshal(fields)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+i.Addr+"/v1/check", bytes.NewReader(body))
	require.NoError(t, err)
	r.SetBasicAuth("checkout", "correct-horse-battery")
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	return got.StatusCode
}
