package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A dashboard is Grafana's, as far as the tests look at it.
type dashboard struct {
	Title, UID, Description string
	SchemaVersion           int
	Templating              struct{ List []variable }
	Panels                  []panel
}

type variable struct {
	Name, Label, Type string
	Datasource        *source
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               *source
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []target
}

type target struct {
	RefID              string
	Expr, LegendFormat string
	Datasource         *source
}

type source struct{ Type, UID string }

// variable returns whether the source is what the dashboard's reader chose.
func (s *source) variable() bool { return s != nil && *s == source{"prometheus", "${datasource}"} }

func dashboards(t *testing.T) (all map[string]dashboard) {
	t.Helper()
	files, err := filepath.Glob("grafana/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all = make(map[string]dashboard)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(text, &d), f)
		all[f] = d
	}
	return all
}

// metric finds the metrics of an expression, each with its selector.
var metric = regexp.MustCompile(`\b(?:fraudcheck|process|go|up)\w*(\{[^}]*\})?`)

func TestDashboardsAreComplete(t *testing.T) {
	uids := make(map[string]bool)
	for file, d := range dashboards(t) {
		assert.NotEmpty(t, d.Title, file)
		assert.NotEmpty(t, d.Description, file)
		assert.GreaterOrEqual(t, d.SchemaVersion, 36, file)
		assert.False(t, d.UID == "" || uids[d.UID], "%s: the uid is its own", file)
		uids[d.UID] = true

		var names []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			assert.NotEmpty(t, v.Label, "%s: variable %s", file, v.Name)
			if v.Type == "query" {
				assert.True(t, v.Datasource.variable(), "%s: variable %s", file, v.Name)
			}
		}
		assert.Equal(t, []string{"datasource", "job", "instance"}, names, file)

		ids, titles := make(map[int]bool), make(map[string]bool)
		for _, p := range d.Panels {
			assert.False(t, p.ID == 0 || ids[p.ID], "%s: the id of %q is its own", file, p.Title)
			assert.False(t, p.Title == "" || titles[p.Title], "%s: the title %q is its own", file, p.Title)
			ids[p.ID], titles[p.Title] = true, true
			if p.Type == "row" {
				continue
			}
			assert.NotEmpty(t, p.Description, p.Title)
			assert.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
			assert.True(t, p.Datasource.variable(), p.Title)
			assert.NotEmpty(t, p.Targets, p.Title)
			refs := make(map[string]bool)
			for _, q := range p.Targets {
				assert.False(t, q.RefID == "" || refs[q.RefID], "%s: the refId %q is its own", p.Title, q.RefID)
				refs[q.RefID] = true
				assert.True(t, q.Datasource.variable(), p.Title)
				assert.NotEmpty(t, q.LegendFormat, p.Title)
				asked := metric.FindAllStringSubmatch(q.Expr, -1)
				assert.NotEmpty(t, asked, p.Title)
				for _, m := range asked {
					assert.Contains(t, m[1], `job="$job"`, "%s: %s", p.Title, m[0])
					assert.Contains(t, m[1], `instance=~"$instance"`, "%s: %s", p.Title, m[0])
				}
				for _, ranges := range regexp.MustCompile(`rate\([^[]*\[([^]]*)\]`).FindAllStringSubmatch(q.Expr, -1) {
					assert.Equal(t, "$__rate_interval", ranges[1], p.Title)
				}
				for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
					if by := regexp.MustCompile(`by \(([^)]*)\)`).FindStringSubmatch(q.Expr); by != nil {
						assert.Contains(t, strings.Split(by[1], ", "), label[1], "%s: the legend's labels are there", p.Title)
					}
				}
			}
		}
	}
}

// Grafana's grid is 24 columns wide.
func TestPanelsDoNotOverlap(t *testing.T) {
	for file, d := range dashboards(t) {
		taken := make(map[[2]int]string)
		for _, p := range d.Panels {
			at := p.GridPos
			assert.True(t, at.X >= 0 && at.Y >= 0 && at.W > 0 && at.H > 0 && at.X+at.W <= 24, "%s: %s is within the grid", file, p.Title)
			for x := at.X; x < at.X+at.W; x++ {
				for y := at.Y; y < at.Y+at.H; y++ {
					assert.Empty(t, taken[[2]int{x, y}], "%s: %s lies over", file, p.Title)
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}
