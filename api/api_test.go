package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"fraudcheck/api"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// These tests hold the document to the tables of the source. What the service answers is
// compared with it by the tests in the folder contract.

type document struct {
	Paths      map[string]pathItem
	Components struct {
		Schemas    map[string]schema
		Parameters map[string]struct{ Name, In string }
	}
}

type pathItem struct {
	Servers    []struct{ URL string }
	Parameters []any
	Operations map[string]operation `yaml:",inline"` // by method, in lower case
}

type operation struct {
	Security   *[]map[string][]string
	Parameters []struct {
		Ref string `yaml:"$ref"`
	}
}

type schema struct {
	Type       types
	Enum       []any
	Properties map[string]struct {
		Ref  string `yaml:"$ref"`
		Enum []any
	}
}

// types are one type, or a list of them.
type types []string

func (t *types) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = types{n.Value}
		return nil
	}
	return n.Decode((*[]string)(t))
}

func read(t *testing.T) (d document) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal(api.Document, &d))
	require.NotEmpty(t, d.Paths)
	return d
}

// serverOf are the servers that stand for each port.
var serverOf = map[string]string{"callers": "http://127.0.0.1:8080", "operators": "http://127.0.0.1:8081"}

// open opens both ports, with all routes that there may be.
func open(t *testing.T) *doortest.Fraudcheck {
	t.Helper()
	return doortest.Open(t, func(s *doortest.Setup) { s.Profiles = true })
}

var pathName = regexp.MustCompile(`\{[a-z]+\}`)

func TestTheDocumentHasEveryRouteAndNoOther(t *testing.T) {
	d, service := read(t), open(t)
	paths := append(slices.Collect(maps.Keys(d.Paths)), service.Routes(t)...)
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		if path == "none" { // the metric's word for requests without a route
			continue
		}
		described := d.Paths[path]
		methods := slices.Sorted(maps.Keys(described.Operations))
		for name, port := range service.Ports() {
			// No path takes this method, so the answer names those that it does take.
			a := port.Ask(t, doortest.Raw("BREW "+pathName.ReplaceAllString(path, "x"), ""))
			if a.Status == 404 {
				assert.NotContains(t, described.Servers, struct{ URL string }{serverOf[name]}, "the %s' port does not have %s", name, path)
				continue
			}
			require.Equal(t, 405, a.Status, path)
			assert.Contains(t, described.Servers, struct{ URL string }{serverOf[name]}, "the %s' port has %s", name, path)
			taken := strings.Split(strings.ToLower(a.Header.Get("Allow")), ", ")
			slices.Sort(taken)
			assert.Equal(t, taken, methods, path)
		}
	}
}

var neededRole = regexp.MustCompile(`needs the role (\w+)`)

func TestTheDocumentNamesTheRoleThatEachOperationNeeds(t *testing.T) {
	d, service := read(t), open(t)
	for path, item := range d.Paths {
		port := service.Operators
		if item.Servers[0].URL == serverOf["callers"] {
			port = service.Callers
		}
		for method, op := range item.Operations {
			request := func(headers ...string) string {
				return doortest.Raw(strings.ToUpper(method)+" "+pathName.ReplaceAllString(path, "x"), "", headers...)
			}
			open := port.Ask(t, request()).Status != 401
			var role string
			if !open && method != "head" { // that has no body to say it
				detail, _ := port.Ask(t, request(doortest.AsNobody)).JSON["detail"].(string)
				if found := neededRole.FindStringSubmatch(detail); found != nil {
					role = found[1]
				}
			}
			assert.Equal(t, open, op.Security != nil && (len(*op.Security) == 0 || len((*op.Security)[0]) == 0), "%s %s: open to everybody", method, path)
			if role == "" {
				continue
			}
			if assert.NotNil(t, op.Security, "%s %s needs %s", method, path, role) {
				for _, schemes := range *op.Security {
					assert.Contains(t, slices.Concat(slices.Collect(maps.Values(schemes))...), role, "%s %s", method, path)
				}
			}
		}
	}
}

