package replay

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"fraudcheck/internal/velocity"
)

// A testRow is a row of a random history, before it is written as CSV.
type testRow struct {
	at                                          int64 // milliseconds
	ip, cardID, last4, expiry, email, attemptID string
	outcome, reason, heardAt, label, amount     string
}

const testHeader = "at,address,token,digits,expires,mail,try,answer,why,heard,bad,sum\n"

var testColumns = Columns{
	Time: "at", Label: "bad", Amount: "sum", OutcomeTime: "heard", OutcomeAfter: 3 * time.Second,
	Fields: map[velocity.Field]string{
		velocity.FieldIP: "address", velocity.FieldCardID: "token", velocity.FieldLast4: "digits", velocity.FieldExpiry: "expires",
		velocity.FieldEmail: "mail", velocity.FieldAttemptID: "try", velocity.FieldOutcome: "answer", velocity.FieldReason: "why",
	},
}

func csvOf(rows []testRow) string {
	var b strings.Builder
	b.WriteString(testHeader)
	for _, r := range rows {
		fmt.Fprintf(&b, "%d,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", r.at, r.ip, r.cardID, r.last4, r.expiry, r.email, r.attemptID, r.outcome, r.reason, r.heardAt, r.label, r.amount)
	}
	return b.String()
}

// histories draws rows that meet each other often: few subjects, cards and attempts, and
// steps of time around a second and the windows of ruleSets.
func histories() *rapid.Generator[[]testRow] {
	steps := []int64{0, 0, 0, 1, 2, 499, 500, 999, 1000, 1001, 1999, 2000, 2001, 2999, 3000, 3001, 5000, 9999, 10_000, 10_001, 60_000}
	return rapid.Custom(func(t *rapid.T) (rows []testRow) {
		at := int64(1_800_000_000_000)
		for range rapid.IntRange(1, 60).Draw(t, "rows") {
			at += rapid.SampledFrom(steps).Draw(t, "step")
			r := testRow{
				at:        at,
				ip:        rapid.SampledFrom([]string{"203.0.113.7", "203.0.113.7", "::ffff:203.0.113.7", "203.0.113.8", "198.51.100.1", "2001:db8::1", "2001:db8::2", ""}).Draw(t, "ip"),
				email:     rapid.SampledFrom([]string{"a@example.com", "A+x@example.com", "b@example.com", ""}).Draw(t, "email"),
				attemptID: rapid.SampledFrom([]string{"t1", "t2", "t3", "", ""}).Draw(t, "attempt"),
				outcome:   rapid.SampledFrom([]string{"approved", "declined", "declined", "declined", "error", ""}).Draw(t, "outcome"),
				label:     rapid.SampledFrom([]string{"1", "0", "0", ""}).Draw(t, "label"),
				amount:    rapid.SampledFrom([]string{"1", "2.5", "100.01", ""}).Draw(t, "amount"),
			}
			if r.ip == "" && r.email == "" {
				r.email = "c@example.com"
			}
			switch rapid.IntRange(0, 5).Draw(t, "card") {
			case 0, 1, 2:
				r.cardID = rapid.SampledFrom([]string{"c1", "c2", "c3", "c4", "c5", "c6"}).Draw(t, "card_id")
				r.expiry = rapid.SampledFrom([]string{"", "12/30", "11/29"}).Draw(t, "expiry beside it")
			case 3:
				r.last4 = rapid.SampledFrom([]string{"4242", "1881"}).Draw(t, "last4")
				r.expiry = rapid.SampledFrom([]string{"12/30", "2030-12", ""}).Draw(t, "expiry")
			}
			if r.outcome == "declined" {
				r.reason = rapid.SampledFrom([]string{"", "invalid_number", "insufficient_funds"}).Draw(t, "reason")
			}
			if r.outcome != "" && rapid.IntRange(0, 2).Draw(t, "heard at its own time") == 0 {
				r.heardAt = fmt.Sprint(at + rapid.SampledFrom([]int64{-5, 0, 1, 1000, 10_000, 60_000}).Draw(t, "later"))
			}
			rows = append(rows, r)
		}
		return rows
	})
}

var testPairs = [][2]string{
	{"ip", "cards"}, {"ip", "cards"}, {"ip", "attempts"}, {"ip", "declined_cards"}, {"ip", "declines"}, {"ip", "emails"},
	{"card", "attempts"}, {"card", "ips"}, {"card", "declines"}, {"card", "expiries"}, {"email", "cards"}, {"email", "attempts"},
	{"email", "declines"}, {"network", "cards"}, {"network", "declined_cards"},
}

// ruleSets draws rules that share lists, or not.
func ruleSets() *rapid.Generator[[]velocity.Rule] {
	return rapid.Custom(func(t *rapid.T) (rules []velocity.Rule) {
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			pair := rapid.SampledFrom(testPairs).Draw(t, "pair")
			r := velocity.Rule{
				Name: fmt.Sprintf("rule_%d", i), Per: pair[0], Count: pair[1],
				Window:    time.Duration(rapid.SampledFrom([]int{1, 2, 3, 10, 60}).Draw(t, "window")) * time.Second,
				BlockOver: rapid.IntRange(1, 4).Draw(t, "block_over"),
				Retention: rapid.SampledFrom([]velocity.Retention{velocity.Sliding, velocity.Sliding, velocity.Idle}).Draw(t, "retention"),
				Hold:      time.Duration(rapid.SampledFrom([]int{0, 0, 2, 20}).Draw(t, "hold")) * time.Second,
				Mode:      rapid.SampledFrom([]velocity.Mode{velocity.Enforce, velocity.Enforce, velocity.Shadow}).Draw(t, "mode"),
			}
			r.ReviewOver = rapid.IntRange(0, r.BlockOver-1).Draw(t, "review_over")
			rules = append(rules, r)
		}
		return rules
	})
}
