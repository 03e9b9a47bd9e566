package auth_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
)

const (
	signingSecret = "0123456789abcdef0123456789abcdef"
	otherSecret   = "fedcba9876543210fedcba9876543210"
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// signedUsers are one who only signs, one who may use a password too, one who has
// nothing but that.
var signedUsers = []auth.User{
	{Name: "checkout", Roles: auth.Checker, SigningKey: base64Of(signingSecret)},
	{Name: `o"d\d`, Password: "open sesame", Encryption: password.Clear, Roles: auth.Analyst, SigningKey: base64Of(otherSecret)},
	{Name: "password", Password: "open sesame", Encryption: password.Clear},
}

func signedGuard(t testing.TB, now time.Time) *auth.Guard {
	t.Helper()
	guard := auth.NewGuard(ofUsers(t, signedUsers...))
	guard.Now = func() time.Time { return now }
	return guard
}

// A letter is a request before it is signed, with what RFC 9421 has signed of it.
type letter struct {
	method, target, host, body string
	secret                     string
	lines                      []string // of the signature base: a component and its value
	params                     string   // behind the list of components
	fields                     [][2]string
}

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// check is a letter as it should be.
func check(nonce string) letter {
	const body = `{"ip":"203.0.113.7","card_id":"tok_1"}`
	return letter{
		method: "POST", target: "/v1/check?a=b", host: "fraud.example:8080", body: body, secret: signingSecret,
		lines: []string{`"@method"`, "POST", `"@authority"`, "fraud.example:8080", `"@path"`, "/v1/check", `"@query"`, "?a=b",
			`"content-digest"`, digestOf(body), `"content-type"`, "application/json"},
		params: fmt.Sprintf(`;created=%d;nonce="%s";keyid="checkout"`, noon.Unix(), nonce),
		fields: [][2]string{{"Content-Type", "application/json"}, {"Content-Digest", digestOf(body)}},
	}
}

// with replaces the parameters.
func (l letter) with(params string) letter {
	l.params = params
	return l
}

// without takes a component out of the signature.
func (l letter) without(component string) letter {
	var lines []string
	for i := 0; i < len(l.lines); i += 2 {
		if l.lines[i] != component {
			lines = append(lines, l.lines[i], l.lines[i+1])
		}
	}
	l.lines = lines
	return l
}

// and adds a component to it, with the value it is signed with.
func (l letter) and(component, value string) letter {
	l.lines = append(l.lines[:len(l.lines):len(l.lines)], component, value)
	return l
}

func macOf(secret, base string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(base))
	return ":" + base64.StdEncoding.EncodeToString(m.Sum(nil)) + ":"
}

// sign makes the request, with sig1 for its label.
func (l letter) sign() *auth.Request {
	var base, list string
	for i := 0; i < len(l.lines); i += 2 {
		base += l.lines[i] + ": " + l.lines[i+1] + "\n"
		list += " " + l.lines[i]
	}
	input := "(" + strings.TrimPrefix(list, " ") + ")" + l.params
	h := header{
		"Signature-Input": {[]byte("sig1=" + input)},
		"Signature":       {[]byte("sig1=" + macOf(l.secret, base+`"@signature-params": `+input))},
	}
	for _, f := range l.fields {
		h[f[0]] = append(h[f[0]], []byte(f[1]))
	}
	return &auth.Request{Header: h, Method: []byte(l.method), Target: []byte(l.target), Host: []byte(l.host), Body: []byte(l.body)}
}

const nonce = "aaaaaaaaaaaaaaaa"

func at(seconds int, more string) string {
	return fmt.Sprintf(`;created=%d;nonce="%s";keyid="checkout"%s`, noon.Unix()+int64(seconds), nonce, more)
}

