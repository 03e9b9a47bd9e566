package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The honest must have nothing in common and at most two cards, and each of the
// attack's cards must be new, or what is judged means nothing.
func TestTrafficIsWhatItIsSaidToBe(t *testing.T) {
	type shown struct {
		IP, Last4 string
		Month     int `json:"exp_month"`
		Year      int `json:"exp_year"`
	}
	traffic, cards, attacks, again := newTraffic("mixed"), make(map[string]map[shown]bool), 0, 0
	const calls = 20_000
	for range calls {
		c := traffic.next()
		var s shown
		require.NoError(t, json.Unmarshal(c.body, &s), "%s", c.body)
		subject := s.IP
		if c.attack {
			attacks++
		} else {
			subject = s.IP[:len(s.IP)-1] // the turn is in its last digit, outside the /64
		}
		s.IP = ""
		if cards[subject] == nil {
			cards[subject] = make(map[shown]bool)
		}
		if cards[subject][s] {
			again++
		}
		cards[subject][s] = true
		if c.attack {
			require.Regexp(t, `^203\.0\.113\.[1-8]$`, subject)
		} else {
			require.LessOrEqual(t, len(cards[subject]), 2)
		}
	}
	assert.Equal(t, calls/5, attacks)
	assert.Greater(t, again, calls/10, "some try the same card again")
	for n := range attackers {
		assert.Len(t, cards["203.0.113."+string(rune('1'+n))], attacks/attackers, "all different")
	}
	assert.Greater(t, len(cards), calls/4)
}

func TestTrafficOfOneKind(t *testing.T) {
	for mix, attack := range map[string]bool{"honest": false, "attack": true} {
		traffic := newTraffic(mix)
		for range 1000 {
			require.Equal(t, attack, traffic.next().attack, mix)
		}
	}
}
