package velocity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

const scenarios = "testdata/scenarios"

func newMemory(t *testing.T) velocity.Store {
	m, err := velocity.NewMemory(16 << 20)
	require.NoError(t, err)
	return m
}

func TestScenariosOnTheCore(t *testing.T) {
	velocitytest.RunAll(t, scenarios, func(t *testing.T, rules []velocity.Rule) velocitytest.Driver {
		return velocitytest.CheckerDriver(t, rules, velocity.NewRecords())
	})
}

func TestScenariosOnMemory(t *testing.T) {
	velocitytest.RunAll(t, scenarios, func(t *testing.T, rules []velocity.Rule) velocitytest.Driver {
		return velocitytest.CheckerDriver(t, rules, newMemory(t))
	})
}

func TestContract(t *testing.T) {
	t.Run("core", func(t *testing.T) {
		velocitytest.StoreContract(t, func(*testing.T) velocity.Store { return velocity.NewRecords() })
	})
	t.Run("memory", func(t *testing.T) { velocitytest.StoreContract(t, newMemory) })
}
