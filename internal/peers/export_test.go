package peers

import (
	"testing"
	"time"
)

// GivePeers gives peers d for their answers until the end of the test.
func GivePeers(t testing.TB, d time.Duration) {
	patience = d
	t.Cleanup(func() { patience = Patience })
}
