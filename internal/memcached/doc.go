// Package memcached is the one client of memcached: for records, logins and nonces
// alike. It knows none of them. It bounds what is asked and for how long, decides which
// servers are worth asking, and carries the commands of many goroutines over few
// connections.
//
// A [Client] chooses a [Server] for a key ([Client.ServerOf]). A caller that finds the
// server worth asking ([Server.Trusted], or [Server.Answers]) acquires a [Slot] until its
// deadline, makes one operation after another with it, and releases it. Every operation
// ends as one of the [Results], and Observe is told of it.
//
// # What is repeated
//
// A read whose connection broke is repeated once on a new connection: after a restart of
// the server each kept connection fails once. A write is not repeated, since it may have
// been carried out: it ends as [Lost], and the caller reads to find out.
//
// # Which failures count
//
// A server whose operations fail five times in a row, or one time in four, is not asked
// any more (breaker.go). These count as failures: a command that was not answered in time,
// a connection that was refused or broke off, and a reply that no memcached gives. These
// do not: a wait in this process (for a command to be sent, or for a reply that has
// arrived to be read), a server that had less than half of the budget for its reply, a
// connection that was closed for another command's sake, and a command that the server
// refused ("SERVER_ERROR ..."): that is the command's trouble. Commands that are given up
// together are one failure. A probe in the background (watch.go), not a request, finds out
// when the server is well again. While it is this process that is late, a probe waits on,
// and so does what the server is then told ([Server.AcquireToTell]).
//
// # Memory
//
// A server may lose its memory at any moment, and what it says then is not what all
// instances know. An item, the canary, tells one memory from another. Each instance asks
// for it ten times a second:
//
//	no canary    the memory is new: an instance that finds it so adds "NAME?0"
//	"NAME?n"     instances tell the server what they know. While one does, it counts n
//	             up. When n has stood still for half a second, an instance settles it
//	"NAME"       settled: an instance that has told its part trusts the memory
//
// So no instance trusts a new memory before each of them has told what it knows.
//
// Between two probes the memory may be lost too. While an instance trusts a value of the
// canary, every batch of commands that reads or adds is followed, in the same system
// call, by a read of the canary. A server carries out the commands of a connection in
// order, so a canary that is still there says that the replies before it are of the
// trusted memory. They are kept from the callers until it has come. Without it they end as
// [Doubted], the server is no longer trusted, and the watcher is woken.
//
// A cas needs no canary: it succeeds only if the item is still the one that was
// read. An id may come again after a restart, so the first commands of a connection are
// followed by the canary whatever they are.
//
// # Connections
//
// System calls are the whole cost of a command, on both sides: commands that come
// together are sent together and answered together. A [Slot] writes its command into a
// call and hands that to a link, which is a real connection. Probes, which nobody waits
// for, are written and read by gomemcache: to it a conn is a connection of its own, and
// below that each command is a call like any other.
//
//   - A call is one command, and takes one reply.
//   - A link answers in the order in which it was asked. Its reader takes each reply
//     apart before a caller sees it: one line of those the command can have, or for a
//     get one value under the very key that was asked for, no longer than an item can
//     be, and END. Anything else closes the link, and so does a reply that comes before
//     its command was sent.
//   - A command that was sent and is not answered by its deadline closes the link, so
//     that its late reply cannot be taken for another's; not where this process is late
//     (late.go): then the link goes on, and the reply is dropped when it comes.
//   - A closed link is never reused. Of the calls that wait on it one is
//     told that it broke, the others errAbandoned.
//   - A call that is given up before its command was sent leaves the link alone and is told
//     errUnsent: the server did nothing wrong, unless it was not connected yet, which has
//     a time limit of its own. The reply, should it come, is dropped.
//   - Goroutines that ask never touch the network: they wait for their call to end. One
//     timer for each link ends those whose deadline has come.
//   - A call that failed is not reused: a link may still write what comes late into it.
package memcached
