package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
)

const (
	someCard  = `{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}`
	asJSON    = "Content-Type: application/json"
	asText    = "Content-Type: text/plain"
	chunked   = "Transfer-Encoding: chunked"
	lastChunk = "\r\n0\r\n\r\n"
)

// nine is a body of 9 KiB.
var nine = strings.Repeat("x", 9<<10)

// A port is the callers' port of a fraudcheck.
type port struct {
	*doortest.Port
	all *doortest.Fraudcheck
}

func open(t testing.TB, change ...func(*doortest.Setup)) *port {
	t.Helper()
	all := doortest.Open(t, change...)
	return &port{all.Callers, all}
}

// cardBody is an attempt at that address with one of many cards.
func cardBody(address string, card int) string {
	return fmt.Sprintf(`{"ip":%q,"last4":"%04d","exp_month":12,"exp_year":2030}`, address, card)
}

// check is a valid request of the checkout.
func check(address string, card int) string {
	return doortest.Raw("POST /v1/check", cardBody(address, card), doortest.AsCheckout)
}

// countOf is what the answer's only rule counted.
func countOf(t testing.TB, a doortest.Answer) int {
	t.Helper()
	rules, _ := a.JSON["rules"].([]any)
	require.Len(t, rules, 1, a.Body)
	return int(rules[0].(map[string]any)["count"].(float64))
}
