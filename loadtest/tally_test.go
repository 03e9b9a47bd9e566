package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTallyJudgesEveryEndOfACall(t *testing.T) {
	for name, tt := range map[string]struct {
		call call
		end  answer
		want func(*tally) int64
	}{
		"lost":                     {call{}, answer{err: errors.New("gone")}, func(t *tally) int64 { return t.failed }},
		"not taken":                {call{}, answer{err: errors.New("refused"), refused: true}, func(t *tally) int64 { return t.refused }},
		"shed":                     {call{}, answer{status: 503, retry: true}, func(t *tally) int64 { return t.shed }},
		"shed without Retry-After": {call{}, answer{status: 503}, func(t *tally) int64 { return t.failed }},
		"an honest one blocked":    {call{}, answer{status: 200, decision: "block"}, func(t *tally) int64 { return t.wrong }},
		"an honest one reviewed":   {call{}, answer{status: 200, decision: "review"}, func(t *tally) int64 { return t.wrong }},
		"no decision":              {call{}, answer{status: 200}, func(t *tally) int64 { return t.wrong }},
		"the attack reviewed":      {call{attack: true}, answer{status: 200, decision: "review"}, func(t *tally) int64 { return t.letThrough }},
		"moved":                    {call{}, answer{status: 200, decision: "allow", moved: 1}, func(t *tally) int64 { return t.moved }},
	} {
		one := newTally()
		one.note(tt.call, tt.end, time.Now())
		all := newTally()
		all.add(one)
		assert.EqualValues(t, 1, tt.want(all), name)
		assert.EqualValues(t, 1, all.calls, name)
		assert.EqualValues(t, 1, all.failed+all.refused+all.shed+all.wrong+all.letThrough+all.moved, name)
	}
}

func TestTallyMeasuresFromWhenACallWasDue(t *testing.T) {
	begin := time.Now()
	all := newTally()
	for i := range 4 {
		one := newTally()
		for ms := 1 + i; ms <= 1000; ms += 4 {
			due := begin.Add(time.Duration(ms) * time.Second)
			well := answer{status: 200, decision: "allow", degraded: ms > 500 && ms <= 600}
			one.note(call{due: due, phase: during}, well, due.Add(time.Duration(ms)*time.Millisecond))
			one.note(call{due: due, phase: before}, well, due.Add(time.Minute))
			one.note(call{due: due, phase: after}, answer{status: 200, decision: "allow"}, due)
		}
		all.add(one)
	}
	assert.InEpsilon(t, 500, all.quantile(50), .02)
	assert.InEpsilon(t, 990, all.quantile(99), .02)
	assert.InEpsilon(t, 1000, all.quantile(100), .02)
	assert.InEpsilon(t, .1, all.degradedShare(), .001)
	assert.Equal(t, begin.Add(600*time.Second), all.lastDegraded)
}