func TestASignedRequestNamesItsCaller(t *testing.T) {
	get := letter{method: "GET", target: "/v1/me", host: "A.example", secret: signingSecret, params: at(0, ""),
		lines: []string{`"@method"`, "GET", `"@path"`, "/v1/me"}}
	others := check(nonce).with(fmt.Sprintf(`;created=%d;nonce="%s";keyid="o\"d\\d"`, noon.Unix(), nonce))
	others.secret = otherSecret
	for name, tt := range map[string]struct {
		letter letter
		want   string
	}{
		"a check":                            {check(nonce), "checkout"},
		"another user":                       {others, `o"d\d`},
		"without a body":                     {get, "checkout"},
		"with a digest of no body":           {letter{method: "GET", target: "/v1/me", secret: signingSecret, params: at(0, ""), fields: [][2]string{{"Content-Digest", digestOf("")}}, lines: append(get.lines, `"content-digest"`, digestOf(""))}, "checkout"},
		"the target as one":                  {check(nonce).without(`"@path"`).without(`"@query"`).and(`"@request-target"`, "/v1/check?a=b"), "checkout"},
		"the target with scheme and host":    {check(nonce).without(`"@path"`).without(`"@query"`).and(`"@target-uri"`, "http://fraud.example:8080/v1/check?a=b"), "checkout"},
		"the scheme too":                     {check(nonce).and(`"@scheme"`, "http"), "checkout"},
		"no more than must be":               {check(nonce).without(`"@authority"`).without(`"content-type"`), "checkout"},
		"the algorithm said":                 {check(nonce).with(at(0, `;alg="hmac-sha256"`)), "checkout"},
		"the parameters in another order":    {check(nonce).with(fmt.Sprintf(`;keyid="checkout";alg="hmac-sha256";nonce="%s";created=%d`, nonce, noon.Unix())), "checkout"},
		"a minute ago":                       {check(nonce).with(at(-60, "")), "checkout"},
		"a minute ahead":                     {check(nonce).with(at(60, "")), "checkout"},
		"not expired yet":                    {check(nonce).with(at(-60, fmt.Sprintf(";expires=%d", noon.Unix()+1))), "checkout"},
		"the longest nonce":                  {check(strings.Repeat("a", 64)), "checkout"},
		"a nonce of all kinds of characters": {check("!#$%&'()*+,-./:;"), "checkout"},
		"a nonce with characters escaped":    {check(`aaaaaaaaaaaaaa\"\\`), "checkout"},
	} {
		t.Run(name, func(t *testing.T) {
			guard := signedGuard(t, noon)
			r := tt.letter.sign()
			caller, err := guard.Authenticate(r)
			require.NoError(t, err)
			assert.Equal(t, tt.want, caller.Name)
			assert.True(t, r.Signed())
		})
	}
}

