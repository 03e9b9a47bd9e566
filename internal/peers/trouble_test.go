package peers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A peer that goes and comes does not fill the log, and what it is in the end is told.
func TestChangesOfAPeerAreToldOnceAMinute(t *testing.T) {
	var tr trouble
	var told []string
	began := time.Now()
	note := func(after time.Duration, peer, why string) {
		tr.noteAt("name", []Answer{{Peer: peer, Why: why}}, func(peer, why string) { told = append(told, peer+": "+why) }, began.Add(after))
	}
	note(0, "a", "")
	for i := range 50 {
		note(time.Duration(i)*time.Second, "a", silent)
		note(time.Duration(i)*time.Second, "a", "")
	}
	assert.Equal(t, []string{"a: " + silent, "a: "}, told)
	told = nil
	note(59*time.Second, "a", silent)
	note(59*time.Second, "b", silent)
	assert.Equal(t, []string{"b: " + silent}, told, "another address has its own")
	told = nil
	note(60*time.Second, "a", silent)
	note(61*time.Second, "a", silent)
	assert.Equal(t, []string{"a: " + silent}, told)
}
