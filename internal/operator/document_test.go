package operator_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/api"
	"fraudcheck/internal/door/doortest"
)

func TestTheDocumentIsServedToEverybody(t *testing.T) {
	d := open(t, nil)
	a := d.Ask(t, doortest.Raw("GET /openapi.yaml", ""))
	require.Equal(t, 200, a.Status)
	assert.Equal(t, string(api.Document), a.Body)
	assert.Equal(t, "application/yaml", a.Header.Get("Content-Type"))
	assert.Equal(t, []string{"no-cache"}, a.Header.Values("Cache-Control"), "kept, and asked for again")
	tag := a.Header.Get("ETag")
	require.Regexp(t, `^"[A-Za-z0-9_-]{22}"$`, tag)

	head := d.Ask(t, doortest.Raw("HEAD /openapi.yaml", ""))
	assert.Equal(t, 200, head.Status)
	assert.Empty(t, head.Body)
	for _, name := range []string{"Content-Length", "Content-Type", "ETag"} {
		assert.Equal(t, a.Header.Get(name), head.Header.Get(name), name)
	}
	assert.Contains(t, d.all.Routes(t), "/openapi.yaml", "in the metrics")
	doortest.RequireProblem(t, d.all.Callers.Ask(t, doortest.Raw("GET /openapi.yaml", "")), 404, "not_found", "")
}

func TestADocumentThatTheCallerHasIsNotSentAgain(t *testing.T) {
	l := open(t, nil).Dial(t)
	ask := func(headers ...string) doortest.Answer {
		return l.Ask(doortest.Raw("GET /openapi.yaml", "", headers...))
	}
	tag := ask().Header.Get("ETag")
	for named, status := range map[string]int{
		tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, `"other",` + tag + ` , "x"`: 304, "*": 304,
		`"other"`: 200, "": 200, tag[:9] + `"`: 200, `"*"`: 200,
	} {
		a := ask("If-None-Match: " + named)
		assert.Equal(t, status, a.Status, named)
		assert.Equal(t, tag, a.Header.Get("ETag"), named)
		assert.Equal(t, status == http.StatusNotModified, a.Body == "", named)
	}
	assert.Equal(t, 304, ask(`If-None-Match: "other"`, "If-None-Match: "+tag).Status, "in a second line")
}
