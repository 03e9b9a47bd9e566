package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// A kind of subject, and the field it is read from, are one entry each: with these two
// lines, and no other change of the source, the program takes the field, watches and
// counts it, and lets an analyst read and forget it.
func TestANewKindIsOneEntryInEachTable(t *testing.T) {
	testbed.SkipRace(t, "builds a copy of the program")
	t.Parallel()
	testbed.SkipShort(t, "compiles the program with one kind more")
	path := buildWith(t, map[string]entry{
		"field.go": {"fields", `{name: "bin", in: attemptRequests, expected: "1 to 256 characters", judge: judgeText},`},
		"kind.go":  {"kinds", `{id: 200, subject: "bin", element: "bins", from: fromText("bin")},`},
	})
	config := writeFile(t, "fraudcheck.yaml", `
listen: 127.0.0.1:0
operator_listen: 127.0.0.1:0
hash_key: `+hashKey+`
rules:
  - {name: cards_per_bin, per: bin, count: cards, window: 1h, block_over: 2}
  - {name: bins_per_ip, per: ip, count: bins, window: 1h, block_over: 3}
auth:
  basic:
    users:
      - {username: checkout, password: `+password+`}
      - {username: desk, password: `+analystPassword+`, roles: [analyst]}
`)
	p := launchCommand(t, exec.Command(path, "--config", config))
	p.awaitPorts(t)
	check := func(body, media string) answer {
		t.Helper()
		a := p.send(t, "POST", "/v1/check", body, "Content-Type", media)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.False(t, a.Degraded)
		return a
	}
	asJSON := func(ip, id, bin string) answer {
		t.Helper()
		return check(`{"ip":"`+ip+`","card_id":"`+id+`","bin":"`+bin+`"}`, "application/json")
	}
	assert.Equal(t, "allow", asJSON("203.0.113.1", "a", "424242").Decision)
	assert.Equal(t, "allow", check("ip=203.0.113.2&card_id=b&bin=424242", "application/x-www-form-urlencoded").Decision)
	third := asJSON("203.0.113.3", "c", "424242")
	assert.Equal(t, "block", third.Decision)
	assert.Equal(t, 3, third.Rules[0].Count, "JSON and form name one subject")
	assert.Equal(t, "allow", asJSON("203.0.113.3", "c", "555555").Decision)
	assert.Equal(t, 2, asJSON("203.0.113.3", "c", "555555").Rules[1].Count, "of one address")
	for _, body := range []string{`{"ip":"203.0.113.4","card_id":"d"}`, `{"ip":"203.0.113.4","card_id":"d","bin":""}`} {
		without := check(body, "application/json")
		require.Len(t, without.Rules, 1, "without the field the rule that watches it is left out")
		assert.Equal(t, 0, without.Rules[0].Count, "and the one that counts it adds nothing")
	}

	refused := p.send(t, "POST", "/v1/check", `{"ip":"203.0.113.1","card_id":"a","bin":424242}`)
	assert.Equal(t, http.StatusBadRequest, refused.status, refused.body)
	assert.Contains(t, refused.body, `"field":"bin"`)

	analyst := func(verb string) answer {
		t.Helper()
		a, err := p.try(p.operators, "POST", "/v1/subjects/"+verb, `{"per":"bin","value":"424242"}`,
			"Authorization", basic("desk", analystPassword), "Content-Type", "application/json")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, a.status, a.body)
		return a
	}
	read := analyst("read")
	require.Len(t, read.Rules, 1, read.body)
	assert.Equal(t, 3, read.Rules[0].Count)
	analyst("forget")
	assert.Equal(t, 0, analyst("read").Rules[0].Count)
	assert.Equal(t, "allow", asJSON("203.0.113.5", "e", "424242").Decision)
}

// An entry is a line for a table: a variable of package velocity.
type entry struct{ table, line string }

// buildWith builds the program with the entries added at the end of their tables, by
// the file in which each table is, and returns its path.
func buildWith(t *testing.T, entries map[string]entry) string {
	t.Helper()
	dir := t.TempDir()
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for file, e := range entries {
		source, err := filepath.Abs(filepath.Join("../../internal/velocity", file))
		require.NoError(t, err)
		text, err := os.ReadFile(source)
		require.NoError(t, err)
		at := endOf(t, text, e.table)
		changed := filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(changed, append(append(text[:at:at], "\t"+e.line+"\n"...), text[at:]...), 0o600))
		overlay.Replace[source] = changed
	}
	replace, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), replace, 0o600))
	path := filepath.Join(dir, "fraudcheck")
	out, err := exec.Command("go", "build", "-ldflags=-w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// endOf is the offset in the source of the brace that ends the table.
func endOf(t *testing.T, source []byte, table string) int {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, 0)
	require.NoError(t, err)
	at := -1
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == table {
			at = files.Position(v.Values[0].(*ast.CompositeLit).Rbrace).Offset
		}
		return at < 0
	})
	require.Positive(t, at, table)
	return at
}
