package velocity_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

const scenarios = "testdata/scenarios"

func newMemory(t *testing.T) velocity.Store {
	m, err := velocity.NewMemory(16 << 20)
	require.NoError(t, err)
	return m
}

// newMemcached is an instance of its own on the server.
func newMemcached(t *testing.T, addr string) *velocity.Memcached {
	local, err := velocity.NewMemory(16 << 20)
	require.NoError(t, err)
	m := velocitytest.NewMemcached(t, local, memcached.Settings{Servers: []string{addr}, Budget: 10 * time.Second})
	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
	require.NoError(t, err)
	velocity.WatchServers(m, plan)
	return m
}

func TestScenariosOnTheCore(t *testing.T) {
	velocitytest.RunAll(t, scenarios, func(t *testing.T, plan *velocity.Plan) velocitytest.Driver {
		return velocitytest.CheckerDriver(t, plan, velocity.NewRecords())
	})
}

func TestScenariosOnMemory(t *testing.T) {
	velocitytest.RunAll(t, scenarios, func(t *testing.T, plan *velocity.Plan) velocitytest.Driver {
		return velocitytest.CheckerDriver(t, plan, newMemory(t))
	})
}

func TestScenariosOnMemcached(t *testing.T) {
	t.Parallel()
	velocitytest.RunAll(t, scenarios, func(t *testing.T, plan *velocity.Plan) velocitytest.Driver {
		return velocitytest.CheckerDriver(t, plan, newMemcached(t, testbed.StartMemcached(t).Addr))
	})
}

// The instances take turns: what one counted the other knows.
func TestScenariosOnTwoInstances(t *testing.T) {
	t.Parallel()
	velocitytest.RunAll(t, scenarios, func(t *testing.T, plan *velocity.Plan) velocitytest.Driver {
		addr := testbed.StartMemcached(t).Addr
		return velocitytest.CheckerDriver(t, plan, &taking{turns: []velocity.Store{newMemcached(t, addr), newMemcached(t, addr)}})
	})
}

// taking sends every update to the next of its stores.
type taking struct {
	turns []velocity.Store
	n     atomic.Int64
}

func (s *taking) Update(u *velocity.Update) {
	s.turns[int(s.n.Add(1))%len(s.turns)].Update(u)
}

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("core", func(t *testing.T) {
		velocitytest.StoreContract(t, func(*testing.T) velocity.Store { return velocity.NewRecords() })
	})
	t.Run("memory", func(t *testing.T) { velocitytest.StoreContract(t, newMemory) })
	t.Run("memcached", func(t *testing.T) {
		velocitytest.StoreContract(t, func(t *testing.T) velocity.Store {
			return newMemcached(t, testbed.StartMemcached(t).Addr)
		})
	})
	t.Run("four instances on one memcached", func(t *testing.T) {
		velocitytest.StoreContract(t, func(t *testing.T) velocity.Store {
			addr := testbed.StartMemcached(t).Addr
			return &taking{turns: []velocity.Store{
				newMemcached(t, addr), newMemcached(t, addr), newMemcached(t, addr), newMemcached(t, addr),
			}}
		})
	})
}
