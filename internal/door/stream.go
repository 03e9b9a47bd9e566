package door

import "time"

// A Stream is an answer whose body is written as it comes: see [Output.Stream]. It is for one
// goroutine. Such an answer is not signed, since it has no end that a digest could be of, and
// the connection is closed behind it.
type Stream struct {
	// Write sends the bytes at once. The error says that the caller is gone, or does not
	// read: then there is nothing more to write.
	Write func([]byte) error
	// Gone reports whether the caller has closed the connection, as far as that is known.
	Gone func() bool
}

// Stream writes the answer to a request that Serve left to it, and completes the request: its
// log line and metrics are those of the whole stream.
func (d *Door) Stream(q *Request, s *Stream) {
	q.streaming = true
	defer d.end(q)
	q.Out.Stream(s)
}

// IsStopping reports whether the service is being stopped: then a stream ends.
func (q *Request) IsStopping() bool { return q.door.draining.Load() }

// StillAdmitted reports whether a request like this one would be let in at that time. It is
// no use of a session.
func (q *Request) StillAdmitted(at time.Time) bool { return q.door.Guard.Recheck(&q.auth, at) == nil }
