// Package contract holds the running program to api/openapi.yaml: it drives every
// operation and every documented error at both ports, and validates what is sent and what
// comes back. It is a module of its own, because validators bring many others along. make
// verify runs it.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"fraudcheck/api"
)

// object is a mapping of the document.
type object = map[string]any

// A description is the document, and what of it was met.
type description struct {
	root      object
	validator validator.Validator
	met       map[string]bool // "POST /v1/check 400 field_missing"
	examples  map[string]bool // of answers, by place: whether it was met
}

// unseen are the headers of every answer, which the introduction describes, and those
// that say how HTTP carries it.
var unseen = []string{"Cache-Control", "X-Content-Type-Options", "Date", "Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "Vary", "Content-Digest", "Signature", "Signature-Input", "Origin", "Sec-Fetch-Site"}

func describe(t testing.TB, text []byte) *description {
	t.Helper()
	document, err := libopenapi.NewDocument(text)
	require.NoError(t, err)
	v, errs := validator.NewValidator(document,
		config.WithStrictMode(), config.WithStrictIgnoredHeadersExtra(unseen...), config.WithFormatAssertions(),
		config.WithRejectUndeclaredRequestBody(), config.WithBodyDecoder("application/x-www-form-urlencoded", content.DecoderFunc(decodeForm)),
		// The cookie of a security scheme, and claims, which are the issuer's.
		config.WithStrictIgnorePaths("$.cookies.fraudcheck_session", "$.body.claims.*"))
	require.Empty(t, errs)
	d := &description{validator: v, met: map[string]bool{}, examples: map[string]bool{}}
	require.NoError(t, yaml.Unmarshal(text, &d.root))
	return d
}

// decodeForm reads a form, of which every value is text.
func decodeForm(in *content.DecodeInput) (any, error) {
	text, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	fields := map[string]any{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	return fields, err
}

// follow returns what a reference stands for, and its place; what is no reference stands
// for itself, at the place given.
func (d *description) follow(node any, place string) (object, string) {
	o, _ := node.(object)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o, place
	}
	var at any = d.root
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(object)[name]
	}
	return at.(object), ref
}

// An op is an operation as people write it: POST /v1/check.
type op string

func (o op) method() string { m, _, _ := strings.Cut(string(o), " "); return m }
func (o op) path() string   { _, p, _ := strings.Cut(string(o), " "); return p }

// ops are all operations, sorted.
func (d *description) ops() (ops []op) {
	for path, item := range d.root["paths"].(object) {
		for method := range item.(object) {
			if method != "servers" && method != "parameters" {
				ops = append(ops, op(strings.ToUpper(method)+" "+path))
			}
		}
	}
	slices.Sort(ops)
	return ops
}

func (d *description) node(o op) object {
	item, _ := d.root["paths"].(object)[o.path()].(object)
	node, _ := item[strings.ToLower(o.method())].(object)
	return node
}

// ports are those that have the operation.
func (d *description) ports(o op) (ports []string) {
	for _, server := range d.root["paths"].(object)[o.path()].(object)["servers"].([]any) {
		ports = append(ports, map[string]string{"http://127.0.0.1:8080": "callers", "http://127.0.0.1:8081": "operators"}[server.(object)["url"].(string)])
	}
	return ports
}

// response is the operation's response with that status, with its place; nil where it is
// not documented.
func (d *description) response(o op, status int) (object, string) {
	responses, _ := d.node(o)["responses"].(object)
	return d.follow(responses[strconv.Itoa(status)], fmt.Sprintf("%s %d", o, status))
}

// An example of an answer, with its name and place.
type example struct {
	name, place string
	value       any
}

// examplesOf are the examples of the operation's response with that status.
func (d *description) examplesOf(o op, status int) (all []example) {
	r, place := d.response(o, status)
	content, _ := r["content"].(object)
	for _, media := range content {
		examples, _ := media.(object)["examples"].(object)
		for _, name := range slices.Sorted(maps.Keys(examples)) {
			all = append(all, example{name, place + " " + name, asJSON(examples[name].(object)["value"])})
		}
	}
	return all
}

// asJSON is the value as encoding/json would have read it.
func asJSON(value any) (same any) {
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &same)
	}
	if err != nil {
		panic(err) // the document has something that JSON has not
	}
	return same
}

