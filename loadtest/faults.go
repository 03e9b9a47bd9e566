package main

import (
	"time"

	"fraudcheck/internal/testbed"
)

// A fault is what goes wrong, and which promises hold meanwhile. A new fault is a
// function in faults_*.go and a line in faults.
type fault struct {
	name    string // for --only and the table
	promise promise
	prepare func(*trial) error                     // starts processes and sets the trial's begin, end and check
	seconds int                                    // how long it lasts in a full run, if longer than the others
	needs   string                                 // a program beside memcached
	left    bool                                   // left out of the tests: it takes long, or a test of the program stages it
	crowd   func(*trial, *verdict) (*stage, error) // in place of prepare: loads the program itself, and judges
}

// A promise is a set of things that are judged: see judge.
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
	// See "What is promised" in the package comment.
	recovery = 2 * time.Second
	slowest  = 100.0 // ms, at p99
)

// A brokenPromise says which promise did not hold that only this fault makes.
type brokenPromise string

func (b brokenPromise) Error() string { return string(b) }

// faults are all there are; the comment of each prepare function says what happens.
var faults = append([]fault{
	{name: "killed", promise: throughout | degrades, prepare: killed},
	{name: "restarted-empty", promise: throughout, prepare: restartedEmpty},
	{name: "hung", promise: throughout | degrades, prepare: hung, seconds: 30},
	{name: "slow", promise: throughout | degrades, prepare: withTrouble(trouble{delay: 200 * time.Millisecond})},
	{name: "jitter", promise: throughout | degrades, prepare: withTrouble(trouble{jitter: 100 * time.Millisecond})},
	{name: "stalled", promise: throughout | degrades, prepare: withTrouble(trouble{stall: true})},
	{name: "reset", promise: throughout | degrades, prepare: withTrouble(trouble{reset: true})},
	{name: "cut", promise: throughout | degrades, prepare: withTrouble(trouble{cut: true})},
	{name: "garbage", promise: throughout | degrades, prepare: withTrouble(trouble{garbage: true})},
	{name: "evicting", promise: throughout, prepare: evicting},
	{name: "one-of-three", promise: throughout | degrades, prepare: oneOfThree},
	{name: "connection-limit", promise: throughout, prepare: connectionLimit},
	{name: "learned-while-hung", promise: throughout | degrades, prepare: learnedWhileHung},
	{name: "restarted-fast", promise: throughout, prepare: losingMemory(restartFast)},
	{name: "flushed", promise: throughout, prepare: losingMemory(flush)},
	{name: "forgiven-then-lost", promise: throughout, prepare: letGoThenLost((*trial).forget)},
	{name: "overridden-then-lost", promise: throughout, prepare: letGoThenLost((*trial).override)},
	{name: "record-refused", promise: answered | blocked | fast, prepare: recordRefused},
	{name: "full", promise: throughout | degrades, prepare: full},

	{name: "slowloris", promise: answered | blocked | fast, prepare: slowloris},
	{name: "idle", promise: answered | blocked | fast, prepare: idle},
	{name: "overload", promise: orShed | blocked, prepare: overload},
	{name: "descriptors", promise: answered | blocked, prepare: silent("callers", func(i *testbed.Instance) string { return i.Addr })},
	{name: "operators-crowded", promise: answered | blocked, prepare: silent("operators", func(i *testbed.Instance) string { return i.Operators })},
	{name: "other-kind-flood", promise: answered | blocked, prepare: starved},
	{name: "scraped", promise: answered | blocked | fast, prepare: scraped, left: true},
	{name: "guessed-at", promise: answered | blocked | fast, prepare: guessedAt, left: true},
	{name: "accept-errors", promise: answered | blocked, prepare: acceptErrors, needs: "strace"},

	{name: "drain", promise: answered | blocked | fast | mayRefuse, prepare: drain},
	{name: "rolling-restart", promise: answered | blocked, prepare: rollingRestart},
	{name: "config-fifo", promise: answered | blocked | fast | mayRefuse, prepare: configFIFO},
	{name: "reload-storm", promise: answered | blocked | fast, prepare: reloadStorm},
	{name: "snapshot-kill", promise: blocked | mayRefuse, prepare: snapshotKill},
	{name: "unfinished-snapshot", promise: mayRefuse, prepare: unfinishedSnapshot, needs: "strace", left: true},
	{name: "stop-on-slow-disk", promise: mayRefuse, prepare: stopOnSlowDisk, needs: "strace", left: true},
	{name: "early-hangup", promise: blocked | mayRefuse, prepare: earlyHangup},
	{name: "log-disk-full", promise: answered | blocked | fast, prepare: logDiskFull},
	{name: "log-replaced", promise: answered | blocked | fast, prepare: logReplaced},
	{name: "blocked-stderr", promise: answered | blocked | fast | mayRefuse, prepare: blockedStderr, left: true},
}, saturations...)
