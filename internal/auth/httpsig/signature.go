package httpsig

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"
)

// The bounds of a signature. They keep what a stranger can make us hash and store small;
// 16 characters are the least for a nonce that is random and never repeats.
const (
	maxCovered         = 32     // components
	minNonce, maxNonce = 16, 64 // characters
	maxLabel           = 64     // characters
)

// The components with an @ are derived from the request (RFC 9421 section 2.2); the
// others are fields of the header.
const (
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

// A signature is what a request says of its own signature, parsed but not verified.
type signature struct {
	label   string
	mac     []byte
	field   string   // Signature, as sent
	covered []string // components, in order
	params  string   // what the label stands for in Signature-Input, as sent

	keyID, nonce     string
	created, expires int64 // Unix seconds; expires is 0 where none is given
}

// malformed is the error for a signature that is not what was expected.
func malformed(expected string) error { return &Error{Malformed, expected} }

var (
	errInput      = malformed("Signature-Input to be one label with one list of components, as RFC 9421 spells it")
	errSignature  = malformed("Signature to be 32 bytes under the label of Signature-Input")
	errComponent  = malformed("components of a request, each once, in lower case and without parameters")
	errParameter  = malformed("of a signature's parameters only created, expires, nonce, keyid and alg, each of its type")
	errAlg        = malformed("the algorithm hmac-sha256")
	errKeyID      = malformed("the parameter keyid, the user's name")
	errCreated    = malformed("the parameter created, in seconds")
	errNonce      = malformed("the parameter nonce, 16 to 64 printable characters without blanks")
	errNoMethod   = malformed("the component @method")
	errNoTarget   = malformed("the target among the components: @path and @query, @request-target or @target-uri")
	errNoDigest   = malformed("the component content-digest, where there is a body")
	errTarget     = malformed("a target that begins with / and has no #")
	errNoField    = malformed("every component to be in the request")
	errDigestForm = malformed("Content-Digest to be a sha-256 or sha-512 digest, as RFC 9530 spells it")
)

// parseSignature parses Signature-Input and Signature, which must name one label. With
// several signatures somebody would have to choose, and another service behind or before
// this one might choose another. Beside an error the signature holds what was parsed.
func parseSignature(h Header) (s signature, err error) {
	text, inputs, err := parseOne(h.Values("Signature-Input"))
	if err != nil || len(inputs.Names()) != 1 {
		return s, errInput
	}
	s.label = inputs.Names()[0]
	member, _ := inputs.Get(s.label)
	list, ok := member.(httpsfv.InnerList)
	if !ok || len(s.label) > maxLabel || len(list.Items) > maxCovered {
		return s, errInput
	}
	s.params = text[len(s.label)+len("="):]
	if err := s.readMAC(h); err != nil {
		return s, err
	}
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		if !ok || len(item.Params.Names()) > 0 || slices.Contains(s.covered, name) {
			return s, errComponent
		}
		s.covered = append(s.covered, name)
	}
	return s, s.readParams(list.Params)
}

// readMAC reads the field Signature, which has one accepted spelling.
func (s *signature) readMAC(h Header) error {
	values := h.Values("Signature")
	if len(values) != 1 || len(values[0]) != len(s.label)+len("=::")+base64.StdEncoding.EncodedLen(sha256.Size) {
		return errSignature
	}
	s.field = string(values[0])
	text, labelled := strings.CutPrefix(s.field, s.label+"=:")
	text, closed := strings.CutSuffix(text, ":")
	if !labelled || !closed || strings.ContainsAny(text, lineEnds) {
		return errSignature
	}
	mac, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(mac) != sha256.Size {
		return errSignature
	}
	s.mac = mac
	return nil
}

// readParams reads the parameters and their types. It refuses a parameter that it does
// not know, tag among them: it may mean that the signature was made for another service.
func (s *signature) readParams(params *httpsfv.Params) error {
	algorithm := "hmac-sha256"
	for _, name := range params.Names() {
		value, _ := params.Get(name)
		var ok bool
		switch name {
		case "created":
			s.created, ok = value.(int64)
		case "expires":
			s.expires, ok = value.(int64)
		case "keyid":
			s.keyID, ok = value.(string)
		case "nonce":
			s.nonce, ok = value.(string)
		case "alg":
			algorithm, ok = value.(string)
		}
		if !ok {
			return errParameter
		}
	}
	switch {
	case algorithm != "hmac-sha256":
		return errAlg
	case s.keyID == "":
		return errKeyID
	case s.created <= 0:
		return errCreated
	case len(s.nonce) < minNonce, len(s.nonce) > maxNonce, strings.Contains(s.nonce, " "):
		return errNonce
	}
	if _, given := params.Get("expires"); given && s.expires <= 0 {
		return errParameter
	}
	return nil
}

// covers reports whether the component is covered.
func (s *signature) covers(component string) bool { return slices.Contains(s.covered, component) }

// complete returns the error for a component that the signature must cover and does not.
func (s *signature) complete(r *Request) error {
	switch {
	case !bytes.HasPrefix(r.Target, []byte("/")), bytes.IndexByte(r.Target, '#') >= 0:
		return errTarget
	case !s.covers(componentMethod):
		return errNoMethod
	case s.covers(componentTargetURI), s.covers(componentTarget):
	case s.covers(componentPath) && (s.covers(componentQuery) || bytes.IndexByte(r.Target, '?') < 0):
	default:
		return errNoTarget
	}
	if (len(r.Body) > 0 || r.Unread) && !s.covers(componentContentField) {
		return errNoDigest
	}
	return nil
}

// appendBase appends the signature base (RFC 9421 section 2.5): a line for each covered
// component, in their order, and one for the parameters. The parameters are appended as
// they were sent, which is their canonical spelling: parseOne has refused any other.
func (s *signature) appendBase(b []byte, r *Request) ([]byte, error) {
	path, query, _ := bytes.Cut(r.Target, []byte("?"))
	for _, name := range s.covered {
		b = append(append(append(b, '"'), name...), `": `...)
		switch name {
		case componentMethod:
			b = append(b, r.Method...)
		case componentTargetURI:
			b = append(append(b, r.scheme()...), "://"...)
			b = append(r.appendAuthority(b), r.Target...)
		case componentTarget:
			b = append(b, r.Target...)
		case componentAuthority:
			b = r.appendAuthority(b)
		case componentScheme:
			b = append(b, r.scheme()...)
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
	return append(append(b, signatureParams...), s.params...), nil
}
