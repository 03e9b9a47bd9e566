package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

func TestAProblemIsThisJSON(t *testing.T) {
	p := &Problem{Status: 400, Code: "field_invalid", Field: "ip", Detail: "expected an address"}
	assert.Equal(t, `kept {"type":"about:blank","title":"Bad Request","status":400,"detail":"expected an address",`+
		`"code":"field_invalid","field":"ip","request_id":"id-1"}`, string(p.Append([]byte("kept "), []byte("id-1"))))
	p.Field = ""
	assert.Equal(t, `{"type":"about:blank","title":"Bad Request","status":400,"detail":"expected an address",`+
		`"code":"field_invalid","request_id":"id-1"}`, string(p.Append(nil, []byte("id-1"))), "no field, no member")
}

// A field's name is shown as it was sent, and may be anything the decoder lets by.
func TestAProblemIsJSONWhateverItSays(t *testing.T) {
	for _, text := range []string{`"`, `\`, "\n", "\x00", "\x7f", "é", "\u2028", "<>&", `","status":200,"x":"`} {
		var m map[string]any
		b := (&Problem{Status: 400, Code: "field_invalid", Field: text, Detail: text}).Append(nil, []byte("id"))
		require.NoError(t, json.Unmarshal(b, &m), "%s", b)
		assert.Equal(t, text, m["field"])
		assert.Equal(t, text, m["detail"])
		assert.EqualValues(t, 400, m["status"])
	}
}

func TestFixedProblems(t *testing.T) {
	for p, want := range map[*Problem]string{
		NotFound: "404 not_found", MethodNotAllowed("GET"): "405 method", TooLarge: "413 body_too_large", TooSlow: "408 too_slow",
		UnsupportedMedia: "415 media_type", BodyNotAllowed: "400 body_invalid", Draining: "503 overloaded", Internal: "500 internal",
	} {
		assert.Equal(t, want, fmt.Sprint(p.Status, " ", p.Code))
		assert.NotEmpty(t, p.Detail)
		assert.Empty(t, p.Field)
		var m map[string]any
		require.NoError(t, json.Unmarshal(p.Append(nil, nil), &m))
		assert.Equal(t, http.StatusText(p.Status), m["title"])
	}
	assert.Contains(t, TooLarge.Detail, fmt.Sprintf("%d KiB", MaxBody>>10))
}

func TestRetryAfterIsInWholeSeconds(t *testing.T) {
	for after, want := range map[time.Duration]string{1: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60"} {
		assert.Equal(t, want, (&Problem{Status: 429, After: after}).RetryAfter())
	}
	assert.Equal(t, "1", Draining.RetryAfter())
	assert.Empty(t, NotFound.RetryAfter())
}

func TestProblemOfNamesTheField(t *testing.T) {
	tests := []struct {
		err  error
		want Problem
	}{
		{&DecodeError{Code: "body_invalid", Detail: "expected '{' at byte 0"}, Problem{Status: 400, Code: "body_invalid", Detail: "expected '{' at byte 0"}},
		{&DecodeError{Code: "field_unknown", Field: "foo", Detail: "d"}, Problem{Status: 400, Code: "field_unknown", Field: "foo", Detail: "d"}},
		{UnsupportedMedia, *UnsupportedMedia},
		{&velocity.FieldError{Field: velocity.FieldIP, Missing: true, Expected: "an address"}, Problem{Status: 400, Code: "field_missing", Field: "ip", Detail: "expected an address"}},
		{&velocity.FieldError{Field: velocity.FieldExpYear, Expected: "a year"}, Problem{Status: 400, Code: "field_invalid", Field: "exp_year", Detail: "expected a year"}},
		{&velocity.FieldError{Field: velocity.FieldLast4, Expected: "four digits"}, Problem{Status: 400, Code: "field_invalid", Field: "last4", Detail: "expected four digits"}},
	}
	for _, tt := range tests {
		assert.Equal(t, &tt.want, ProblemOf(tt.err))
		assert.Equal(t, &tt.want, ProblemOf(errors.Join(tt.err)), "wrapped")
	}
}
