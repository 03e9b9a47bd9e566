// Package velocity is the velocity check: how many different X has this Y shown
// lately? It knows neither HTTP, nor callers, nor metrics. Every decision is a function of
// the records and of a time that the caller passes; only the stores read clocks, for
// deadlines.
//
// Y is the subject (what is watched), X the element (what is counted). The table of
// kinds (kind.go) lists both, and the table of fields (field.go) what a request may
// hold: a new kind with a field of its own is one entry in each. A [Rule] pairs a
// subject with an element. The default rule counts different cards per address: an
// attacker who tests stolen cards shows hundreds, an honest shopper one or two, however
// often they retry.
//
// # Counting
//
// An element counts at time t when t - last seen < window; an age equal to the window is
// expired (list.go). The current attempt is part of the count. An element that
// is shown again gets a new time; the count stays as it is. Blocked attempts are recorded
// too, so an address that keeps showing cards stays blocked.
//
// With [Sliding] retention an element leaves one window after it was last seen. With
// [Idle] all elements stay until none was added or refreshed for a whole window: on an
// address that many people share, idle blocks honest shoppers whom sliding lets pass.
//
// The outcome of a rule is block when the count is over block_over, else review when it
// is over review_over, else allow (rule.go). A rule with a hold blocks, too, for that long
// after the last attempt that it found over block_over (hold.go). All rules are recorded
// and reported. An analyst's override decides first (override.go), then the network lists,
// then the strictest enforced rule; shadow rules have no effect (decision.go).
//
// Declines and declined cards are recorded by [Checker.Answered] only, at the time when the
// issuer answered, or else at the time of the call; a check counts them and adds none. Attempts are told apart by attempt_id and card
// (identity.go): another card under the same attempt_id is another attempt, and an
// outcome repeated with both alike changes nothing (update.go).
//
// Where the card is not known before the charge, a check is judged by what is there: it
// adds no card, and is told from other attempts by attempt_id and second. The outcome
// adds the card (plan.go says where), and what a check would have added to the card's
// own record.
//
// # Records
//
// All that is known of a subject is one [Record] (record.go). It has lists, whose keys
// say what they hold and never which rule reads them: rules that count the same thing
// share a list. A list keeps the most recently seen elements, as many as the largest
// block_over + 1 of its rules, as old as their longest window (plan.go). Since these are
// the newest ones, every rule is decided exactly. A count of block_over + 1 means "at
// least".
//
// Beside its lists a record has marks (mark.go): a key, a time, and at most 1 KiB that
// only marks of that kind give a meaning: the time from which a rule holds the subject, or
// an analyst's override of it. It reads, merges and writes those of kinds that it does not know, too.
//
// Records merge. Of two generations the higher one replaces the other; only marks that
// survive forgetting are kept. Equal generations give the union of the elements with
// their latest times, cut to the bound of each list, and the later of two marks with one
// key. To forget is to write an empty record of a higher generation, so no older copy
// brings it back.
//
// A record has one encoding, with a version and, in a shared store, a MAC (codec.go). A
// record of a newer version is never overwritten. The version says what a reader
// must understand: a record without marks has the version that older instances know, and
// lists and marks of unknown kinds need no newer one.
//
// # Stores
//
// [Memory] holds records in this process (memory.go). [Memcached] shares them: a write
// is merge(stored, this instance's copy, the attempts), conditional on no other write in
// between (exchange.go). So of N concurrent attempts, from any number of instances, each
// with another card, exactly block_over pass. Concurrent updates of one subject in a
// process share one exchange (combine.go). What the servers do not answer within the
// budget is answered from this instance's copy and marked degraded (memcached.go). A
// server that lost its memory or was out of reach is told what matters before it is
// believed (tell.go, backlog.go, package memcached).
//
// # Time
//
// Times are milliseconds since the Unix epoch. A [Clock] is the wall clock at start,
// carried on by the monotonic clock and slewed towards the wall clock by at most 10 ms a
// second. While the two are more than a minute apart, answers are degraded and no times are
// set back (clock.go). A time later than now has age 0; one more than a minute later is set back to a
// minute (list.go).
//
// # Secrets
//
// Stores see only keyed hashes (keys.go): without the hash key, last four digits and
// expiry have too few values to be hidden by hashing. The hash of an element covers its
// subject too, so one card cannot be followed from address to address. Who set an override
// and why is encrypted (override_keys.go).
//
// While the hash key is changed a checker keeps each record under two keys, and the
// stricter answer holds (rotation.go).
//
// # Refusals
//
// There is no second counting mechanism, no window aligned to the clock, no approximate
// counter, and no answer before the attempt is recorded.
package velocity
