package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"net/textproto"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"
)

const (
	maxCovered            = 32 // components of a signature
	minNonce, maxNonce    = 16, 64
	maxLabel              = 64
	signatureParams       = `"@signature-params": `
	componentMethod       = "@method"
	componentTargetURI    = "@target-uri"
	componentTarget       = "@request-target"
	componentAuthority    = "@authority"
	componentScheme       = "@scheme"
	componentPath         = "@path"
	componentQuery        = "@query"
	componentContentField = "content-digest"
)

// A signature is what a request says of its own, read but not believed yet.
type signature struct {
	label   string
	mac     []byte
	field   string   // Signature, as sent
	covered []string // components, in order
	params  string   // what the label stands for in Signature-Input, as sent

	keyID, nonce     string
	created, expires int64 // Unix seconds; expires is 0 where none is given
}

// malformed says what was expected of a signature.
func malformed(expected string) error { return &Flaw{Malformed, expected} }

var (
	flawInput      = malformed("Signature-Input to be one label with one list of components, as RFC 9421 spells it")
	flawSignature  = malformed("Signature to be 32 bytes under the label of Signature-Input")
	flawComponent  = malformed("components of a request, each once, in lower case and without parameters")
	flawParameter  = malformed("of a signature's parameters only created, expires, nonce, keyid and alg, each of its type")
	flawAlg        = malformed("the algorithm hmac-sha256")
	flawKeyID      = malformed("the parameter keyid, the user's name")
	flawCreated    = malformed("the parameter created, in seconds")
	flawNonce      = malformed("the parameter nonce, 16 to 64 printable characters without blanks")
	flawNoMethod   = malformed("the component @method")
	flawNoTarget   = malformed("the target among the components: @path and @query, @request-target or @target-uri")
	flawNoDigest   = malformed("the component content-digest, where there is a body")
	flawTarget     = malformed("a target that begins with / and has no #")
	flawNoField    = malformed("every component to be in the request")
	flawDigestForm = malformed("Content-Digest to be a sha-256 or sha-512 digest, as RFC 9530 spells it")
)

func parseSignature(h Header) (g signature, err error) {
	text, inputs, err := parseOne(h.Values("Signature-Input"))
	if err != nil || len(inputs.Names()) != 1 {
		return g, flawInput
	}
	g.label = inputs.Names()[0]
	member, _ := inputs.Get(g.label)
	list, ok := member.(httpsfv.InnerList)
	if !ok || len(g.label) > maxLabel || len(list.Items) > maxCovered {
		return g, flawInput
	}
	g.params = text[len(g.label)+len("="):]
	if err := g.readMAC(h); err != nil {
		return g, err
	}
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		if !ok || len(item.Params.Names()) > 0 || slices.Contains(g.covered, name) {
			return g, flawComponent
		}
		g.covered = append(g.covered, name)
	}
	return g, g.readParams(list.Params)
}

// readMAC reads Signature, which can be spelled in one way only.
func (g *signature) readMAC(h Header) error {
	values := h.Values("Signature")
	if len(values) != 1 || len(values[0]) != len(g.label)+len("=::")+base64.StdEncoding.EncodedLen(sha256.Size) {
		return flawSignature
	}
	g.field = string(values[0])
	text, labelled := strings.CutPrefix(g.field, g.label+"=:")
	text, closed := strings.CutSuffix(text, ":")
	if !labelled || !closed || strings.ContainsAny(text, lineEnds) {
		return flawSignature
	}
	mac, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(mac) != sha256.Size {
		return flawSignature
	}
	g.mac = mac
	return nil
}

// readParams knows all parameters that may be there: one that is not known, tag
// among them, may mean that the signature was made for somebody else.
func (g *signature) readParams(params *httpsfv.Params) error {
	algorithm := "hmac-sha256"
	for _, name := range params.Names() {
		value, _ := params.Get(name)
		var ok bool
		switch name {
		case "created":
			g.created, ok = value.(int64)
		case "expires":
			g.expires, ok = value.(int64)
		case "keyid":
			g.keyID, ok = value.(string)
		case "nonce":
			g.nonce, ok = value.(string)
		case "alg":
			algorithm, ok = value.(string)
		}
		if !ok {
			return flawParameter
		}
	}
	switch {
	case algorithm != "hmac-sha256":
		return flawAlg
	case g.keyID == "":
		return flawKeyID
	case g.created <= 0:
		return flawCreated
	case len(g.nonce) < minNonce, len(g.nonce) > maxNonce, strings.Contains(g.nonce, " "):
		return flawNonce
	}
	if _, given := params.Get("expires"); given && g.expires <= 0 {
		return flawParameter
	}
	return nil
}

