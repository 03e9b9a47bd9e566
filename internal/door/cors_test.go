package door_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door"
)

func TestAnOriginIsWrittenAsBrowsersDo(t *testing.T) {
	for _, good := range []string{
		"https://shop.example", "http://shop.example", "https://shop.example:8443", "http://localhost:3000", "https://shop.example:80",
		"http://127.0.0.1:3000", "https://[2001:db8::1]", "http://[::1]:3000", "https://xn--glck-0ra.example", "https://a_b-c.example",
	} {
		c, err := door.NewCORS([]string{good})
		assert.NoError(t, err, good)
		assert.NotNil(t, c, good)
	}
	for _, bad := range []string{
		"", "*", "null", "shop.example", "//shop.example", "https://", "https:/shop.example", "https://*", "https://*.shop.example",
		"https://shop.example/", "https://shop.example/path", "https://shop.example?", "https://shop.example?q", "https://shop.example#", "https://shop.example#f",
		"https://user@shop.example", "https://user:hunter2@shop.example", "https://@shop.example",
		"HTTPS://shop.example", "https://Shop.example", "https://glück.example", "https://shop%2eexample", "https://shop example", " https://shop.example", "https://shop.example ", "https://shop.example\n",
		"https://shop.example:", "https://shop.example:443", "http://shop.example:80", "https://shop.example:0", "https://shop.example:08443", "https://shop.example:65536", "https://shop.example:x", "https://shop.example:-1",
		"https://2001:db8::1", "https://[2001:DB8::1]", "https://[2001:db8:0::1]", "https://[fe80::1%25eth0]", "https://[shop.example]", "https://[127.0.0.1]", "https://[::1",
		"ftp://shop.example", "file://", "javascript:alert(1)", "chrome-extension://abc", "https://a.example https://b.example", "https://a.example,https://b.example",
	} {
		c, err := door.NewCORS([]string{"https://shop.example", bad})
		assert.Nil(t, c, bad)
		var wrong *door.OriginError
		if assert.ErrorAs(t, err, &wrong, bad) {
			assert.Equal(t, 1, wrong.Index)
			assert.NotContains(t, err.Error(), "hunter2")
		}
	}
	c, err := door.NewCORS(nil)
	require.NoError(t, err)
	assert.Nil(t, c)
}

// asked is a request's header, by name.
type asked http.Header

func (a asked) Values(name string) (values [][]byte) {
	for _, v := range a[name] {
		values = append(values, []byte(v))
	}
	return values
}

func TestWhatAPageOfAnotherOriginIsAllowed(t *testing.T) {
	c, err := door.NewCORS([]string{"https://shop.example", "https://desk.example:8443"})
	require.NoError(t, err)
	const shop, desk = "https://shop.example", "https://desk.example:8443"
	for _, tt := range []struct {
		name      string
		options   bool
		origins   []string
		methods   []string // of Access-Control-Request-Method
		allowed   string
		preflight bool
	}{
		{"a page of the shop", false, []string{shop}, nil, shop, false},
		{"a page of the desk", false, []string{desk}, nil, desk, false},
		{"no page", false, nil, nil, "", false},
		{"another page", false, []string{"https://elsewhere.example"}, nil, "", false},
		{"another scheme", false, []string{"http://shop.example"}, nil, "", false},
		{"another port", false, []string{shop + ":8443"}, nil, "", false},
		{"a name that ends like it", false, []string{"https://notshop.example"}, nil, "", false},
		{"a name that begins like it", false, []string{shop + ".elsewhere.example"}, nil, "", false},
		{"in capitals", false, []string{"https://SHOP.example"}, nil, "", false},
		{"with a slash", false, []string{shop + "/"}, nil, "", false},
		{"nobody's", false, []string{"null"}, nil, "", false},
		{"empty", false, []string{""}, nil, "", false},
		{"two in one", false, []string{shop + " " + desk}, nil, "", false},
		{"two", false, []string{shop, desk}, nil, "", false},
		{"one twice", false, []string{shop, shop}, nil, "", false},
		{"a question beforehand", true, []string{shop}, []string{"POST"}, shop, true},
		{"a question for any method", true, []string{shop}, []string{"BREW"}, shop, true},
		{"a question by others", true, []string{"https://elsewhere.example"}, []string{"POST"}, "", false},
		{"a question by nobody", true, nil, []string{"POST"}, "", false},
		{"two questions", true, []string{shop}, []string{"POST", "GET"}, shop, false},
		{"OPTIONS from a page", true, []string{shop}, nil, shop, false},
		{"no OPTIONS", false, []string{shop}, []string{"POST"}, shop, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out door.Output
			listed, preflight := c.Allow(tt.options, asked{"Origin": tt.origins, "Access-Control-Request-Method": tt.methods}, &out)
			assert.Equal(t, tt.preflight, preflight)
			answer := http.Header{}
			for _, f := range out.Fields {
				answer.Add(f.Name, f.Value)
			}
			assert.Equal(t, len(answer["Access-Control-Allow-Origin"]) > 0, listed)
			want := http.Header{"Vary": {"Origin"}}
			if tt.options {
				want.Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
			}
			if tt.allowed != "" {
				want.Set("Access-Control-Allow-Origin", tt.allowed)
				want.Set("Access-Control-Allow-Credentials", "true")
				if !tt.preflight {
					want.Set("Access-Control-Expose-Headers", "X-Request-ID, X-Auth-Token, Retry-After, Content-Digest, Signature, Signature-Input")
				}
			}
			assert.Equal(t, want, answer)
		})
	}

	var out door.Output
	listed, preflight := (*door.CORS)(nil).Allow(true, asked{"Origin": {shop}, "Access-Control-Request-Method": {"POST"}}, &out)
	assert.False(t, listed || preflight)
	assert.Empty(t, out.Fields, "without CORS")
}
