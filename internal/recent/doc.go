// Package recent keeps in memory what happened lately at this instance, for those who
// watch: each part is told of every check ([event.Watcher]) and takes constant memory. A
// check writes a note; [Checks] has the parts see many of them at once, and all of them
// before somebody reads.
//
// # Blocked
//
// [Blocked] is which IP addresses were blocked and are still trying. What it notes at a
// check is only whom to ask for: the answer comes from the records, which know what was
// forgotten, overridden or changed since.
//
// # Decisions
//
// [Ring] is the last decisions, with their addresses in clear and short ids of cards and
// attempts ([velocity.ShortID]): it never holds a card's digits or expiry, an attempt_id or
// any other field.
//
// # Traffic
//
// [Traffic] is who sends most of the last ten minutes' checks, and how many different
// addresses and cards came, estimated in sketches under a key of this process.
//
// # Minutes
//
// [Minutes] is the last hour, minute by minute: what was decided, and what each rule said.
package recent