func TestTheDocumentHasTheFieldsOfTheTable(t *testing.T) {
	d := read(t)
	for requests, schemas := range map[velocity.Requests][]string{
		velocity.CheckRequest:   {"CheckRequest"},
		velocity.OutcomeRequest: {"OutcomeRequest"},
		velocity.SubjectRequest: {"CardSubject", "OtherSubject"},
		velocity.AttemptRequest: {"AttemptName"},
	} {
		for _, name := range schemas {
			properties := d.Components.Schemas[name].Properties
			assert.ElementsMatch(t, velocity.FieldNames(requests), slices.Collect(maps.Keys(properties)), name)
			for field, property := range properties {
				f, ok := velocity.FieldByName(field)
				if of, found := strings.CutPrefix(property.Ref, "#/components/schemas/"); found && of != "Absent" {
					number := func(kind string) bool { return kind == "integer" || kind == "number" }
					assert.Equal(t, ok && f.Number(), slices.ContainsFunc(d.Components.Schemas[of].Type, number), "%s: %s may be a number", name, field)
				}
			}
		}
	}
	for path, requests := range map[string]velocity.Requests{"/v1/check": velocity.CheckRequest, "/v1/outcomes": velocity.OutcomeRequest} {
		var names []string
		for _, parameter := range d.Paths[path].Operations["post"].Parameters {
			p := d.Components.Parameters[strings.TrimPrefix(parameter.Ref, "#/components/parameters/")]
			require.Equal(t, "query", p.In, parameter.Ref)
			names = append(names, p.Name)
		}
		assert.ElementsMatch(t, velocity.FieldNames(requests), names, "URL parameters of %s", path)
	}
}

func TestTheDocumentHasEveryErrorCodeAndNoOther(t *testing.T) {
	var described []string
	for _, code := range read(t).Components.Schemas["Problem"].Properties["code"].Enum {
		described = append(described, code.(string))
	}
	codes := codesOfSource(t)
	assert.Contains(t, codes, "field_missing", "the code of an assignment")
	assert.Contains(t, codes, "token_expired", "the code of a constant")
	assert.Contains(t, codes, "version_unsupported", "the code of a literal")
	assert.ElementsMatch(t, codes, described)
}

// The tests in the folder contract, and readers, find the example of a code by its name.
func TestAnExampleOfAnErrorIsNamedByItsCode(t *testing.T) {
	var root map[string]any
	require.NoError(t, yaml.Unmarshal(api.Document, &root))
	found := 0
	var visit func(node any)
	visit = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, child := range node {
				visit(child)
			}
		case map[string]any:
			for name, child := range node {
				example, _ := child.(map[string]any)
				value, _ := example["value"].(map[string]any)
				if code, ok := value["code"]; ok {
					found++
					assert.Equal(t, code, name)
				}
				visit(child)
			}
		}
	}
	visit(root)
	assert.Greater(t, found, 50)
}

// A fault of the program cannot be asked for, so the tests in the folder contract do not
// meet its answer.
func TestTheDocumentHasTheAnswerToAFault(t *testing.T) {
	var described struct {
		Components struct {
			Responses struct {
				Internal struct {
					Content map[string]struct {
						Examples struct {
							Internal struct{ Value map[string]any }
						}
					}
				} `yaml:"Internal"`
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(api.Document, &described))
	example := described.Components.Responses.Internal.Content[wire.ProblemType].Examples.Internal.Value
	require.NotEmpty(t, example)
	var answered map[string]any
	require.NoError(t, yaml.Unmarshal(wire.Internal.Append(nil, []byte(example["request_id"].(string))), &answered))
	assert.Equal(t, answered, example)
}

// codesOfSource are the codes that the packages write into problems: as a member Code, as
// a variable code, or as a constant of the type Failure, which is one.
func codesOfSource(t *testing.T) []string {
	t.Helper()
	codes := map[string]bool{}
	text := func(e ast.Expr) {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			code, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			codes[code] = true
		}
	}
	named := func(e ast.Expr, name string) bool {
		ident, ok := e.(*ast.Ident)
		return ok && ident.Name == name
	}
	for _, room := range []string{"auth", "callers", "door", "operator", "server", "wire"} {
		files, err := filepath.Glob("../internal/" + room + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.KeyValueExpr:
					if named(n.Key, "Code") {
						text(n.Value)
					}
				case *ast.AssignStmt:
					if named(n.Lhs[0], "code") {
						text(n.Rhs[0])
					}
				case *ast.ValueSpec:
					if n.Type != nil && named(n.Type, "Failure") && len(n.Values) > 0 {
						text(n.Values[0])
					}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(codes))
}