func TestAMalformedOrForgedSignatureIsRefused(t *testing.T) {
	ok := check(nonce)
	edit := func(change func(*auth.Request)) *auth.Request {
		r := ok.sign()
		change(r)
		return r
	}
	set := func(name string, values ...string) *auth.Request {
		return edit(func(r *auth.Request) {
			h := r.Header.(header)
			delete(h, name)
			for _, v := range values {
				h[name] = append(h[name], []byte(v))
			}
		})
	}
	field := func(name string) string { return string(ok.sign().Header.Values(name)[0]) }
	input, sent := field("Signature-Input"), field("Signature")
	forged := ok
	forged.secret = otherSecret
	long := ok.without(`"@method"`)
	for i := range 40 {
		long = long.and(fmt.Sprintf(`"x-%d"`, i), "")
	}
	for name, tt := range map[string]struct {
		request *auth.Request
		want    auth.Failure
	}{
		// What was signed is not what came.
		"another method":              {edit(func(r *auth.Request) { r.Method = []byte("DELETE") }), auth.Invalid},
		"a method in lower case":      {edit(func(r *auth.Request) { r.Method = []byte("post") }), auth.Invalid},
		"another path":                {edit(func(r *auth.Request) { r.Target = []byte("/v1/outcomes?a=b") }), auth.Invalid},
		"the path spelled otherwise":  {edit(func(r *auth.Request) { r.Target = []byte("/v1/%63heck?a=b") }), auth.Invalid},
		"another query":               {edit(func(r *auth.Request) { r.Target = []byte("/v1/check?a=c") }), auth.Invalid},
		"no query":                    {edit(func(r *auth.Request) { r.Target = []byte("/v1/check") }), auth.Invalid},
		"another host":                {edit(func(r *auth.Request) { r.Host = []byte("other.example:8080") }), auth.Invalid},
		"another port":                {edit(func(r *auth.Request) { r.Host = []byte("fraud.example") }), auth.Invalid},
		"another body":                {edit(func(r *auth.Request) { r.Body = append(r.Body, ' ') }), auth.TokenInvalid},
		"no body":                     {edit(func(r *auth.Request) { r.Body = nil }), auth.TokenInvalid},
		"another body and its digest": {func() *auth.Request { r := set("Content-Digest", digestOf("{}")); r.Body = []byte("{}"); return r }(), auth.Invalid},
		"another type":                {set("Content-Type", "text/plain"), auth.Invalid},
		"a type twice":                {set("Content-Type", "application/json", "text/plain"), auth.Invalid},
		"TLS, where the scheme is covered": {func() *auth.Request {
			r := ok.and(`"@scheme"`, "http").sign()
			r.TLS = true
			return r
		}(), auth.Invalid},
		// By somebody else.
		"another key":             {forged.sign(), auth.Invalid},
		"a user nobody knows":     {ok.with(strings.Replace(ok.params, "checkout", "stranger", 1)).sign(), auth.Invalid},
		"a user without a key":    {ok.with(strings.Replace(ok.params, "checkout", "password", 1)).sign(), auth.Invalid},
		"another user's name":     {ok.with(strings.Replace(ok.params, "checkout", `o\"d\\d`, 1)).sign(), auth.Invalid},
		"a name in another case":  {ok.with(strings.Replace(ok.params, "checkout", "Checkout", 1)).sign(), auth.Invalid},
		"nothing but zeros":       {set("Signature", "sig1=:"+base64Of(strings.Repeat("\x00", 32))+":"), auth.Invalid},
		"an edited time":          {set("Signature-Input", strings.Replace(input, ";created=17", ";created=18", 1)), auth.Invalid},
		"an edited nonce":         {set("Signature-Input", strings.Replace(input, `nonce="a`, `nonce="b`, 1)), auth.Invalid},
		"an edited list":          {set("Signature-Input", strings.Replace(input, ` "@authority"`, "", 1)), auth.Invalid},
		"an added parameter":      {set("Signature-Input", input+`;alg="hmac-sha256"`), auth.Invalid},
		"components changed over": {set("Signature-Input", strings.Replace(input, `"@path" "@query"`, `"@query" "@path"`, 1)), auth.Invalid},
		// At another time.
		"too old":              {ok.with(at(-61, "")).sign(), auth.TokenExpired},
		"from the future":      {ok.with(at(61, "")).sign(), auth.TokenInvalid},
		"expired":              {ok.with(at(-10, fmt.Sprintf(";expires=%d", noon.Unix()))).sign(), auth.TokenExpired},
		"expires at no time":   {ok.with(at(0, ";expires=0")).sign(), auth.Malformed},
		"too old and expired":  {ok.with(at(-3600, fmt.Sprintf(";expires=%d", noon.Unix()-60))).sign(), auth.TokenExpired},
		"too old, not expired": {ok.with(at(-61, fmt.Sprintf(";expires=%d", noon.Unix()+60))).sign(), auth.TokenExpired},
		// What is not covered.
		"no method":            {ok.without(`"@method"`).sign(), auth.Malformed},
		"no path":              {ok.without(`"@path"`).sign(), auth.Malformed},
		"no query covered":     {ok.without(`"@query"`).sign(), auth.Malformed},
		"no digest of a body":  {ok.without(`"content-digest"`).sign(), auth.Malformed},
		"no components at all": {letter{method: "GET", target: "/", secret: signingSecret, params: at(0, "")}.sign(), auth.Malformed},
		"no time":              {ok.with(fmt.Sprintf(`;nonce="%s";keyid="checkout"`, nonce)).sign(), auth.Malformed},
		"no nonce":             {ok.with(fmt.Sprintf(`;created=%d;keyid="checkout"`, noon.Unix())).sign(), auth.Malformed},
		"no key":               {ok.with(fmt.Sprintf(`;created=%d;nonce="%s"`, noon.Unix(), nonce)).sign(), auth.Malformed},
		// What cannot be.
		"a short nonce":              {check(nonce[1:]).sign(), auth.Malformed},
		"a long nonce":               {check(strings.Repeat("a", 65)).sign(), auth.Malformed},
		"a nonce with a blank":       {check("aaaaaaaa aaaaaaaa").sign(), auth.Malformed},
		"a nonce that is a token":    {ok.with(strings.Replace(ok.params, `"`+nonce+`"`, nonce, 1)).sign(), auth.Malformed},
		"a nonce that is bytes":      {ok.with(strings.Replace(ok.params, `"`+nonce+`"`, ":"+base64Of(nonce)+":", 1)).sign(), auth.Malformed},
		"a time that is text":        {ok.with(strings.Replace(ok.params, "created=", `created="`, 1) + `"`).sign(), auth.Malformed},
		"a time that is a date":      {ok.with(strings.Replace(ok.params, "created=", "created=@", 1)).sign(), auth.Malformed},
		"a time with decimals":       {ok.with(strings.Replace(ok.params, ";nonce", ".0;nonce", 1)).sign(), auth.Malformed},
		"a time of zero":             {ok.with(fmt.Sprintf(`;created=0;nonce="%s";keyid="checkout"`, nonce)).sign(), auth.Malformed},
		"a time before all":          {ok.with(fmt.Sprintf(`;created=-999999999999999;nonce="%s";keyid="checkout"`, nonce)).sign(), auth.Malformed},
		"a time after all":           {ok.with(fmt.Sprintf(`;created=999999999999999;nonce="%s";keyid="checkout"`, nonce)).sign(), auth.TokenInvalid},
		"a key that is a number":     {ok.with(strings.Replace(ok.params, `"checkout"`, "7", 1)).sign(), auth.Malformed},
		"another algorithm":          {ok.with(at(0, `;alg="ed25519"`)).sign(), auth.Malformed},
		"the algorithm as a token":   {ok.with(at(0, `;alg=hmac-sha256`)).sign(), auth.Malformed},
		"the algorithm in capitals":  {ok.with(at(0, `;alg="HMAC-SHA256"`)).sign(), auth.Malformed},
		"a signature for others":     {ok.with(at(0, `;tag="their-api"`)).sign(), auth.Malformed},
		"a parameter nobody knows":   {ok.with(at(0, `;x`)).sign(), auth.Malformed},
		"a parameter twice":          {ok.with(at(0, `;keyid="checkout"`)).sign(), auth.Malformed},
		"a component twice":          {ok.and(`"@method"`, "POST").sign(), auth.Malformed},
		"a field twice":              {ok.and(`"content-type"`, "application/json").sign(), auth.Malformed},
		"a field that is not there":  {ok.and(`"date"`, "").sign(), auth.Malformed},
		"a field in capitals":        {ok.and(`"Content-Type"`, "application/json").sign(), auth.Malformed},
		"a field with a blank":       {ok.and(`"content type"`, "application/json").sign(), auth.Malformed},
		"a field without a name":     {ok.and(`""`, "").sign(), auth.Malformed},
		"a status":                   {ok.and(`"@status"`, "200").sign(), auth.Malformed},
		"a component nobody knows":   {ok.and(`"@body"`, "").sign(), auth.Malformed},
		"the parameters themselves":  {ok.and(`"@signature-params"`, "").sign(), auth.Malformed},
		"a query parameter":          {ok.and(`"@query-param";name="a"`, "b").sign(), auth.Malformed},
		"a component with req":       {ok.without(`"@method"`).and(`"@method";req`, "POST").sign(), auth.Malformed},
		"a field with bs":            {ok.and(`"content-type";bs`, ":YQ==:").sign(), auth.Malformed},
		"a component that is a word": {ok.and("method", "POST").sign(), auth.Malformed},
		"very many components":       {long.and(`"@method"`, "POST").sign(), auth.Malformed},
		"a target with a host":       {edit(func(r *auth.Request) { r.Target = []byte("http://fraud.example:8080/v1/check?a=b") }), auth.Malformed},
		"a target with a fragment":   {edit(func(r *auth.Request) { r.Target = []byte("/v1/check?a=b#c") }), auth.Malformed},
		"no target":                  {edit(func(r *auth.Request) { r.Target = nil }), auth.Malformed},
		// How it is spelled.
		"no signature":                 {set("Signature"), auth.Malformed},
		"an empty signature":           {set("Signature", ""), auth.Malformed},
		"no input":                     {set("Signature-Input"), auth.Malformed},
		"an empty input":               {set("Signature-Input", ""), auth.Malformed},
		"two signatures":               {set("Signature", sent, sent), auth.Malformed},
		"two inputs":                   {set("Signature-Input", input, input), auth.Malformed},
		"two labels":                   {set("Signature-Input", input+", "+strings.Replace(input, "sig1", "sig2", 1)), auth.Malformed},
		"a label twice":                {set("Signature-Input", input+", "+input), auth.Malformed},
		"a signature of another label": {set("Signature", strings.Replace(sent, "sig1", "sig2", 1)), auth.Malformed},
		"a signature too many":         {set("Signature", sent+", "+strings.Replace(sent, "sig1", "sig2", 1)), auth.Malformed},
		"a signature in quotes":        {set("Signature", strings.ReplaceAll(sent, ":", `"`)), auth.Malformed},
		"a signature with parameters":  {set("Signature", sent+";a"), auth.Malformed},
		"a signature cut short":        {set("Signature", "sig1=:"+base64Of(signingSecret[:16])+":"), auth.Malformed},
		"an empty one":                 {set("Signature", "sig1=::"), auth.Malformed},
		"without its padding":          {set("Signature", strings.Replace(sent, "=:", ":", 1)), auth.Malformed},
		"an input of another spelling": {set("Signature-Input", strings.Replace(input, " ", "  ", 1)), auth.Malformed},
		"an input that is no list":     {set("Signature-Input", "sig1"), auth.Malformed},
		"an input that is cut":         {set("Signature-Input", input[:40]), auth.Malformed},
		"an input with more behind":    {set("Signature-Input", input+","), auth.Malformed},
		"a label in capitals":          {set("Signature-Input", strings.Replace(input, "sig1", "Sig1", 1)), auth.Malformed},
		"bytes that are no text":       {set("Signature-Input", "\xff\x00"), auth.Malformed},
		"very long":                    {set("Signature-Input", input+strings.Repeat(" ", 5000)), auth.Malformed},
		"beside an Authorization":      {set("Authorization", basic("password:open sesame")), auth.Malformed},
		"beside an empty one":          {set("Authorization", ""), auth.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			caller, err := signedGuard(t, noon).Authenticate(tt.request)
			assert.Nil(t, caller)
			require.Error(t, err)
			var failure auth.Failure
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, tt.want, failure, err.Error())
			assert.False(t, tt.request.Signed(), "no answer to it is signed")
			for _, secret := range []string{nonce, "checkout", "stranger", signingSecret} {
				assert.NotContains(t, err.Error(), secret)
			}
		})
	}
	_, err := signedGuard(t, noon).Authenticate(ok.sign())
	require.NoError(t, err, "what all of these were made from")
}

