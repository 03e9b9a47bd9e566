package httpsig

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type fields map[string][][]byte

func (f fields) Values(name string) [][]byte { return f[name] }

// RFC 9421 appendices B.1.5, B.2 and B.2.5.
const rfcSecret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

func rfcRequest() *Request {
	return &Request{
		Method: []byte("POST"), Target: []byte("/foo?param=Value&Pet=dog"), Host: []byte("example.com"),
		Header: fields{
			"Date":         {[]byte("Tue, 20 Apr 2021 02:07:55 GMT")},
			"Content-Type": {[]byte("application/json")},
		},
		Body: []byte(`{"hello": "world"}`),
	}
}

func TestTheSignatureOfTheStandardsExampleIsFound(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString(rfcSecret)
	require.NoError(t, err)
	g := signature{
		covered: []string{"date", "@authority", "content-type"},
		params:  `("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
	}
	base, err := g.appendBase(nil, rfcRequest())
	require.NoError(t, err)
	assert.Equal(t, `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`, string(base))
	sum := newKey("", secret).sum(base)
	assert.Equal(t, "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=", base64.StdEncoding.EncodeToString(sum[:]))
}

// Section 2.2 of RFC 9421.
func TestDerivedComponentsAreThoseOfTheStandard(t *testing.T) {
	for _, tt := range []struct {
		name, target, host string
		tls                bool
		want               string
	}{
		{"@method", "/foo", "a", false, "POST"},
		{"@target-uri", "/path?param=value", "www.example.com", true, "https://www.example.com/path?param=value"},
		{"@target-uri", "/path", "www.example.com:8080", false, "http://www.example.com:8080/path"},
		{"@request-target", "/path?param=value", "a", false, "/path?param=value"},
		{"@authority", "/", "www.Example.COM", false, "www.example.com"},
		{"@authority", "/", "www.example.com:80", false, "www.example.com"},
		{"@authority", "/", "www.example.com:443", false, "www.example.com:443"},
		{"@authority", "/", "www.example.com:443", true, "www.example.com"},
		{"@authority", "/", "[2001:DB8::1]:8080", false, "[2001:db8::1]:8080"},
		{"@scheme", "/", "a", false, "http"},
		{"@scheme", "/", "a", true, "https"},
		{"@path", "/path?param=value", "a", false, "/path"},
		{"@path", "/%E2%82%ac//.?/?", "a", false, "/%E2%82%ac//."},
		{"@query", "/path?param=value&foo=bar&baz=bat%2Dman", "a", false, "?param=value&foo=bar&baz=bat%2Dman"},
		{"@query", "/path?queryString", "a", false, "?queryString"},
		{"@query", "/path?a?b", "a", false, "?a?b"},
		{"@query", "/path?", "a", false, "?"},
		{"@query", "/path", "a", false, "?"},
		{"host", "/path", "A:80", false, "A:80"},
	} {
		g := signature{covered: []string{tt.name}, params: "()"}
		base, err := g.appendBase(nil, &Request{Method: []byte("POST"), Target: []byte(tt.target), Host: []byte(tt.host), TLS: tt.tls, Header: fields{}})
		require.NoError(t, err, tt)
		assert.Equal(t, `"`+tt.name+`": `+tt.want+"\n\"@signature-params\": ()", string(base), "%+v", tt)
	}
}

// Section 2.1 of RFC 9421.
func TestFieldsAreCombinedAndTrimmed(t *testing.T) {
	r := &Request{Header: fields{
		"X-Ows-Header": {[]byte("  Leading and trailing whitespace. \t")},
		"Cache-Control": {
			[]byte("max-age=60"), []byte("   must-revalidate"),
		},
		"X-Empty-Header": {nil},
	}}
	g := signature{covered: []string{"x-ows-header", "cache-control", "x-empty-header"}, params: "()"}
	base, err := g.appendBase(nil, r)
	require.NoError(t, err)
	assert.Equal(t, `"x-ows-header": Leading and trailing whitespace.
"cache-control": max-age=60, must-revalidate
"x-empty-header": `+`
"@signature-params": ()`, string(base))
}

// The digests of RFC 9530, and one of RFC 9421 appendix B.2.
func TestContentDigestsAreThoseOfTheStandard(t *testing.T) {
	const (
		hello    = `{"hello": "world"}`
		sha256Of = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
		sha512Of = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
		of9421   = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
		ofNone   = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
	)
	for _, tt := range []struct {
		name, body string
		given      []string
		want       error
	}{
		{"sha-256", hello + "\n", []string{sha256Of}, nil},
		{"sha-512", hello + "\n", []string{sha512Of}, nil},
		{"both", hello + "\n", []string{sha256Of + ", " + sha512Of}, nil},
		{"without the line end", hello, []string{of9421}, nil},
		{"beside one that is not known", hello + "\n", []string{"md5=:AAAA:, " + sha256Of}, nil},
		{"of nothing", "", []string{ofNone}, nil},
		{"of another body", hello, []string{sha256Of}, errContent},
		{"of another body, by the other algorithm", hello, []string{sha512Of}, errContent},
		{"one right, one wrong", hello, []string{sha256Of + ", " + of9421}, errContent},
		{"one wrong, one right", hello + "\n", []string{of9421 + ", " + sha256Of}, errContent},
		{"one cut short", hello, []string{"sha-256=:RK/0qy18:"}, errContent},
		{"an empty one", hello, []string{"sha-256=::"}, errContent},
		{"none", hello, nil, errDigestForm},
		{"an empty field", hello, []string{""}, errDigestForm},
		{"in two lines", hello + "\n", []string{sha256Of, sha512Of}, errDigestForm},
		{"one algorithm twice", hello + "\n", []string{ofNone + ", " + sha256Of}, errDigestForm},
		{"only what is not fit", hello, []string{"md5=:Sd/dVLAcvNLSq16eXua5uQ==:"}, errDigestForm},
		{"in upper case", hello, []string{"SHA-256=" + sha256Of[8:]}, errDigestForm},
		{"as a string", hello, []string{`sha-256="RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="`}, errDigestForm},
		{"as a list", hello, []string{"sha-256=(" + sha256Of[8:] + ")"}, errDigestForm},
		{"as nothing", hello, []string{"sha-256"}, errDigestForm},
		{"in the old spelling", hello, []string{"SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="}, errDigestForm},
		{"with a bit left over", hello + "\n", []string{"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDh=:"}, errDigestForm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := fields{}
			for _, v := range tt.given {
				h["Content-Digest"] = append(h["Content-Digest"], []byte(v))
			}
			g := signature{covered: []string{"content-digest"}}
			assert.Equal(t, tt.want, g.checkDigest(&Request{Header: h, Body: []byte(tt.body)}))
		})
	}
}
