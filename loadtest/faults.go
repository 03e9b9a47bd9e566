package main

import (
	"time"

	"fraudcheck/internal/testbed"
)

// A fault is a scene to play and what is promised meanwhile.
type fault struct {
	name    string
	promise promise
	set     func(*scene) error
	seconds int // that it lasts in a full run, if longer than the others
}

// A promise is a set of what is judged.
type promise int

const (
	answered promise = 1 << iota // every call 200
	orShed                       // every call 200 or shed, and some are
	blocked                      // who is blocked stays so
	recovers                     // nothing degraded 2 s after the end
	quick                        // p99 under 100 ms
	absent                       // not a promise: for a while nobody listens
	felt                         // not of the program: the fault was felt, something was degraded

	// always is what holds whatever happens to memcached.
	always = answered | blocked | recovers | quick
)

const (
	recovery = 2 * time.Second
	slowest  = 100.0 // ms, at p99
)

// A broken error is a promise of a scene's own that did not hold.
type broken string

func (b broken) Error() string { return string(b) }

// faults are all there are; each is told at its set function.
var faults = []fault{
	{name: "killed", promise: always | felt, set: killed},
	{name: "restarted-empty", promise: always, set: restartedEmpty},
	{name: "hung", promise: always | felt, set: hung, seconds: 30},
	{name: "slow", promise: always | felt, set: troubled(trouble{delay: 200 * time.Millisecond})},
	{name: "jitter", promise: always | felt, set: troubled(trouble{jitter: 100 * time.Millisecond})},
	{name: "stalled", promise: always | felt, set: troubled(trouble{stall: true})},
	{name: "reset", promise: always | felt, set: troubled(trouble{reset: true})},
	{name: "cut", promise: always | felt, set: troubled(trouble{cut: true})},
	{name: "garbage", promise: always | felt, set: troubled(trouble{garbage: true})},
	{name: "evicting", promise: always, set: evicting},
	{name: "one-of-three", promise: always | felt, set: oneOfThree},
	{name: "connection-limit", promise: always, set: connectionLimit},
	{name: "learned-while-hung", promise: always | felt, set: learnedWhileHung},
	{name: "restarted-fast", promise: always, set: losing(restartFast)},
	{name: "flushed", promise: always, set: losing(flush)},
	{name: "forgiven-then-lost", promise: always, set: forgivenThenLost},

	{name: "slowloris", promise: answered | blocked | quick, set: slowloris},
	{name: "idle", promise: answered | blocked | quick, set: idle},
	{name: "overload", promise: orShed | blocked, set: overload},
	{name: "descriptors", promise: answered | blocked, set: silent("callers", func(i *testbed.Instance) string { return i.Addr })},
	{name: "operators-crowded", promise: answered | blocked, set: silent("operators", func(i *testbed.Instance) string { return i.Operators })},
	{name: "other-kind-flood", promise: answered | blocked, set: starved},

	{name: "drain", promise: answered | blocked | quick | absent, set: drain},
	{name: "rolling-restart", promise: answered | blocked, set: rollingRestart},
	{name: "config-fifo", promise: answered | blocked | quick | absent, set: configFIFO},
	{name: "reload-storm", promise: answered | blocked | quick, set: reloadStorm},
	{name: "snapshot-kill", promise: blocked | absent, set: snapshotKill},
	{name: "log-disk-full", promise: answered | blocked | quick, set: logDiskFull},
}
