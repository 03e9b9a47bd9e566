// Package recent keeps in memory what happened lately at this instance, for those who
// watch: each part is told of every check ([event.Watcher]), takes constant memory, and
// costs a check next to nothing.
//
// # Blocked
//
// [Blocked] is which IP addresses were blocked and are still trying. What it notes at a
// check is only whom to ask for: the answer comes from the records, which know what was
// forgotten, overridden or changed since.
package recent
