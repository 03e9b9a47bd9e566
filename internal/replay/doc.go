// Package replay decides again about the attempts of a history: what would these rules have
// decided on my own shop's data? It reads rows from files, has package velocity judge them as
// one instance with the embedded store alone, whose clock shows the time of each row, and
// counts what came of it.
//
// # A row
//
// Each row is an attempt: a check at the row's time and, where the row has an outcome, the
// issuer's answer, heard a while later (columns.go). A row without a value is a check without
// it: without an IP address one with no_ip, without a card one whose card is known later. A
// row that the service would refuse is malformed: it is counted and named by its number and
// column, and takes no part. What a row held is in no error and no result.
//
// # Order
//
// Rows of one millisecond count in the order of the files. An outcome that is due by the time
// of a row is heard before that row; those due at one time in the order of their rows.
//
// # How it goes
//
// One goroutine cuts the files into chunks of whole rows (chunks.go). Others split and judge
// the fields of a chunk each and hash what the rules ask for (parse.go). The last one takes
// the chunks in order and applies them to the records (judge.go). Records that are outside
// their windows leave, so memory does not grow with the history; where rows must be sorted,
// or standard input read twice, the columns in use are held in memory (held.go).
//
// # Sweeps
//
// Records do not depend on thresholds, as blocked attempts are recorded too. So one count of
// the longest list and widest window decides every cell of a sweep: see lanes.go, which also
// says when that is not so and a cell needs records of its own.
package replay
