package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
	"fraudcheck/internal/wire"
)

func TestBareAnswersWhatANewAddressIsAnswered(t *testing.T) {
	c := checker(t, velocitytest.NewKeys(t), velocity.DefaultRule)
	a := velocitytest.Attempt(t, "203.0.113.7", 1)
	var d velocity.Decision
	c.Check(&a, velocitytest.Start, nil, &d)
	real := string(wire.AppendDecision(nil, &d, strings.Repeat("0", 26)))
	bare := string(bareBody())
	_, id, _ := strings.Cut(bare, `"attempt_id":"`)
	require.Equal(t, real, strings.Replace(bare, strings.TrimSuffix(id, `"}`), strings.Repeat("0", 26), 1))
}
