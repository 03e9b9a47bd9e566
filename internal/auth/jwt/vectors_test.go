package jwt

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The examples of the standards, whose signatures others made.

const (
	// joe is the payload of RFC 7515 appendix A.1 to A.3: it expired in 2011 and is
	// meant for nobody.
	joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	// frodo is the payload of RFC 7520 section 4, which is no JSON.
	frodo = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBk" +
		"b24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
)

var vectors = []struct {
	name           string
	secret, public string // base64url, or a JWK
	token          string
}{
	{"RFC 7515 A.1", "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", "",
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + joe + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
	{"RFC 7515 A.2", "", `{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}`,
		"eyJhbGciOiJSUzI1NiJ9." + joe + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
	{"RFC 7515 A.3", "", `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"eyJhbGciOiJFUzI1NiJ9." + joe + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
	{"RFC 7520 4.1", "", `{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","e":"AQAB","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"}`,
		"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + frodo + ".MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"},
	{"RFC 7520 4.4", "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg", "",
		"eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9." + frodo + ".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"},
	{"RFC 8037 A.4", "", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
}

// believing are the settings for the key of an example.
func believing(secret, public string) Settings {
	s := Settings{ClientID: "ABC", Secret: secret, Encoding: EncodingBase64URL, RolesClaim: "roles"}
	if public != "" {
		s.JWKS = []byte(`{"keys":[` + public + `]}`)
	}
	return s
}

func TestTheSignaturesOfTheStandardsAreGood(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			settings := believing(v.secret, v.public)
			keys, err := settings.keys()
			require.NoError(t, err)
			parts := strings.Split(v.token, ".")
			token := &jwt.Token{}
			header, err := base64.RawURLEncoding.DecodeString(parts[0])
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(header, &token.Header))
			token.Method = jwt.GetSigningMethod(token.Header["alg"].(string))
			signature, err := base64.RawURLEncoding.DecodeString(parts[2])
			require.NoError(t, err)
			key := keys.find(token)
			require.NotNil(t, key)
			assert.NoError(t, token.Method.Verify(parts[0]+"."+parts[1], signature, key.key))
			signature[0] ^= 1
			assert.Error(t, token.Method.Verify(parts[0]+"."+parts[1], signature, key.key))
		})
	}
}

// Only a token whose signature is good is told that it has expired; before that, it
// is refused for being meant for nobody.
func TestTheTokensOfTheStandardsAreJudgedByTheTime(t *testing.T) {
	judged := 0
	for _, v := range vectors {
		if !strings.Contains(v.token, joe) {
			continue
		}
		judged++
		for at, want := range map[int64]error{1300819379: Reason("aud missing"), 1300819380 + 29: Reason("aud missing"), 1300819380 + 30: Expired, 1800000000: Expired} {
			settings := believing(v.secret, v.public)
			settings.Now = func() time.Time { return time.Unix(at, 0) }
			j, err := New(settings)
			require.NoError(t, err)
			_, err = j.Verify([]byte(v.token))
			assert.Equal(t, want, err, "%s at %d", v.name, at)
			altered := strings.Replace(v.token, ".eyJpc3MiOiJqb2Ui", ".eyJpc3MiOiJqb2Ei", 1)
			require.NotEqual(t, v.token, altered)
			_, err = j.Verify([]byte(altered))
			assert.Equal(t, badSignature, err, v.name)
		}
	}
	assert.Equal(t, 3, judged)
}

// A set of two of them, one renamed: a name finds its own key only.
func TestKeysOfTheStandardsInOneSet(t *testing.T) {
	rename := func(public, kid string) string { return `{"kid":"` + kid + `",` + public[1:] }
	settings := believing("", rename(vectors[1].public, "2011-04-29")+","+vectors[3].public+","+rename(vectors[2].public, "1"))
	keys, err := settings.keys()
	require.NoError(t, err)
	require.Len(t, keys, 3)
	find := func(alg string, header map[string]any) *verificationKey {
		return keys.find(&jwt.Token{Method: jwt.GetSigningMethod(alg), Header: header})
	}
	assert.Same(t, keys[1], find("RS256", map[string]any{"kid": "bilbo.baggins@hobbiton.example"}))
	assert.Same(t, keys[0], find("RS256", map[string]any{"kid": "2011-04-29"}))
	assert.Same(t, keys[2], find("ES256", map[string]any{"kid": "1"}))
	for _, kid := range []any{"", "2", "BILBO.BAGGINS@HOBBITON.EXAMPLE", "1", 1.0, nil, []any{"2011-04-29"}, map[string]any{}} {
		assert.Nil(t, find("RS256", map[string]any{"kid": kid}), kid)
	}
	assert.Nil(t, find("RS256", map[string]any{}), "none named")
	assert.Nil(t, find("HS256", map[string]any{"kid": "1"}), "another algorithm")
}
