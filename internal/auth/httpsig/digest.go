package httpsig

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"

	"github.com/dunglas/httpsfv"
)

// sha256Digest returns the value of a Content-Digest field (RFC 9530) for that sum.
func sha256Digest(sum [sha256.Size]byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// checkDigest compares the body with Content-Digest (RFC 9530), where that is covered:
// every sha-256 and sha-512 digest must be the body's, and there must be one. Digests by
// other algorithms are passed over, as RFC 9530 section 2 allows. Its error is
// errDigestForm for a field that is malformed, errContent for one of another body.
func (s *signature) checkDigest(r *Request) error {
	if !s.covers(componentContentField) {
		return nil // there is no body
	}
	sum := sha256.Sum256(r.Body)
	values := r.Header.Values("Content-Digest")
	if len(values) == 1 && string(values[0]) == sha256Digest(sum) {
		return nil // as nearly all are
	}
	_, digests, err := parseOne(values)
	if err != nil {
		return errDigestForm
	}
	checked := false
	for _, algorithm := range digests.Names() {
		var want []byte
		switch algorithm {
		case "sha-256":
			want = sum[:]
		case "sha-512":
			sum := sha512.Sum512(r.Body)
			want = sum[:]
		default:
			continue
		}
		member, _ := digests.Get(algorithm)
		item, _ := member.(httpsfv.Item)
		given, ok := item.Value.([]byte)
		if !ok {
			return errDigestForm
		}
		if subtle.ConstantTimeCompare(want, given) != 1 {
			return errContent
		}
		checked = true
	}
	if !checked {
		return errDigestForm
	}
	return nil
}