func TestANonceIsGoodOnce(t *testing.T) {
	guard := signedGuard(t, noon)
	wantUsed := func(l letter) {
		t.Helper()
		_, err := guard.Authenticate(l.sign())
		require.ErrorIs(t, err, auth.TokenInvalid)
	}
	wantNew := func(l letter) {
		t.Helper()
		_, err := guard.Authenticate(l.sign())
		require.NoError(t, err)
	}
	forged := check(nonce)
	forged.secret = otherSecret
	_, err := guard.Authenticate(forged.sign())
	require.ErrorIs(t, err, auth.Invalid, "a stranger uses up none")
	wantNew(check(nonce))
	wantUsed(check(nonce))
	wantUsed(check(nonce).without(`"content-type"`))
	for _, seconds := range []int{-59, -1, 1, 60} {
		wantUsed(check(nonce).with(at(seconds, "")))
	}
	wantNew(check(nonce + "b"))
	theirs := check(nonce).with(strings.Replace(check(nonce).params, "checkout", `o\"d\\d`, 1))
	theirs.secret = otherSecret
	wantNew(theirs)
	wantUsed(theirs)

	guard.Replace(ofUsers(t, signedUsers...)) // a reload does not forget
	wantUsed(check(nonce))
}

// The one time a body is not read, the signature is still judged, and nothing is
// used up: who signed it may send a smaller one.
func TestOnlyAVerifiedCallerIsToldThatTheBodyIsTooLarge(t *testing.T) {
	guard := signedGuard(t, noon)
	r := check(nonce).sign()
	r.Body, r.TooLarge = nil, true
	caller, err := guard.Authenticate(r)
	require.NoError(t, err)
	assert.Equal(t, "checkout", caller.Name)
	assert.True(t, r.Signed())

	forged := check(nonce)
	forged.secret = otherSecret
	r = forged.sign()
	r.TooLarge = true
	_, err = guard.Authenticate(r)
	require.ErrorIs(t, err, auth.Invalid)

	r = check(nonce).without(`"content-digest"`).sign()
	r.Body, r.TooLarge = nil, true
	_, err = guard.Authenticate(r)
	require.ErrorIs(t, err, auth.Malformed)

	_, err = guard.Authenticate(check(nonce).sign())
	require.NoError(t, err)
}

