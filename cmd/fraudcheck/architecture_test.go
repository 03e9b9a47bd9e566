package main

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// Which package may import which:
//
//	cmd ──> server ───> door <─── callers, operator <── cmd
//	          │          │             │
//	       listener     wire ───> velocity
//	                     └──────> auth
//
// callers and operator are the routes of the two ports, server serves either over HTTP.
// The tests below hold the arrows to that.

const (
	module     = "fraudcheck"
	prometheus = "github.com/prometheus"
	fasthttp   = "github.com/valyala/fasthttp"
	ours       = module + "/internal" // every other package of this project
)

// forbidden are the packages that each package may not import, directly or through others.
var forbidden = map[string][]string{
	// The subject matter: no HTTP, no metrics, no log, no caller.
	"internal/velocity": {"net/http", fasthttp, prometheus, "log", "internal/auth", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	"internal/auth":     {"net/http", fasthttp, prometheus, "log", "internal/velocity", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// What auth is put together from: none knows it.
	"internal/auth/password": {"net/http", fasthttp, prometheus, "log", "internal/velocity", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator", only("internal/auth")},
	"internal/auth/jwt":      {"net/http", fasthttp, prometheus, "log", "internal/velocity", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator", only("internal/auth")},
	"internal/auth/httpsig":  {"net/http", fasthttp, prometheus, "log", "internal/velocity", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator", only("internal/auth")},
	"internal/auth/proof":    {"net", fasthttp, prometheus, "log", ours},
	"internal/auth/session":  {"net/http", fasthttp, prometheus, "log", "internal/velocity", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator", only("internal/auth")},
	// The client of memcached, whatever is stored there.
	"internal/memcached": {"net/http", fasthttp, prometheus, "log", "internal/velocity", "internal/auth", "internal/wire", "internal/door", "internal/listener", "internal/server", "internal/callers", "internal/operator"},
	// What the program was built from.
	"internal/build": {"net", fasthttp, prometheus, "log", ours},
	// Who may ask a store, whatever is asked.
	"internal/turns": {"net", fasthttp, prometheus, "log", ours},
	// A history judged again: files and velocity alone.
	"internal/replay": {"net/http", fasthttp, prometheus, "log", "internal/auth", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator", "internal/config"},
	// What came of a replay, as a page.
	"internal/replay/report": {"net/http", fasthttp, prometheus, "log", "internal/auth", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator", "internal/config"},
	// Bytes in memory, whatever they mean: it knows no package of this project.
	"internal/slab": {"net", fasthttp, prometheus, "log", "internal/velocity", "internal/auth", "internal/memcached", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// Log lines, whatever they say.
	"internal/logging": {"net/http", fasthttp, prometheus, ours},
	// It must be initialized before anything else.
	"internal/hangup": {"net", "fmt", fasthttp, prometheus, "log", ours},
	// Questions to other instances, whatever is asked.
	"internal/peers": {fasthttp, prometheus, "log/slog", "internal/velocity", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// Settings as plain values; cmd/fraudcheck compiles them.
	"internal/config": {"net/http", fasthttp, prometheus, "log", ours},
	// net/http gives it the titles of problems: see below.
	"internal/wire": {fasthttp, prometheus, "log/slog", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// Connections, whatever is said over them.
	"internal/listener": {"net/http", fasthttp, prometheus, "log", "internal/velocity", "internal/auth", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// Bytes of connections, whatever they mean.
	"internal/socket": {"net/http", fasthttp, prometheus, "log", ours},
	// The way of a request, whatever library read it.
	"internal/door": {fasthttp, prometheus, "internal/listener", "internal/server", "internal/callers", "internal/operator"},
	// HTTP, whatever is asked.
	"internal/server": {prometheus, "internal/callers", "internal/operator"},
	// Pages for a browser, which asks the API itself.
	"internal/console": {fasthttp, prometheus, "internal/listener", "internal/server", "internal/callers", "internal/operator"},
	// The description of both ports: a file.
	"api": {"net", fasthttp, prometheus, "log", ours},
	// Files of what happened.
	"internal/decisionlog": {fasthttp, prometheus, "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// What happened, whoever watches.
	"internal/event": {"net/http", fasthttp, prometheus, "log", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// What happened lately, whoever asks.
	"internal/recent": {"net/http", fasthttp, prometheus, "log", "internal/wire", "internal/door", "internal/server", "internal/callers", "internal/operator"},
	// What is asked, whatever library read it.
	"internal/callers":  {fasthttp, prometheus, "internal/listener", "internal/server", "internal/operator"},
	"internal/operator": {fasthttp, "internal/listener", "internal/server", "internal/callers"},
	// What tests need stays out of the program.
	"cmd/fraudcheck": {"testing", "net/http/httptest", "github.com/stretchr", "pgregory.net/rapid", "go.uber.org/goleak"},
}

// forTests are the packages that only tests may import, and the commands that start
// the program as a process of its own.
var forTests = []string{"internal/testbed", "internal/testbed/calls", "internal/velocity/velocitytest", "internal/door/doortest"}

func TestOnlyTestsAndMeasurementsImportTheTestbed(t *testing.T) {
	for _, f := range source(t) {
		if f.isTest() || strings.HasPrefix(f.path, "bench/") || strings.HasPrefix(f.path, "loadtest/") {
			continue
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			assert.NotContains(t, forTests, strings.TrimPrefix(path, module+"/"), f.path)
		}
	}
}

// only is the package alone, without those below it.
func only(pkg string) string { return pkg + "$" }

func TestPackagesImportNoForbiddenOnes(t *testing.T) {
	testbed.SkipRace(t, "lists packages")
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, module+"/internal/...", module+"/cmd/...", module+"/api/...")
	out, err := list.CombinedOutput()
	require.NoError(t, err, string(out))
	var packages []string
	of := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module+"/")
		packages, of[pkg] = append(packages, pkg), words[1:]
	}
	for _, pkg := range packages {
		if !slices.Contains(forTests, pkg) {
			assert.Contains(t, forbidden, pkg, "a new package is entered above")
		}
	}
	for pkg, unknown := range forbidden {
		t.Run(pkg, func(t *testing.T) {
			require.Contains(t, of, pkg)
			dependencies := of[pkg]
			for _, stranger := range unknown {
				if strings.HasPrefix(stranger, "internal/") {
					stranger = module + "/" + stranger
				}
				for _, d := range dependencies {
					exact, alone := strings.CutSuffix(stranger, "$")
					assert.False(t, d == exact || !alone && strings.HasPrefix(d, stranger+"/"), "%s imports %s", pkg, d)
				}
			}
		})
	}
}

// A sourceFile is one of ours; its path begins at the module's root.
type sourceFile struct {
	path  string
	lines int
	*ast.File
}

func (f *sourceFile) isTest() bool {
	return strings.HasSuffix(f.path, "_test.go") || slices.Contains(forTests, filepath.Dir(f.path))
}

var fileSet = token.NewFileSet()

// source is every Go file of this project.
func source(t *testing.T) []*sourceFile {
	t.Helper()
	testbed.SkipRace(t, "reads source")
	files, err := parsed()
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(files, func(f *sourceFile) bool { return f.path == "cmd/fraudcheck/main.go" }))
	require.True(t, slices.ContainsFunc(files, func(f *sourceFile) bool { return f.path == "internal/velocity/checker.go" }))
	return files
}

var parsed = sync.OnceValues(func() (files []*sourceFile, err error) {
	const root = "../.."
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fileSet, path, text, parser.ParseComments)
		files = append(files, &sourceFile{path: filepath.ToSlash(path[len(root)+1:]), lines: strings.Count(string(text), "\n"), File: parsed})
		return err
	})
	return files, err
})

// uses visits every name that the file takes from the imported package.
func (f *sourceFile) uses(imported string, visit func(name string, at token.Position)) {
	for _, spec := range f.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); path != imported {
			continue
		}
		name := imported[strings.LastIndex(imported, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == name {
					visit(s.Sel.Name, fileSet.Position(s.Pos()))
				}
			}
			return true
		})
	}
}

func TestWireTakesOnlyTitlesFromNetHTTP(t *testing.T) {
	for _, f := range source(t) {
		if (strings.HasPrefix(f.path, "internal/wire/") || strings.HasPrefix(f.path, "internal/door/")) && !f.isTest() {
			f.uses("net/http", func(name string, at token.Position) { assert.Equal(t, "StatusText", name, at) })
		}
	}
}

func TestNoTestSleeps(t *testing.T) {
	for _, f := range source(t) {
		// In a bubble of synctest the time is the test's.
		if inBubble := slices.ContainsFunc(f.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == `"testing/synctest"` }); f.isTest() && !inBubble {
			f.uses("time", func(name string, at token.Position) { assert.NotEqual(t, "Sleep", name, at) })
		}
	}
}

func TestNoFileIsTooLongToRead(t *testing.T) {
	for _, f := range source(t) {
		if !f.isTest() {
			assert.LessOrEqual(t, f.lines, 400, f.path)
		}
	}
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	rooms := map[string][]*ast.File{}
	for _, f := range source(t) {
		room := filepath.Dir(f.path)
		public := slices.ContainsFunc([]string{"internal/", "client/", "api/"}, func(folder string) bool { return strings.HasPrefix(f.path, folder) })
		if public && !strings.HasSuffix(f.path, "_test.go") {
			rooms[room] = append(rooms[room], f.File)
		}
	}
	require.GreaterOrEqual(t, len(rooms), 5)
	for room, files := range rooms {
		t.Run(room, func(t *testing.T) {
			p, err := doc.NewFromFiles(fileSet, files, module+"/"+room)
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(p.Doc, "Package "+p.Name+" "), "the package has no comment, or one that does not begin with its name")
			for _, v := range append(p.Consts, p.Vars...) {
				requireDocumentedValues(t, v)
			}
			requireDocumented(t, p.Funcs)
			for _, typ := range p.Types {
				assert.NotEmpty(t, typ.Doc, typ.Name)
				requireDocumented(t, typ.Funcs)
				requireDocumented(t, typ.Methods)
				for _, v := range append(typ.Consts, typ.Vars...) {
					requireDocumentedValues(t, v)
				}
			}
		})
	}
}

// requireDocumented spares what every Go programmer knows.
func requireDocumented(t *testing.T, funcs []*doc.Func) {
	t.Helper()
	known := []string{"String", "Error", "Unwrap"}
	for _, f := range funcs {
		if !ast.IsExported(f.Name) || f.Recv != "" && slices.Contains(known, f.Name) {
			continue
		}
		assert.NotEmpty(t, f.Doc, "%s %s", f.Recv, f.Name)
	}
}

// requireDocumentedValues wants a word for the group or for each exported one of it.
func requireDocumentedValues(t *testing.T, v *doc.Value) {
	t.Helper()
	for _, spec := range v.Decl.Specs {
		spec := spec.(*ast.ValueSpec)
		if v.Doc == "" && slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported) {
			assert.NotEmpty(t, spec.Doc.Text()+spec.Comment.Text(), "%s", spec.Names)
		}
	}
}
