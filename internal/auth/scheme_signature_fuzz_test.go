package auth_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
)

// FuzzSignature: no text of the two fields panics, and only what the key's owner signed is
// accepted.
func FuzzSignature(f *testing.F) {
	r := check(nonce).sign()
	f.Add(string(r.Header.Values("Signature-Input")[0]), string(r.Header.Values("Signature")[0]))
	f.Add(`sig1=("@method" "@path";req "x";sf;key="a");created=1;nonce=:YQ==:;keyid="a";expires=?1`, "sig1=:YQ==:, b")
	f.Fuzz(func(t *testing.T, input, sent string) {
		guard := signedGuard(t, noon)
		r := check(nonce).sign()
		h := r.Header.(header)
		// The signature is made right, so that what is behind it is tried too.
		h["Signature-Input"] = [][]byte{[]byte(input)}
		for _, s := range []string{sent, signatureOver(input)} {
			h["Signature"] = [][]byte{[]byte(s)}
			if _, err := guard.Authenticate(r); err != nil {
				var failure auth.Failure
				require.ErrorAs(t, err, &failure)
				require.NotEmpty(t, err.Error())
				continue
			}
			require.Equal(t, signatureOver(input), s)
			for _, must := range []string{`"@method"`, `"content-digest"`, ";created=", `;keyid="checkout"`, `;nonce="`} {
				require.Contains(t, input, must)
			}
			_, err := guard.Authenticate(r)
			require.ErrorIs(t, err, auth.TokenInvalid, "once")
		}
	})
}

// signatureOver signs check's request under the first label of the input, taking
// the components by their quotes alone: it agrees with no parser but by being right.
func signatureOver(input string) string {
	label, params, _ := strings.Cut(input, "=")
	list, _, _ := strings.Cut(strings.TrimPrefix(params, "("), ")")
	values := map[string]string{`"@request-target"`: "/v1/check?a=b", `"@target-uri"`: "http://fraud.example:8080/v1/check?a=b", `"@scheme"`: "http", `"host"`: "fraud.example:8080"}
	l := check(nonce)
	for i := 0; i < len(l.lines); i += 2 {
		values[l.lines[i]] = l.lines[i+1]
	}
	var base string
	for name := range strings.SplitSeq(list, " ") {
		base += name + ": " + values[name] + "\n"
	}
	return label + "=" + macOf(signingSecret, base+`"@signature-params": `+params)
}

func BenchmarkSigned(b *testing.B) {
	b.Run("verify", func(b *testing.B) {
		guard := signedGuard(b, noon)
		requests := make([]*auth.Request, b.N)
		for i := range requests {
			requests[i] = check(fmt.Sprintf("%016d", i)).sign()
		}
		b.ReportAllocs()
		b.ResetTimer()
		for _, r := range requests {
			if _, err := guard.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	guard, r := signedGuard(b, noon), check(nonce).sign()
	if _, err := guard.Authenticate(r); err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 300)
	b.Run("answer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.SignAnswer(200, body)
		}
	})
}
