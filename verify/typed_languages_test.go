//go:build verify

package verify

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What forms and JSON make of a field when the shopper wants it: email[]=x, {"email":7}.
var noStrings = []string{
	`null`, `7`, `-1.5e300`, `true`, `false`, `0`, `[]`, `{}`, `["eva@example.com"]`, `{"":""}`, `{"toString":1,"toJSON":2,"__proto__":3,"length":-1}`,
	`["` + strings.Repeat("x", 5000) + `"]`, `["\u0000\u2028"]`, "[" + strings.Repeat(`"x",`, 5000) + "null]",
	strings.Repeat("[", 400) + strings.Repeat("]", 400), strings.Repeat(`{"a":`, 400) + "1" + strings.Repeat("}", 400),
}

// A value of another type is sent as text, which counts as any other does.
func TestNoTypeKeepsACheckFromBeingAnswered(t *testing.T) {
	i := startTyped(t)
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		if strings.HasSuffix(t.Name(), "/Go") {
			return // there they are strings
		}
		shop.open(t, options{URL: "http://" + i.Addr, MS: patient})
		for n, value := range noStrings {
			ip := address()
			fields := map[string]any{}
			for field := range typed {
				fields[field] = json.RawMessage(value)
			}
			maps.Copy(fields, map[string]any{"ip": ip, "card_id": "card-1", "attempt_id": "order-1"})
			for range 2 { // the second is a retry
				a := shop(t, command{Do: "check", Fields: fields})
				assert.Equal(t, "service", a.Source, "%.50s: %s", value, a.Cause)
			}
			fields["outcome"] = "declined"
			shop(t, command{Do: "outcome", Fields: fields})
			awaitDelivered(t, shop, n+1)
			got := counts(t, i, ip)
			assert.LessOrEqual(t, got["emails"], 1, "%.50s", value)
			assert.Equal(t, map[string]int{"cards": 1, "attempts": 1, "declined": 1, "emails": got["emails"], "devices": got["emails"], "accounts": got["emails"]}, got, "%.50s", value)
			fields["attempt_id"] = json.RawMessage(value)
			delete(fields, "outcome")
			assert.Equal(t, "service", shop(t, command{Do: "check", Fields: fields}).Source, "%.50s", value)
		}
		assert.Empty(t, shop(t, command{Do: "faults"}).Faults)
	})
}
