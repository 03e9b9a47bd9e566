package operator

import (
	"testing"
	"time"
)

// LetPeerStreamsLast has streams to other instances last for d until the end of the test.
func LetPeerStreamsLast(t testing.TB, d time.Duration) {
	before := peerStream
	peerStream = d
	t.Cleanup(func() { peerStream = before })
}
