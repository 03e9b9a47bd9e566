package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// nearest returns the candidate that the name may have been meant for, in any letter
// case: one of whose characters at most a third, and at least one, may differ, or else the
// first that begins or ends with the name, as username begins with user. Empty: there is
// none.
func nearest(name string, candidates []string) (best string) {
	if name = strings.ToLower(name); name == "" {
		return ""
	}
	least := max(len(name)/3, 1) + 1 // the first distance that is too far
	for _, c := range candidates {
		if d := distance(name, strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	has := func(c string) bool {
		c = strings.ToLower(c)
		return strings.HasPrefix(c, name) || strings.HasSuffix(c, name)
	}
	if i := slices.IndexFunc(candidates, has); best == "" && i >= 0 && len(name) > 2 {
		best = candidates[i]
	}
	return best
}

// DidYouMean returns "; did you mean memcached?" where the value may have been meant for
// one of the words of expected, such as "one of memory, memcached"; else nothing.
func DidYouMean(value, expected string) string {
	words := strings.FieldsFunc(expected, func(r rune) bool { return r == ' ' || r == ',' })
	words = slices.DeleteFunc(words, func(w string) bool { return w == "one" || w == "of" || w == "or" })
	if best := nearest(value, words); best != "" && best != value {
		return "; did you mean " + best + "?"
	}
	return ""
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

// settingName matches names that an error may show. Others may be secrets: in
// {password:secret} the blank is missing, and all of it is a name.
var settingName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,31}$`)

// unknown returns the error of a name that the mapping, of that key, does not have. It
// suggests the key that may have been meant, or else names those that there are. It shows
// the name only if it looks like one.
func (c *Config) unknown(mapping reflect.Value, key string, node *yaml.Node) error {
	name := node.Value
	e := &Error{Key: key, File: c.Path, Line: node.Line}
	known := "; there are " + strings.Join(namesIn(mapping), ", ")
	switch {
	case node.Tag == "!!merge":
		e.Problem = errors.New("merge keys (<<) are not taken: write each setting where it belongs")
	case node.Kind == yaml.ScalarNode && strings.Contains(name, ".") && keyNamed(reflect.TypeFor[Settings](), "", name) == name:
		e.Problem = errors.New("unknown setting with dots in its name; did you mean " + strings.ReplaceAll(name, ".", ": {") + ": ..." + strings.Repeat("}", strings.Count(name, ".")) + "?")
	case node.Kind != yaml.ScalarNode || !settingName.MatchString(name):
		e.Problem = errors.New("unknown setting, not shown; a name is followed by a colon and a blank" + known)
	default:
		e.Key, e.Problem = Join(key, name), errors.New("unknown setting"+known)
		if found := suggestion(mapping, key, name); found != "" {
			e.Problem = errors.New("unknown setting; did you mean " + found + place(found, key) + "?")
		}
	}
	return e
}

// namesIn returns the names that the mapping may have.
func namesIn(mapping reflect.Value) (names []string) {
	for i := range mapping.NumField() {
		names = append(names, mapping.Type().Field(i).Tag.Get("yaml"))
	}
	return names
}

// suggestion returns the known key that an unknown one may have been meant for: a name
// like it in the same mapping, or the same name in another one.
func suggestion(mapping reflect.Value, key, name string) string {
	if found := nearest(name, namesIn(mapping)); found != "" {
		return Join(key, found)
	}
	return keyNamed(reflect.TypeFor[Settings](), "", strings.ToLower(name))
}

// place says, after a comma, where the key that was found belongs, if that is elsewhere
// than in the mapping of that key; else nothing.
func place(found, key string) string {
	above := parent(found)
	switch {
	case above == key:
		return ""
	case above == "":
		return ", which is not below " + key
	case strings.HasSuffix(above, "]"):
		return ", indented in an entry of " + parent(above)
	}
	return ", indented below " + above
}

// keyNamed returns the first key of t, a struct, that is the name or ends with it; empty
// when there is none. Keys of t itself come before those below. key is that of t. Of a list
// it names the first entry.
func keyNamed(t reflect.Type, key, name string) string {
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("yaml")
		if fieldKey := Join(key, tag); tag == name || fieldKey == name {
			return fieldKey
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		fieldKey := Join(key, f.Tag.Get("yaml"))
		inside := f.Type
		if inside.Kind() == reflect.Slice {
			inside, fieldKey = inside.Elem(), fieldKey+"[0]"
		}
		if inside.Kind() == reflect.Struct {
			if found := keyNamed(inside, fieldKey, name); found != "" {
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
