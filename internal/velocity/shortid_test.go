package velocity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

func shortIDs(key string) *velocity.ShortIDs {
	return velocity.NewShortIDs([]byte(strings.Repeat(key, velocity.MinHashKey)))
}

// attemptWith parses fields written name=value.
func attemptWith(t testing.TB, pairs ...string) *velocity.Attempt {
	t.Helper()
	var f velocity.Fields
	for _, pair := range append(pairs, "attempt_id=a") {
		name, value, _ := strings.Cut(pair, "=")
		field, ok := velocity.FieldByName(name)
		require.True(t, ok && f.Set(field, value), pair)
	}
	a, err := velocity.ParseAttempt(&f)
	require.NoError(t, err)
	return &a
}

func TestACardHasOneShortIDWhereverItIsShown(t *testing.T) {
	ids := shortIDs("k")
	card := ids.Card(attemptWith(t, "ip=203.0.113.7", "last4=4242", "expiry=12/30"))
	assert.Regexp(t, `^[a-z2-7]{8}$`, card.String())
	assert.Equal(t, card, ids.Card(attemptWith(t, "ip=198.51.100.1", "last4=4242", "exp_month=12", "exp_year=2030", "email=a@b.example")), "at every address")
	assert.Equal(t, card, shortIDs("k").Card(attemptWith(t, "ip=203.0.113.7", "last4=4242", "expiry=12/30")), "on every instance")
	assert.NotEqual(t, card, shortIDs("l").Card(attemptWith(t, "ip=203.0.113.7", "last4=4242", "expiry=12/30")), "keyed")
	for _, other := range [][]string{{"last4=4243", "expiry=12/30"}, {"last4=4242", "expiry=11/30"}, {"card_id=4242"}} {
		assert.NotEqual(t, card, ids.Card(attemptWith(t, append(other, "ip=203.0.113.7")...)), other)
	}
	one := ids.Card(attemptWith(t, "ip=203.0.113.7", "card_id=card_1"))
	assert.Equal(t, one, ids.Card(attemptWith(t, "ip=203.0.113.7", "card_id=card_1", "expiry=12/30")), "an expiry beside card_id is no part of the card")
	assert.NotEqual(t, one, ids.Attempt("card_1"), "a card is no attempt")
}

func TestWhatIsNotKnownHasNoShortID(t *testing.T) {
	ids := shortIDs("k")
	assert.Zero(t, ids.Card(attemptWith(t, "ip=203.0.113.7", "card=later")))
	assert.Zero(t, ids.Attempt(""))
	assert.Empty(t, velocity.ShortID(0).String())
}

// The ids of a release stay those of the next: people search logs of both.
func TestShortIDsStayWhatTheyAre(t *testing.T) {
	ids := shortIDs("k")
	assert.Equal(t, "gsd4afnr", ids.Attempt("pi_1").String())
	assert.Equal(t, "6lhi64r4", ids.Card(attemptWith(t, "ip=203.0.113.7", "last4=4242", "expiry=12/30")).String())
}

func TestShortIDsOfManyAttemptsDiffer(t *testing.T) {
	ids, seen := shortIDs("k"), map[velocity.ShortID]bool{}
	for n := range 10_000 {
		seen[ids.Attempt(fmt.Sprintf("order-%d", n))] = true
	}
	seen[ids.Attempt(strings.Repeat("ß", 128))] = true
	assert.Len(t, seen, 10_001)
}

func TestAShortIDAllocatesNothing(t *testing.T) {
	ids, a, long := shortIDs("k"), attemptWith(t, "ip=203.0.113.7", "last4=4242", "expiry=12/30"), strings.Repeat("x", 128)
	var sum velocity.ShortID
	assert.Zero(t, testing.AllocsPerRun(100, func() { sum += ids.Card(a) + ids.Attempt(long) }))
	assert.NotZero(t, sum)
}

func BenchmarkShortIDs(b *testing.B) {
	ids, a := shortIDs("k"), attemptWith(b, "ip=203.0.113.7", "last4=4242", "expiry=12/30")
	var sum velocity.ShortID
	for b.Loop() {
		sum += ids.Card(a) + ids.Attempt("01JD2Z4V7K8M9N0P1Q2R3S4T5V")
	}
	_ = sum
}

func TestAShortIDIsReadAsItIsShown(t *testing.T) {
	ids := shortIDs("k")
	for n := range 1000 {
		id := ids.Attempt(fmt.Sprint(n))
		read, ok := velocity.ParseShortID(id.String())
		require.True(t, ok)
		require.True(t, read.Alike(id))
		require.Equal(t, id.String(), read.String())
		require.False(t, read.Alike(ids.Attempt(fmt.Sprint(n+1))))
	}
	for _, text := range []string{"", "aaaaaaa", "AAAAAAAA", "aaaaaaa1", "aaaaaaaaa", "aaaaaaaaaaaaaaaa", "aaaaaa =", "aaaaaa\n\n"} {
		_, ok := velocity.ParseShortID(text)
		assert.False(t, ok, text)
	}
}