func TestTheAnswerToASignedRequestIsSigned(t *testing.T) {
	guard := signedGuard(t, noon)
	r := check(nonce).sign()
	_, err := guard.Authenticate(r)
	require.NoError(t, err)
	sent := string(r.Header.Values("Signature")[0])
	for _, body := range []string{"", `{"decision":"allow"}`} {
		digest, input, signature := r.SignAnswer(403, []byte(body))
		assert.Equal(t, digestOf(body), digest)
		params := fmt.Sprintf(`("@status" "content-digest" "signature";req);created=%d;keyid="checkout"`, noon.Unix())
		assert.Equal(t, "sig1="+params, input)
		assert.Equal(t, "sig1="+macOf(signingSecret, "\"@status\": 403\n\"content-digest\": "+digest+
			"\n\"signature\";req: "+sent+"\n\"@signature-params\": "+params), signature)
	}
}

func TestOtherSchemesWorkBesideSignatures(t *testing.T) {
	guard := signedGuard(t, noon)
	r := authorization(basic("password:open sesame"))
	caller, err := guard.Authenticate(r)
	require.NoError(t, err)
	assert.Equal(t, "password", caller.Name)
	assert.False(t, r.Signed())
	for _, userinfo := range []string{"checkout:", "checkout:" + signingSecret, "checkout:" + base64Of(signingSecret)} {
		_, err = guard.Authenticate(authorization(basic(userinfo)))
		assert.Equal(t, auth.Invalid, err, "who only signs has no password")
	}
	_, err = guard.Authenticate(authorization())
	assert.Equal(t, auth.Missing, err)
	_, err = newGuard(t).Authenticate(check(nonce).sign())
	assert.Equal(t, auth.Missing, err, "where nobody signs, a signature is a field like any other")
}

