// Package turns bounds how many requests ask the store at once, and for how long.
//
// A processor that is shared by a thousand requests answers all of them late, and a store
// in good health then seems slow. So at most [Settings.Turns] requests have a turn; the
// others wait, first come first served. A check that cannot have one in time is told so,
// and is answered without the store.
//
// # A check
//
// A check has one deadline, [Settings.Answer] after its request was read. The wait for the
// turn, the look-up of a login and the store share it. It takes its turn before the first
// thing that may ask the store, and keeps it until it has been answered.
//
// # Overload
//
// When more checks come than can be served, those at the end of the line could not begin
// in time. They do not stand in the line: they stand aside, and are told that there is no
// turn when their answer is nearly due, not at once. Callers that call again as soon as
// they are answered would otherwise take the processors from the checks that have a turn:
// at a thousand such callers nearly no check was then answered from the store.
//
// # Everything else
//
// Everything else takes a turn for each operation on the store ([Turn.Yield]), so that
// nothing waits for a lock while it has one. One turn in sixteen, at least one, is for
// them: changes before writes, and writes before look-ups. What they do not use, checks
// use.
package turns

import "time"

// A Class says what a turn is for. Its zero value is Check.
type Class uint8

// The classes; of those behind Check the first comes first.
const (
	Check  Class = iota // a check, or an outcome
	Change              // what an analyst or a user changes: forget, log out
	Write               // what this instance has to tell the store by itself
	LookUp              // a look at what is stored, a login

	classes = iota
)

// Settings of a Queue.
type Settings struct {
	Turns  int           // requests that may ask the store at once, at least 1
	Answer time.Duration // from a check's request to its answer
	// Budget is the longest that the store may take of it, at most Answer. A check that
	// would have less than half of it does not begin.
	Budget time.Duration
	// Room is how many checks may wait before one more stands aside: from then on, one of
	// those aside is told that there is no turn, a late one before others and the one that
	// has been there longest. Those in the line stay, as they will be served. 0 for any
	// number.
	Room int
}

// othersWait is the longest that what is no check waits for a turn.
const othersWait = time.Second
