package peers

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANameIsResolvedAnewEvery30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		var answer atomic.Pointer[[]netip.Addr] // nil: it does not resolve
		var looks atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		n := follow(ctx, "checks.example", func(context.Context, string) ([]netip.Addr, error) {
			looks.Add(1)
			if found := answer.Load(); found != nil {
				return *found, nil
			}
			return nil, errors.New("no such host")
		})
		known := func() []netip.Addr {
			found, err := n.addresses(ctx)
			assert.Equal(t, len(found) == 0, err != nil)
			return found
		}
		assert.Empty(t, known())
		answer.Store(&[]netip.Addr{second, first, first})
		time.Sleep(resolveAgain + time.Millisecond)
		require.Equal(t, []netip.Addr{first, second}, known(), "soon, where nothing was known")
		answer.Store(&[]netip.Addr{second})
		time.Sleep(resolveEvery - time.Second)
		assert.Len(t, known(), 2)
		time.Sleep(time.Second)
		assert.Equal(t, []netip.Addr{second}, known())
		answer.Store(nil)
		time.Sleep(resolveEvery + time.Millisecond)
		assert.Equal(t, []netip.Addr{second}, known(), "a resolver that is away changes nothing")
		before := looks.Load()
		cancel()
		synctest.Wait()
		time.Sleep(10 * resolveEvery)
		assert.Equal(t, before, looks.Load())
	})
}

func TestAQuestionWaitsForTheFirstLookUpAndNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := follow(ctx, "checks.example", func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done() // a resolver that hangs
			return nil, ctx.Err()
		})
		began := time.Now()
		short, done := context.WithTimeout(ctx, Patience)
		defer done()
		_, err := n.addresses(short)
		assert.Equal(t, errUnresolved, err)
		assert.Equal(t, Patience, time.Since(began))
	})
}
