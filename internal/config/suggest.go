package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// nearest returns the candidate that the name may have been meant for, in any letter
// case; empty when none is near: at most a third of its characters, and at least one, may
// differ.
func nearest(name string, candidates []string) (best string) {
	least := max(len(name)/3, 1) + 1 // the first distance that is too far
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance returns the least number of bytes to insert, remove or replace to make b of a:
// the Levenshtein distance, with one row of the table in memory.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0] // of the row above, one column to the left
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// suggestion returns the known key that an unknown one may have been meant for: a name
// like it in the same mapping, or the same name in another one.
func suggestion(mapping reflect.Value, key, name string) string {
	var names []string
	for i := range mapping.NumField() {
		names = append(names, mapping.Type().Field(i).Tag.Get("yaml"))
	}
	if found := nearest(name, names); found != "" {
		return Join(key, found)
	}
	return keyNamed(reflect.TypeFor[Settings](), "", strings.ToLower(name))
}

// keyNamed returns the first key of t, a struct, that ends with the name; empty when
// there is none. key is that of t. It does not look into lists and mappings.
func keyNamed(t reflect.Type, key, name string) string {
	for i := range t.NumField() {
		f := t.Field(i)
		fieldKey := Join(key, f.Tag.Get("yaml"))
		if f.Tag.Get("yaml") == name {
			return fieldKey
		}
		if f.Type.Kind() == reflect.Struct {
			if found := keyNamed(f.Type, fieldKey, name); found != "" {
				return found
			}
		}
	}
	return ""
}

var (
	// The variables that are ours to judge. The message shows the name, so its length and
	// characters are bounded.
	ourVariable = regexp.MustCompile(`^FRAUDCHECK_[A-Z0-9_]{1,40}$`)
	// Kubernetes sets these in every container where a service has our name.
	kubernetesVariable = regexp.MustCompile(`^FRAUDCHECK_(SERVICE_|PORT)`)
)

// UnknownVariables returns a warning for each variable of the environment (NAME=VALUE)
// whose name begins with FRAUDCHECK_ and is not in known, sorted. A misspelled variable
// would otherwise be ignored in silence. It shows names, never values.
func UnknownVariables(environment, known []string) (warnings []string) {
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if !ourVariable.MatchString(name) || kubernetesVariable.MatchString(name) || slices.Contains(known, name) {
			continue
		}
		warning := fmt.Sprintf("environment variable %s is unknown", name)
		if found := nearest(name[len("FRAUDCHECK_"):], trimPrefix(known, "FRAUDCHECK_")); found != "" {
			warning += "; did you mean FRAUDCHECK_" + found + "?"
		}
		warnings = append(warnings, warning)
	}
	slices.Sort(warnings)
	return warnings
}

func trimPrefix(names []string, prefix string) (trimmed []string) {
	for _, name := range names {
		trimmed = append(trimmed, strings.TrimPrefix(name, prefix))
	}
	return trimmed
}
