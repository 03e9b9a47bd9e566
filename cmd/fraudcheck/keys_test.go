package main

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
)

// The values were computed apart from this program, in Python, as RFC 5869 (HKDF) and RFC
// 2104 (HMAC) say.
func TestEachPurposeHasItsKeyInAllVersions(t *testing.T) {
	settings := config.Defaults()
	settings.Store.Kind = "memcached"
	settings.HashKey = config.Secret(strings.Repeat("another test key", 2))
	p := &policy{config: &config.Config{Settings: settings}, settings: settings}
	k, err := p.makeKeys()
	require.NoError(t, err)
	assert.Equal(t, "0889c1585e6b109375134a2c81da5586379c1b73407cc93c88c781c8defa3ff1", hex.EncodeToString(k.log), "for the log")
	assert.Equal(t, "fraudcheck:Kf7bME-Z:canary", k.records.CanaryKey(), "for records")
}
