package operator

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"

	"fraudcheck/api"
	"fraudcheck/internal/door"
	"fraudcheck/internal/wire"
)

// documentTag is the entity tag of the document (RFC 9110 section 8.8.3): a hash of it.
var documentTag = func() string {
	sum := sha256.Sum256(api.Document)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}()

// document answers GET /openapi.yaml: the description of this API. A cache may keep it,
// and asks each time whether it is still the same.
func (a *API) document(q *door.Request) *wire.Problem {
	q.Out.Set("Cache-Control", "no-cache")
	q.Out.Set("ETag", documentTag)
	if isNamed(q.In.Header.Values("If-None-Match"), documentTag) {
		q.Out.Status = 304
		return nil
	}
	q.Answer(200, "application/yaml", api.Document) // RFC 9512
	return nil
}

// isNamed reports whether a line of If-None-Match names the tag, compared weakly, or is *
// (RFC 9110 section 13.1.2).
func isNamed(lines [][]byte, tag string) bool {
	for _, line := range lines {
		for named := range bytes.SplitSeq(line, []byte(",")) {
			named = bytes.TrimPrefix(bytes.TrimSpace(named), []byte("W/"))
			if string(named) == tag || string(named) == "*" {
				return true
			}
		}
	}
	return false
}
