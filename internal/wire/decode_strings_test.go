package wire

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeStringsReadsJSONAndForms(t *testing.T) {
	for _, tt := range []struct {
		media, body string
		want        map[string]string
	}{
		{"", "", map[string]string{}},
		{"text/plain", "", map[string]string{}},
		{"", "{}", map[string]string{}},
		{"", ` { "a" : "x\n\u00e9" , "b" : "" } `, map[string]string{"a": "x\né", "b": ""}},
		{"", `{"a":null,"b": null }`, map[string]string{}},
		{"application/json; charset=utf-8", `{"b":"{\"a\":1}"}`, map[string]string{"b": `{"a":1}`}},
		{"application/x-www-form-urlencoded", "a=x+%2B%20%C3%A9&b=", map[string]string{"a": "x + é", "b": ""}},
	} {
		words, err := DecodeStrings(tt.body, []byte(tt.media), nil, "a", "b")
		require.NoError(t, err, tt.body)
		assert.Equal(t, tt.want, words)
	}
}

func TestDecodeStringsRefusesOtherBodies(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct{ media, body, code, field string }{
		{"", `{"c":"x"}`, "field_unknown", "c"},
		{"", `{"A":"x"}`, "field_unknown", "A"},
		{"", `{"4242424242424242":"x"}`, "field_unknown", ""},
		{"", `{"a":"x","a":"x"}`, "field_repeated", "a"},
		{"", `{"a":"","a":""}`, "field_repeated", "a"},
		{"", `{"a":1}`, "field_invalid", "a"},
		{"", `{"a":true}`, "field_invalid", "a"},
		{"", `{"a":null,"a":"x"}`, "field_repeated", "a"},
		{"", `{"a":nullx}`, "body_invalid", ""},
		{"", `{"a":nul}`, "field_invalid", "a"},
		{"", `{"a":["x"]}`, "field_invalid", "a"},
		{"", `{"a":{"b":"x"}}`, "field_invalid", "a"},
		{"", "{\"a\":\"\xff\"}", "field_invalid", "a"},
		{"", `{"a":"\ud800"}`, "field_invalid", "a"},
		{"", `{"a":x}`, "body_invalid", ""},
		{"", `{"a":"x}`, "body_invalid", ""},
		{"", `{"a"}`, "body_invalid", ""},
		{"", `{"a":"x",}`, "body_invalid", ""},
		{"", `{"a":"x"`, "body_invalid", ""},
		{"", `{"a":"x"}{}`, "body_invalid", ""},
		{"", `{a:"x"}`, "body_invalid", ""},
		{"", "{\"\xff\":\"x\"}", "body_invalid", ""},
		{"", `["a"]`, "body_invalid", ""},
		{"", `null`, "body_invalid", ""},
		{"", ` `, "body_invalid", ""},
		{form, "a", "body_invalid", ""},
		{form, "a=x&&b=x", "body_invalid", ""},
		{form, "%zz=x", "body_invalid", ""},
		{form, "%ff=x", "body_invalid", ""},
		{form, "a=%zz", "field_invalid", "a"},
		{form, "a=%ff", "field_invalid", "a"},
		{form, "a=x&a=x", "field_repeated", "a"},
		{form, "c=x", "field_unknown", "c"},
	} {
		_, err := DecodeStrings(tt.body, []byte(tt.media), nil, "a", "b")
		refused := requireDecodeError(t, err)
		assert.Equal(t, tt.code+" "+tt.field, refused.Code+" "+refused.Field, tt.body)
		assert.NotContains(t, err.Error(), "4242")
	}
	_, err := DecodeStrings("{}", []byte("text/plain"), nil)
	assert.Equal(t, UnsupportedMedia, err)
	_, err = DecodeStrings("{}", nil, []byte("gzip"))
	assert.Equal(t, UnsupportedMedia, err)
}
