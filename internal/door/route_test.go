package door

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/auth"
)

func TestATargetIsAPathOrAURLOfTheHost(t *testing.T) {
	for _, tt := range []struct{ target, path, query string }{
		{"/", "/", ""},
		{"/v1/check", "/v1/check", ""},
		{"/v1/check?a=://&b=/", "/v1/check", "a=://&b=/"},
		{"/v1/check?", "/v1/check", ""},
		{"/v1/check?a?b", "/v1/check", "a?b"},
		{"/v1/check#x?y", "/v1/check", ""},
		{"http://host/v1/check?a=b", "/v1/check", "a=b"},
		{"HTTPS://HOST/v1/check", "/v1/check", ""},
		{"http://host", "/", ""},
		{"http://host?a", "/", "a"},
		{"/a//b", "/a//b", ""},
	} {
		path, query, ok := splitTarget([]byte(tt.target), []byte("host"))
		assert.True(t, ok, tt.target)
		assert.Equal(t, tt.path, string(path), tt.target)
		assert.Equal(t, tt.query, string(query), tt.target)
	}
	for _, target := range []string{
		"", "*", "v1/check", "host:443", "//host/v1/check", "//x/v1/login?a=://", "?a=b", "#", "foo://any/v1/login", "http:/host/x", "http:///x",
		"http://other/x", "http://host:80/x", "http://user@host/x", "http://host//x", "ftp://host/x", " /x",
	} {
		_, _, ok := splitTarget([]byte(target), []byte("host"))
		assert.False(t, ok, target)
	}
	_, _, ok := splitTarget([]byte("http:///x"), nil)
	assert.True(t, ok, "the authority is the Host, none")
}

func TestRoutesAreFoundByTheirPath(t *testing.T) {
	d := New(Settings{Guard: auth.NewGuard(new(auth.Policy))},
		Route{Path: "/plain", Methods: "GET"},
		Route{Path: "/a/{name}", Methods: "GET"},
		Route{Path: "/a/{name}", Methods: "PUT, DELETE", Needs: auth.Analyst},
		Route{Path: "/a/{name}/more", Methods: "POST"},
	)
	for path, want := range map[string][2]string{
		"/plain": {"/plain"}, "/a/x": {"/a/{name}", "x"}, "/a/x%3Ay": {"/a/{name}", "x:y"}, "/a/x/more": {"/a/{name}/more", "x"},
		"/a/%zz": {"/a/{name}", "%zz"}, "/a/more": {"/a/{name}", "more"}, "/v1/login": {"/v1/login"}, "/healthz": {"/healthz"},
	} {
		r, segment := d.find([]byte(path))
		if assert.NotNil(t, r, path) {
			assert.Equal(t, want, [2]string{r.path, segment}, path)
		}
	}
	for _, path := range []string{"/", "/plain/", "/a/", "/a", "/a//more", "/a/x/y", "/a/x%2Fy", "/a/x/more/", "/pl%61in", "/PLAIN", ""} {
		r, _ := d.find([]byte(path))
		assert.Nil(t, r, path)
	}
	r, _ := d.find([]byte("/a/x"))
	assert.Equal(t, "GET, PUT, DELETE", r.allow)
	assert.Equal(t, auth.Analyst, r.route([]byte("DELETE")).Needs)
	assert.Nil(t, r.route([]byte("POST")))
	assert.Nil(t, r.route([]byte("GET, PUT")))
	assert.False(t, r.probe)
	r, _ = d.find([]byte("/plain"))
	assert.True(t, r.probe)
	assert.Equal(t, []string{"/plain", "/a/{name}", "/a/{name}/more", "/v1/login", "/v1/refresh", "/v1/logout", "/v1/me", "/healthz", "/readyz"}, d.Paths())
}