// documented are all that must be met: each operation, status and code, and each example
// of an answer.
func (d *description) documented() (all []string) {
	for _, o := range d.ops() {
		for text := range d.node(o)["responses"].(object) {
			status, _ := strconv.Atoi(text)
			examples := d.examplesOf(o, status)
			if status < 400 || len(examples) == 0 {
				all = append(all, fmt.Sprint(o, " ", status))
			}
			for _, e := range examples {
				if status >= 400 {
					all = append(all, fmt.Sprint(o, " ", status, " ", e.name))
				}
				all = append(all, "example "+e.place)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unmet are those of documented that no answer was.
func (d *description) unmet() (all []string) {
	for _, what := range d.documented() {
		if place, ok := strings.CutPrefix(what, "example "); ok && !d.examples[place] || !ok && !d.met[what] {
			all = append(all, what)
		}
	}
	return all
}

// judge returns what in an answer to the operation is not as documented, and notes what it
// is.
func (d *description) judge(o op, sent *http.Request, a answer) (faults []string) {
	r, _ := d.response(o, a.status)
	if r == nil {
		return []string{fmt.Sprintf("status %d is not documented", a.status)}
	}
	// The validator finds the operation by the request, and that of a 405 has none.
	asked := sent.Clone(sent.Context())
	asked.Method = o.method()
	if a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
		asked.URL.Path = samplePath(o)
	}
	response := &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), Request: asked}
	if ok, errs := d.validator.ValidateHttpResponse(asked, response); !ok {
		for _, err := range errs {
			fault := err.Message + ": " + err.Reason
			for _, e := range err.SchemaValidationErrors {
				fault += "; " + e.Reason + " at " + e.FieldPath
			}
			faults = append(faults, fault)
		}
	}
	code, _ := a.json["code"].(string)
	what := fmt.Sprint(o, " ", a.status)
	if code != "" {
		named := func(e example) bool { return e.value.(map[string]any)["code"] == code }
		if !slices.ContainsFunc(d.examplesOf(o, a.status), named) {
			faults = append(faults, fmt.Sprintf("the code %s is not documented with %d", code, a.status))
		}
		if a.json["status"] != float64(a.status) || a.json["request_id"] != a.header.Get("X-Request-Id") {
			faults = append(faults, "status or request_id are not those of the answer")
		}
		what += " " + code
	}
	d.met[what] = true
	for _, e := range d.examplesOf(o, a.status) {
		if a.json != nil && alike("", e.value, any(a.json)) {
			d.examples[e.place] = true
		}
	}
	return faults
}

// passing are the members whose value is another each time.
var passing = []string{"request_id", "token", "refresh_token", "expires_in", "clears_in_seconds", "id", "tag", "since", "last_used",
	"time", "instance", "card", "attempt", "next", "age_seconds",
	"first_blocked", "last_tried",
	"version", "store", "rules", "lists", "hash_key"} // of instances

// passingWhole are the members of which all that is in them passes.
var passingWhole = []string{"minutes", "top", "last_hour"}

var madeUp = regexp.MustCompile(`^01[0-9A-Z]{24}$`) // an attempt_id of the service

// alike reports whether an answer is the example, but for what passes.
func alike(name string, example, answer any) bool {
	if slices.Contains(passingWhole, name) {
		return answer == nil || reflect.TypeOf(example) == reflect.TypeOf(answer)
	}
	switch e := example.(type) {
	case map[string]any:
		a, ok := answer.(map[string]any)
		if !ok || len(a) != len(e) {
			return false
		}
		if _, limited := e["since"]; limited { // a login or an override
			e, a = maps.Clone(e), maps.Clone(a)
			delete(e, "until")
			delete(a, "until")
		}
		for name, value := range e {
			if _, ok := a[name]; !ok || !alike(name, value, a[name]) {
				return false
			}
		}
		return true
	case []any:
		a, ok := answer.([]any)
		if !ok || len(a) != len(e) {
			return false
		}
		for i := range e {
			if !alike(name, e[i], a[i]) {
				return false
			}
		}
		return true
	case string:
		if a, ok := answer.(string); ok && name == "attempt_id" && madeUp.MatchString(e) {
			return madeUp.MatchString(a)
		}
	}
	if slices.Contains(passing, name) {
		return reflect.TypeOf(example) == reflect.TypeOf(answer)
	}
	return example == answer
}

// takes reports whether the document takes the request, and why not.
func (d *description) takes(r *http.Request) (bool, string) {
	ok, errs := d.validator.ValidateHttpRequestSync(r)
	var why []string
	for _, err := range errs {
		why = append(why, err.Message+": "+err.Reason)
	}
	return ok, strings.Join(why, "; ")
}

func TestTheDocumentIsOpenAPI(t *testing.T) {
	ok, errs := describe(t, api.Document).validator.ValidateDocument()
	for _, err := range errs {
		t.Error(err.Message, err.Reason, err.SchemaValidationErrors)
	}
	require.True(t, ok)
}
