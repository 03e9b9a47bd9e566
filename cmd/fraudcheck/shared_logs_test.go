package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A log is worth less than an answer: nobody is refused the start for it, least of all the
// instance that is to follow one that stops.
func TestASecondInstanceIsWarnedOfTheLogsOfAnother(t *testing.T) {
	t.Parallel()
	for _, log := range []string{"log", "decision_log"} {
		folder := t.TempDir()
		config := guarded + log + ": {path: " + folder + "}\n"
		warning := log + ".path: another instance writes to this folder, and each should have one of its own"
		first := start(t, config)
		second := start(t, config)
		second.decide(t, "203.0.113.7", "4242")
		assert.Contains(t, second.stderr.String(), warning)
		assert.NotContains(t, first.stderr.String(), warning)
		for _, p := range []*program{first, second} {
			p.Kill()
			<-p.Exited()
		}
		assert.NotContains(t, start(t, config).stderr.String(), warning, "what a kill leaves is nobody's")
	}
}
