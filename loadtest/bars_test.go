package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

// staged is a stage of a second in which so many calls were answered, each after took.
func staged(conns, answered int, took time.Duration) *stage {
	w := newWindow()
	w.lasted = time.Second
	for n := range answered {
		w.note(n, calls.Answer{Status: 200, Decision: 'a'}, false, took)
	}
	return &stage{window: w.merged(), conns: conns}
}

func TestABarThatThisMachineCannotHoldIsNotJudged(t *testing.T) {
	const late = 200 * time.Millisecond
	fast, slow := staged(fewConns, 12_000, 0), staged(fewConns, 9_000, 0)
	for name, tt := range map[string]struct {
		carries          carries
		stage            *stage
		broken, unjudged string
	}{
		"in time":                      {carries{slow, slow}, staged(1000, 100, 50*time.Millisecond), "", ""},
		"late":                         {carries{fast, fast}, staged(1000, 100, late), "p99 201 ms", ""},
		"late on a slow machine":       {carries{slow, slow}, staged(1000, 100, late), "", "p99 201 ms: 1000 connections need 10000 checks/s for it, this machine carries 9000"},
		"late with few connections":    {carries{slow, slow}, staged(64, 100, late), "p99 201 ms", ""},
		"late on a machine that slows": {carries{staged(64, 15_000, 0), fast}, staged(1000, 100, late), "", "p99 201 ms: this machine carried 15000 checks/s before and 12000 after"},
	} {
		v := verdict{carries: tt.carries}
		v.inTime(tt.stage)
		assert.Equal(t, tt.broken, first(v.broken), name)
		assert.Equal(t, tt.unjudged, first(v.unjudged()), name)
	}
	busy := staged(1000, 100, late)
	busy.others = 0.5
	v := verdict{carries: carries{fast, fast}}
	v.inTime(busy)
	assert.Equal(t, "p99 201 ms: others took 50% of this machine", first(v.unjudged()))
	v = verdict{carries: carries{fast, fast}}
	v.rate(staged(1000, 10_000, 0))
	assert.Equal(t, "rate 0.83 of that at 64 connections", first(v.broken))
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

func TestEveryAnswerToACardTesterCounts(t *testing.T) {
	pass, block := calls.Answer{Status: 200, Decision: 'r'}, calls.Answer{Status: 200, Decision: 'b'}
	degraded := calls.Answer{Status: 200, Decision: 'a', Degraded: true}
	begun := time.Now()
	for name, tt := range map[string]struct {
		answers []calls.Answer
		want    string
	}{
		"five pass":                {[]calls.Answer{pass, pass, pass, pass, pass, block}, ""},
		"six pass":                 {[]calls.Answer{pass, pass, pass, pass, pass, pass, block}, "of an attacker's 7 cards 6 passed, and 0 degraded"},
		"four pass":                {[]calls.Answer{pass, pass, pass, pass, block, block}, "of an attacker's 6 cards 4 passed, and 0 degraded"},
		"four, and a degraded one": {[]calls.Answer{pass, pass, degraded, pass, pass, block}, ""},
		"six degraded":             {[]calls.Answer{degraded, degraded, degraded, degraded, degraded, degraded, block}, "of an attacker's 7 cards 0 passed, and 6 degraded"},
		"one after the block":      {[]calls.Answer{pass, pass, pass, pass, block, pass}, "1 calls of the blocked let through"},
		"too few":                  {[]calls.Answer{pass, pass, pass, pass, pass}, "an attacker called 5 times only"},
	} {
		c := newCardTesters()
		for i := range uint32(testersInCrowd) {
			answers := []calls.Answer{pass, pass, pass, pass, pass, block}
			if i == 0 {
				answers = tt.answers
			}
			for n, a := range answers {
				at := begun.Add(time.Duration(n) * time.Second)
				c.note(c.first+i, a, at, at.Add(time.Millisecond))
			}
		}
		assert.Equal(t, tt.want, c.problem(), name)
	}
}

func TestAHistogramOfAWindowHasAMedian(t *testing.T) {
	before := testbed.Metrics{`wait_bucket{le="0.001"}`: 5, `wait_bucket{le="0.01"}`: 5, `wait_bucket{le="+Inf"}`: 5, "wait_count": 5}
	after := testbed.Metrics{`wait_bucket{le="0.001"}`: 7, `wait_bucket{le="0.01"}`: 11, `wait_bucket{le="+Inf"}`: 12, "wait_count": 12}
	assert.EqualValues(t, 10, grown(before, after, "wait").median(), "two within 1 ms, six of seven within 10")
	assert.True(t, math.IsNaN(grown(before, before, "wait").median()))
	assert.Nil(t, grown(before, after, "other"))
}
