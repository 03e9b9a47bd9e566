package main

import (
	"time"

	"fraudcheck/internal/testbed"
)

// A fault is what goes wrong, and which promises hold meanwhile.
type fault struct {
	name    string
	promise promise
	set     func(*trial) error
	seconds int // how long it lasts in a full run, if longer than the others
}

// A promise is a set of things that are judged.
type promise int

const (
	answered  promise = 1 << iota // every call is answered 200
	orShed                        // every call is answered 200 or shed, and some are shed
	blocked                       // blocked addresses stay blocked
	recovers                      // nothing degraded 2 s after the end
	fast                          // p99 under 100 ms
	mayRefuse                     // no promise: connections may be refused while no process listens
	degrades                      // no promise: some answers must be degraded, or the fault was none

	// throughout is what holds whatever happens to memcached.
	throughout = answered | blocked | recovers | fast
)

const (
	recovery = 2 * time.Second
	slowest  = 100.0 // ms, at p99
)

// A broken error says which promise did not hold that only this fault makes.
type broken string

func (b broken) Error() string { return string(b) }

// faults are all there are; the comment of each set function says what happens.
var faults = []fault{
	{name: "killed", promise: throughout | degrades, set: killed},
	{name: "restarted-empty", promise: throughout, set: restartedEmpty},
	{name: "hung", promise: throughout | degrades, set: hung, seconds: 30},
	{name: "slow", promise: throughout | degrades, set: withTrouble(trouble{delay: 200 * time.Millisecond})},
	{name: "jitter", promise: throughout | degrades, set: withTrouble(trouble{jitter: 100 * time.Millisecond})},
	{name: "stalled", promise: throughout | degrades, set: withTrouble(trouble{stall: true})},
	{name: "reset", promise: throughout | degrades, set: withTrouble(trouble{reset: true})},
	{name: "cut", promise: throughout | degrades, set: withTrouble(trouble{cut: true})},
	{name: "garbage", promise: throughout | degrades, set: withTrouble(trouble{garbage: true})},
	{name: "evicting", promise: throughout, set: evicting},
	{name: "one-of-three", promise: throughout | degrades, set: oneOfThree},
	{name: "connection-limit", promise: throughout, set: connectionLimit},
	{name: "learned-while-hung", promise: throughout | degrades, set: learnedWhileHung},
	{name: "restarted-fast", promise: throughout, set: losingMemory(restartFast)},
	{name: "flushed", promise: throughout, set: losingMemory(flush)},
	{name: "forgiven-then-lost", promise: throughout, set: forgivenThenLost},

	{name: "slowloris", promise: answered | blocked | fast, set: slowloris},
	{name: "idle", promise: answered | blocked | fast, set: idle},
	{name: "overload", promise: orShed | blocked, set: overload},
	{name: "descriptors", promise: answered | blocked, set: silent("callers", func(i *testbed.Instance) string { return i.Addr })},
	{name: "operators-crowded", promise: answered | blocked, set: silent("operators", func(i *testbed.Instance) string { return i.Operators })},
	{name: "other-kind-flood", promise: answered | blocked, set: starved},

	{name: "drain", promise: answered | blocked | fast | mayRefuse, set: drain},
	{name: "rolling-restart", promise: answered | blocked, set: rollingRestart},
	{name: "config-fifo", promise: answered | blocked | fast | mayRefuse, set: configFIFO},
	{name: "reload-storm", promise: answered | blocked | fast, set: reloadStorm},
	{name: "snapshot-kill", promise: blocked | mayRefuse, set: snapshotKill},
	{name: "log-disk-full", promise: answered | blocked | fast, set: logDiskFull},
}
