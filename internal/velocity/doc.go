// Package velocity is the velocity check itself: how many different X has this Y
// shown lately? It knows neither HTTP, nor who asks, nor Prometheus. It judges by
// times it is given; only the way to memcached reads a clock, for its deadlines.
//
// Y is the subject (who is watched), X the element (what is counted); the kinds
// of both stand in one table, kind.go. A [Rule] pairs them. The default one
// counts distinct cards per address: an attacker who tests stolen cards shows
// hundreds, an honest shopper one or two, however often they retry.
//
// # Counting
//
// An element counts at time t when t - last seen < window; age equal to the
// window is expired (list.go). The attempt at hand is part of the count. The same
// element again refreshes its time and changes no count. Blocked attempts are
// recorded and refresh too, so an address that keeps showing cards stays blocked.
//
// With [Sliding] retention an element leaves one window after it was last seen.
// With [Idle] all stay until none was added or refreshed in the list for a whole
// window: on an address that many people share, that blocks honest shoppers whom
// sliding would let through.
//
// The outcome is block when the count is over block_over, else review when it is
// over review_over, else allow (rule.go). The strictest enforced rule decides;
// shadow rules are recorded, evaluated and reported only (decision.go). Every
// rule is recorded and reported, whatever another one says (checker.go).
//
// Declined cards enter only as outcomes, stamped on arrival; a check reads them
// and adds none. Attempts are told apart by attempt_id and card (identity.go): another
// card under the same attempt_id is another attempt; an outcome repeated with both
// alike changes nothing (update.go).
//
// # One record per subject
//
// All that is known of a subject is one [Record] (record.go): lists, keyed by what
// they hold and never by a rule, so that rules which count the same thing share
// one. A list keeps the most recently seen elements, as many as the largest
// block_over + 1 of its rules, as old as their longest window (plan.go). Nothing
// is lost by that bound: the kept ones are the newest, so every threshold is
// decided exactly. A reported count of block_over + 1 means "at least".
//
// Beside its lists a record holds marks (mark.go): a key, a time and at most 1 KiB of
// which only the mark's kind knows the meaning, such as an analyst's override. Nothing
// writes one yet; they are read, merged and written like any other part.
//
// Records merge: the higher generation wins whole, equal generations give the
// union with the latest times, then the bound. Forgetting writes an empty record
// of a higher generation, so that no older copy brings it back; marks that are to
// survive it do. Of two marks with one key the later stays.
//
// A record has one written form, with a version and, in a shared store, a keyed
// check (codec.go). A record of a newer version is never overwritten. A version is
// raised only for what a record holds: without marks it is the version that older
// instances read, and lists and marks of kinds that an instance does not know are
// carried through it.
//
// # Stores
//
// [Memory] holds records in this process (memory.go). [Memcached] shares them: a
// write is merge(stored, this instance's copy, the attempts), conditional on
// nobody having written in between (exchange.go), so that N concurrent attempts,
// from any number of instances, let exactly block_over cards pass. Updates of one
// subject that meet in a process go together (flight.go). What does not answer
// within the budget is answered from the copy, marked degraded (memcached.go). A server
// that lost its memory or was out of reach is told what matters before it is believed
// (watch.go, tell.go, backlog.go).
//
// # Time
//
// Times are milliseconds. A [Clock] is the wall clock at start carried on by the
// monotonic clock and drawn after the wall clock by at most 10 ms a second. A time
// later than now has age 0; one more than a minute ahead is pulled back to a
// minute ahead (list.go).
//
// # Secrets
//
// Stores see only keyed hashes (keys.go): without the hash key, last four digits
// and expiry are too few to be hidden by hashing. A subject is mixed into its
// elements' hashes, so one card cannot be followed from address to address.
//
// # Refusals
//
// There is no second counting mechanism, no window aligned to the clock, no
// approximate counter, and no answer before the attempt is recorded.
package velocity
