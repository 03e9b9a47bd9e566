package proof_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/proof"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func key(c byte) []byte { return bytes.Repeat([]byte{c}, 32) }

func keys(t *testing.T, hashKey, previous []byte) *proof.Keys {
	t.Helper()
	k, err := proof.NewKeys(hashKey, previous)
	require.NoError(t, err)
	return k
}

// verify verifies the value of a header.
func verify(t *testing.T, k *proof.Keys, header, method, target string, now time.Time) (proof.Proof, error) {
	t.Helper()
	text, found := strings.CutPrefix(header, proof.Scheme+" ")
	require.True(t, found, header)
	return k.Verify(text, method, target, now)
}

func TestAProofIsForOneRequestForTenSeconds(t *testing.T) {
	k := keys(t, key('a'), nil)
	made := k.Make("GET", "/v1/logins?scope=this", "ana", noon)
	for _, tt := range []struct {
		name, method, target string
		after                time.Duration
		err                  error
	}{
		{"at once", "GET", "/v1/logins?scope=this", 0, nil},
		{"after ten seconds", "GET", "/v1/logins?scope=this", 10 * time.Second, nil},
		{"where the clock is ten seconds behind", "GET", "/v1/logins?scope=this", -10 * time.Second, nil},
		{"too late", "GET", "/v1/logins?scope=this", 10*time.Second + time.Millisecond, proof.ErrExpired},
		{"from the future", "GET", "/v1/logins?scope=this", -10*time.Second - time.Millisecond, proof.ErrExpired},
		{"another method", "POST", "/v1/logins?scope=this", 0, proof.ErrForged},
		{"another path", "GET", "/v1/blocked?scope=this", 0, proof.ErrForged},
		{"another query", "GET", "/v1/logins", 0, proof.ErrForged},
		{"method and target divided otherwise", "GET\n/v1/logins?scope=this", "", 0, proof.ErrForged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := verify(t, k, made, tt.method, tt.target, noon.Add(tt.after))
			require.Equal(t, tt.err, err)
			if err == nil {
				assert.Equal(t, "ana", p.Caller)
				assert.Equal(t, noon.Add(10*time.Second), p.Until.UTC())
			}
		})
	}
	again, err := verify(t, k, k.Make("GET", "/", "ana", noon), "GET", "/", noon)
	require.NoError(t, err)
	first, err := verify(t, k, made, "GET", "/v1/logins?scope=this", noon)
	require.NoError(t, err)
	assert.NotEqual(t, first.Nonce, again.Nonce)
}

// Instances change their hash key one by one.
func TestWhileTheHashKeyIsRotatedProofsOfBothAreGood(t *testing.T) {
	before, during, after := keys(t, key('a'), nil), keys(t, key('b'), key('a')), keys(t, key('b'), nil)
	for _, tt := range []struct {
		name     string
		from, to *proof.Keys
		err      error
	}{
		{"not begun to begun", before, during, nil},
		{"begun to not begun", during, before, nil},
		{"begun to begun", during, during, nil},
		{"begun to done", during, after, nil},
		{"done to begun", after, during, nil},
		{"not begun to done", before, after, proof.ErrForged},
	} {
		_, err := verify(t, tt.to, tt.from.Make("GET", "/", "ana", noon), "GET", "/", noon)
		assert.Equal(t, tt.err, err, tt.name)
	}
}

func TestEveryByteOfAProofCounts(t *testing.T) {
	k := keys(t, key('a'), nil)
	made := []byte(k.Make("GET", "/", "ana", noon))
	for i := len(proof.Scheme) + 1; i < len(made); i++ {
		changed := bytes.Clone(made)
		if changed[i] ^= 1; changed[i] == '/' { // of a dot
			changed[i] = ','
		}
		_, err := verify(t, k, string(changed), "GET", "/", noon)
		assert.Error(t, err, string(changed))
	}
}

func TestOtherTextsAreNoProofs(t *testing.T) {
	k := keys(t, key('a'), nil)
	good := strings.TrimPrefix(k.Make("GET", "/", "ana", noon), proof.Scheme+" ")
	for name, text := range map[string]string{
		"nothing":             "",
		"dots":                ".....",
		"no MAC":              good[:strings.LastIndex(good, ".")],
		"three MACs":          good + ".AA.AA",
		"another version":     "2" + good[1:],
		"longer than any":     good + strings.Repeat("A", 1024),
		"a line end in it":    good + "\n",
		"a time out of range": "1.99999999999999999999" + good[strings.Index(good[2:], ".")+2:],
	} {
		_, err := k.Verify(text, "GET", "/", noon)
		assert.Equal(t, proof.ErrMalformed, err, name)
	}
	_, err := k.Verify(good+".", "GET", "/", noon)
	assert.NoError(t, err, "a second MAC may be of any key")
	_, err = proof.NewKeys(nil, key('a'))
	assert.Error(t, err)
}

func TestALongNameOfACallerIsCut(t *testing.T) {
	k := keys(t, key('a'), nil)
	p, err := verify(t, k, k.Make("GET", "/", strings.Repeat("ä", 4096), noon), "GET", "/", noon)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("ä", 128), p.Caller)
}

// The key of proofs is none of the other keys that are derived from the hash key, and stays
// the same from version to version.
func TestAProofOfAnEarlierVersionIsGood(t *testing.T) {
	k := keys(t, key('k'), nil)
	_, err := k.Verify("1.1795262400000.AAAAAAAAAAAAAAAAAAAAAA.YW5h.ITJE2XcNfkF2Bh3_ZNjgCnCK9tO1o0d60zsr_RYZYT4", "GET", "/v1/logins?scope=this", noon)
	require.NoError(t, err)
}