func (g *signature) covers(component string) bool { return slices.Contains(g.covered, component) }

// complete returns what the signature lacks that one of this request must cover.
func (g *signature) complete(r *Request) error {
	switch {
	case !bytes.HasPrefix(r.Target, []byte("/")), bytes.IndexByte(r.Target, '#') >= 0:
		return flawTarget
	case !g.covers(componentMethod):
		return flawNoMethod
	case g.covers(componentTargetURI), g.covers(componentTarget):
	case g.covers(componentPath) && (g.covers(componentQuery) || bytes.IndexByte(r.Target, '?') < 0):
	default:
		return flawNoTarget
	}
	if (len(r.Body) > 0 || r.TooLarge) && !g.covers(componentContentField) {
		return flawNoDigest
	}
	return nil
}

// appendBase appends the signature base of RFC 9421 section 2.5.
func (g *signature) appendBase(b []byte, r *Request) ([]byte, error) {
	path, query, _ := bytes.Cut(r.Target, []byte("?"))
	for _, name := range g.covered {
		b = append(append(append(b, '"'), name...), `": `...)
		switch name {
		case componentMethod:
			b = append(b, r.Method...)
		case componentTargetURI:
			b = append(append(b, r.uriScheme()...), "://"...)
			b = append(r.appendAuthority(b), r.Target...)
		case componentTarget:
			b = append(b, r.Target...)
		case componentAuthority:
			b = r.appendAuthority(b)
		case componentScheme:
			b = append(b, r.uriScheme()...)
		case componentPath:
			b = append(b, path...)
		case componentQuery:
			b = append(append(b, '?'), query...)
		default:
			var err error
			if b, err = r.appendField(b, name); err != nil {
				return b, err
			}
		}
		b = append(b, '\n')
	}
	return append(append(b, signatureParams...), g.params...), nil
}

func (r *Request) uriScheme() string {
	if r.TLS {
		return "https"
	}
	return "http"
}

// appendAuthority appends the host as it was asked for, in lower case and without
// the port that goes without saying.
func (r *Request) appendAuthority(b []byte) []byte {
	port := ":80"
	if r.TLS {
		port = ":443"
	}
	from := len(b)
	b = append(b, bytes.TrimSuffix(r.Host, []byte(port))...)
	for i := from; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return b
}

// appendField appends the values of a header field, as one.
func (r *Request) appendField(b []byte, name string) ([]byte, error) {
	if name == "" || strings.ContainsFunc(name, notOfFieldName) {
		return b, flawComponent // other derived components among them
	}
	values := [][]byte{r.Host} // net/http keeps it apart
	if name != "host" {
		values = r.Header.Values(textproto.CanonicalMIMEHeaderKey(name))
	}
	if len(values) == 0 {
		return b, flawNoField
	}
	for i, v := range values {
		if bytes.ContainsAny(v, lineEnds) {
			return b, flawNoField // it would be a line of the base
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, bytes.Trim(v, " \t")...)
	}
	return b, nil
}

// notOfFieldName: RFC 9110's tokens, in lower case.
func notOfFieldName(c rune) bool {
	return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

// sha256Digest is a Content-Digest.
func sha256Digest(sum [sha256.Size]byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// checkDigest holds the body against Content-Digest (RFC 9530), where that is
// covered: every digest of an algorithm that is fit for it must be the body's, and
// there must be one.
func (g *signature) checkDigest(r *Request) error {
	if !g.covers(componentContentField) {
		return nil // there is no body
	}
	sum := sha256.Sum256(r.Body)
	values := r.Header.Values("Content-Digest")
	if len(values) == 1 && string(values[0]) == sha256Digest(sum) {
		return nil // as nearly all are
	}
	_, digests, err := parseOne(values)
	if err != nil {
		return flawDigestForm
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
			return flawDigestForm
		}
		if subtle.ConstantTimeCompare(want, given) != 1 {
			return flawContent
		}
		checked = true
	}
	if !checked {
		return flawDigestForm
	}
	return nil
}
