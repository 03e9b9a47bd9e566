package wire

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fraudcheck/internal/velocity"
)

var (
	hourly = velocity.DefaultRule
	daily  = velocity.Rule{Name: "cards_per_email", Window: 24 * time.Hour, BlockOver: 2, Mode: velocity.Shadow}
)

// The example of the contract, to the byte.
func TestAppendDecision(t *testing.T) {
	d := &velocity.Decision{
		Outcome: velocity.Block, Reasons: []string{"cards_per_ip"},
		Rules: []velocity.RuleResult{{Rule: &hourly, Outcome: velocity.Block, Count: 6, ClearsIn: 3412}},
	}
	assert.Equal(t, `{"decision":"block","reasons":["cards_per_ip"],`+
		`"rules":[{"name":"cards_per_ip","outcome":"block","mode":"enforce","count":6,"review_over":3,"block_over":5,`+
		`"window_seconds":3600,"clears_in_seconds":3412}],`+
		`"degraded":false,"attempt_id":"01JD"}`, string(AppendDecision(nil, d, "01JD")))
}

func TestAppendDecisionWithManyRulesAndNone(t *testing.T) {
	d := &velocity.Decision{
		Outcome: velocity.Review, Reasons: []string{"a", "b"}, Degraded: true,
		Rules: []velocity.RuleResult{
			{Rule: &hourly, Outcome: velocity.Review, Count: 4, ClearsIn: 1},
			{Rule: &daily, Outcome: velocity.Block, Count: 3, ClearsIn: 86400},
		},
	}
	assert.Equal(t, `kept {"decision":"review","reasons":["a","b"],"rules":[`+
		`{"name":"cards_per_ip","outcome":"review","mode":"enforce","count":4,"review_over":3,"block_over":5,"window_seconds":3600,"clears_in_seconds":1},`+
		`{"name":"cards_per_email","outcome":"block","mode":"shadow","count":3,"review_over":0,"block_over":2,"window_seconds":86400,"clears_in_seconds":86400}],`+
		`"degraded":true,"attempt_id":"\"\n\u003cé"}`, string(AppendDecision([]byte("kept "), d, "\"\n<é")))
	assert.Equal(t, `{"decision":"allow","reasons":[],"rules":[],"degraded":false,"attempt_id":""}`,
		string(AppendDecision(nil, &velocity.Decision{}, "")), "lists are empty, never null")
	assert.Equal(t, `[]`, string(AppendRules(nil, nil)))
}

func TestARuleThatHoldsSaysSo(t *testing.T) {
	assert.Equal(t, `[{"name":"cards_per_ip","outcome":"block","mode":"enforce","count":1,"review_over":3,"block_over":5,`+
		`"window_seconds":3600,"clears_in_seconds":86400,"held":true}]`,
		string(AppendRules(nil, []velocity.RuleResult{{Rule: &hourly, Outcome: velocity.Block, Count: 1, ClearsIn: 86400, Held: true}})))
}

func TestARuleOnASuspectAddressSaysSo(t *testing.T) {
	assert.Equal(t, `[{"name":"cards_per_ip","outcome":"review","mode":"enforce","count":6,"review_over":3,"block_over":5,`+
		`"window_seconds":3600,"clears_in_seconds":1,"suspect_subject":true}]`,
		string(AppendRules(nil, []velocity.RuleResult{{Rule: &hourly, Outcome: velocity.Review, Count: 6, ClearsIn: 1, Suspect: true}})))
}

func TestAppendStringRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]*`), rapid.StringOf(rapid.RuneFrom([]rune("\"\\/<>&\x00\x1f\x7f\u0080\u2028é😀a")))).Draw(t, "text")
		b := AppendString([]byte("kept"), text)
		require.Equal(t, "kept", string(b[:4]))
		var back string
		require.NoError(t, json.Unmarshal(b[4:], &back), "%s", b)
		if utf8.ValidString(text) {
			require.Equal(t, text, back)
		}
	})
}
