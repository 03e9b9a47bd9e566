// Package socket reads and writes connections without telling Go's scheduler.
//
// A system call that the scheduler knows of may lose its processor: where it takes longer
// than 20 µs, a watcher gives the processor to another thread (sysmon and retake in
// runtime/proc.go). That is right for a call that waits. A read or write of a socket never
// waits here, as the socket does not block; but on a busy machine it often takes that long,
// because the system runs another process in between. Each time two threads change places
// for nothing, and the watcher, which sleeps longer the less it finds, wakes every 20 µs.
//
// Waiting for a socket to become ready is left to Go's poller, as in package net.
package socket