func TestTheChallengeNamesSignaturesOnlyAlone(t *testing.T) {
	assert.Equal(t, `Signature realm="fraudcheck"`, auth.NewGuard(ofUsers(t, signedUsers[0])).Challenge())
	assert.Equal(t, newGuard(t).Challenge(), signedGuard(t, noon).Challenge())
}

func TestWrongSigningKeysAreRefused(t *testing.T) {
	good := base64Of(signingSecret)
	for name, tt := range map[string]struct {
		users []auth.User
		index int
		key   string
	}{
		"a key of 31 bytes":     {[]auth.User{{Name: "a", Password: "x", Encryption: password.Clear}, {Name: "b", SigningKey: base64Of(signingSecret[1:])}}, 1, "signing_key"},
		"a key in clear":        {[]auth.User{{Name: "a", SigningKey: "correct-horse-battery-staple-correct-horse"}}, 0, "signing_key"},
		"a key with a line end": {[]auth.User{{Name: "a", SigningKey: good + "\n"}}, 0, "signing_key"},
		"a key in quotes":       {[]auth.User{{Name: "a", SigningKey: `"` + good + `"`}}, 0, "signing_key"},
		"a name twice":          {[]auth.User{{Name: "a", SigningKey: good}, {Name: "a", SigningKey: good}}, 1, "username"},
		"a name beyond ASCII":   {[]auth.User{{Name: "ß", SigningKey: good}}, 0, "username"},
		"no name":               {[]auth.User{{SigningKey: good}}, 0, "username"},
	} {
		t.Run(name, func(t *testing.T) {
			err := wrongSetting(t, auth.Settings{Users: tt.users})
			assert.Equal(t, tt.index, err.Index)
			assert.Equal(t, tt.key, err.Key)
			assert.NotContains(t, err.Error(), tt.users[tt.index].SigningKey+"x")
			if key := tt.users[tt.index].SigningKey; key != "" {
				assert.NotContains(t, err.Error(), key)
			}
		})
	}
	ofUsers(t, auth.User{Name: "a", SigningKey: strings.TrimRight(good, "=")}) // without its padding
}

func TestTheGuardKeepsNoSliceOfASignedRequest(t *testing.T) {
	guard := signedGuard(t, noon)
	r := check(nonce).sign()
	_, err := guard.Authenticate(r)
	require.NoError(t, err)
	_, _, before := r.SignAnswer(200, nil)
	for _, values := range r.Header.(header) {
		for _, v := range values {
			copy(v, bytes.Repeat([]byte("X"), len(v)))
		}
	}
	_, _, after := r.SignAnswer(200, nil)
	assert.Equal(t, before, after)
}
