package contract

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/api"
)

// load31 loads a document with the second library, which also validates it.
func load31(t *testing.T, text []byte) *load.SpecInfo {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, document.Validate(t.Context(), openapi3.DisableExamplesValidation()))
	return &load.SpecInfo{Spec: document, Url: "openapi.yaml"}
}

// breaking are changes that the library takes for harmless by default: it does not know
// that the service refuses fields that it does not have, and that clients read what an
// answer may have.
var breaking = map[string]checker.Level{
	checker.RequestPropertyRemovedId:          checker.ERR,
	checker.RequestParameterRemovedId:         checker.ERR,
	checker.ResponseOptionalPropertyRemovedId: checker.ERR,
	checker.ResponseNonSuccessStatusRemovedId: checker.ERR,
}

// unnamedBreaks are the breaking changes from one document to the other that no line of
// the changelog names. A line names those of an operation when it stands under Unreleased
// and has the word Breaking, and the operation as in `POST /v1/check`.
func unnamedBreaks(t *testing.T, before, after []byte, changelog string) (unnamed []string) {
	t.Helper()
	changes, sources, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), load31(t, before), load31(t, after))
	require.NoError(t, err)
	localize := checker.NewDefaultLocalizer()
	rules := checker.NewConfig(checker.GetAllChecks(), checker.WithSeverityLevels(breaking))
	for _, change := range checker.CheckBackwardCompatibilityUntilLevel(rules, changes, sources, checker.ERR) {
		// The document says of code that a later version may have more.
		if change.GetId() == "response-property-enum-value-added" && strings.Contains(change.GetUncolorizedText(localize), "`code` response property") {
			continue
		}
		operation := change.GetOperation() + " " + change.GetPath()
		named := slices.ContainsFunc(unreleased(changelog), func(line string) bool {
			return strings.Contains(line, "Breaking") && strings.Contains(line, "`"+operation+"`")
		})
		if !named {
			unnamed = append(unnamed, fmt.Sprintf("%s: %s (%s)", operation, change.GetUncolorizedText(localize), change.GetId()))
		}
	}
	return unnamed
}

var nextVersion = regexp.MustCompile(`(?m)^## `)

// unreleased are the lines of the changelog's first part.
func unreleased(changelog string) []string {
	_, text, found := strings.Cut(changelog, "## Unreleased\n")
	if !found {
		return nil
	}
	if at := nextVersion.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	return strings.Split(text, "\n")
}

func TestNothingThatWasReleasedBreaks(t *testing.T) {
	released, err := os.ReadFile("../openapi.released.yaml")
	require.NoError(t, err)
	changelog, err := os.ReadFile("../../CHANGELOG.md")
	require.NoError(t, err)
	assert.Empty(t, unnamedBreaks(t, released, api.Document, string(changelog)),
		"each breaks those who use the released API: take it back, or name it in CHANGELOG.md, under Unreleased: * Breaking: `POST /v1/check` ...")
}

func TestABreakIsRefusedUnlessTheChangelogNamesIt(t *testing.T) {
	for name, planted := range map[string]struct{ operation, before, after string }{
		"a field of an answer is gone": {"POST /v1/check", "      required: [decision, reasons, rules, degraded, attempt_id]\n      properties:\n        decision: {$ref: \"#/components/schemas/Verdict\"}\n",
			"      required: [reasons, rules, degraded, attempt_id]\n      properties:\n"},
		"an enum is narrower":          {"POST /v1/outcomes", "enum: [approved, declined, error]", "enum: [approved, declined]"},
		"a field is required":          {"POST /v1/logout", "    LogoutRequest:\n      type: object\n", "    LogoutRequest:\n      type: object\n      required: [refresh_token]\n"},
		"an operation is gone":         {"GET /metrics", "  /metrics:\n", "  /figures:\n"},
		"a limit is smaller":           {"POST /v1/check", "    CardID:\n      type: [string, \"null\"]\n      maxLength: 128", "    CardID:\n      type: [string, \"null\"]\n      maxLength: 64"},
		"a request takes a field less": {"POST /v1/check", "        device: {$ref: \"#/components/schemas/Device\"}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := string(api.Document)
			require.Contains(t, before, planted.before)
			after := []byte(strings.Replace(before, planted.before, planted.after, 1))
			of := func(changelog string) []string {
				return slices.DeleteFunc(unnamedBreaks(t, api.Document, after, changelog), func(text string) bool { return !strings.HasPrefix(text, planted.operation+":") })
			}
			const others = "# Changelog\n\n## Unreleased\n\n* Breaking: `GET /v1/nothing` is gone.\n* `" // of another operation, or not said to break
			assert.NotEmpty(t, of(""))
			assert.NotEmpty(t, of(others+planted.operation+"` is better.\n\n## 1\n\n* Breaking: `"+planted.operation+"` is other.\n"))
			assert.Empty(t, of("# Changelog\n\n## Unreleased\n\n* Breaking: `"+planted.operation+"` is other.\n"))
		})
	}
}
