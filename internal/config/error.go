package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// An Error says what is wrong with the configuration and where: file and line, or the
// flag or environment variable, and the dotted key. It never shows a value: that may be
// a secret.
type Error struct {
	Key      string // such as store.memory.max_bytes or rules[0].window; empty: the whole file
	Expected string // what the value may be
	Problem  error  // what is wrong, where that is not the value itself
	Needed   string // key of the setting that makes Key necessary
	Missing  bool   // there is no value

	Source string // flag or environment variable; else
	File   string
	Line   int // of File, from 1; 0: not known
}

// Error returns the message in one line: place, key, and what is wrong or expected.
func (e *Error) Error() string {
	var where string
	switch {
	case e.Source != "":
		where = e.Source + ": "
	case e.File != "" && e.Line > 0:
		where = fmt.Sprintf("%s:%d: ", e.File, e.Line)
	case e.File != "":
		where = e.File + ": "
	}
	if e.Key != "" {
		where += e.Key + ": "
	}
	switch {
	case e.Problem != nil:
		return where + e.Problem.Error()
	case e.Missing:
		return where + "missing; expected " + e.Expected
	}
	return where + "wrong value; expected " + e.Expected
}

// Unwrap returns the problem.
func (e *Error) Unwrap() error { return e.Problem }

// Locate completes an *Error that was found after the settings were read, as those of
// velocity and auth are: it sets File and Line, or Source, of the place that set the key,
// and Missing where nothing set it. It returns errors that are no *Error, or have a place
// already, as they are. Where nothing set the key or Needed, the place is the file's
// first setting, or of a Problem, which is one of the default, the file.
func (c *Config) Locate(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.File != "" || e.Source != "" {
		return err
	}
	// Nothing set the key, so the value at fault is the default: missing where that is
	// empty.
	if e.Problem == nil && c.sources[e.Key] == "" && c.lines[e.Key] == 0 {
		e.Missing = isZero(reflect.ValueOf(*c.Settings), e.Key)
	}
	if c.setPosition(e, e.Key) || c.setPosition(e, e.Needed) || c.Path == "" {
		return err
	}
	e.File = c.Path
	if e.Key == "" || e.Problem == nil {
		e.Line = max(c.lines[""], 1)
	}
	return err
}

// setPosition sets the error's file and line, or its source, to where the key was set;
// where the key was not set, to the mapping or list that holds it. It reports false where
// none of them was set.
func (c *Config) setPosition(e *Error, key string) bool {
	for ; key != ""; key = parent(key) {
		if e.Source = c.sources[key]; e.Source != "" {
			return true
		}
		if line := c.lines[key]; line > 0 {
			e.File, e.Line = c.Path, line
			return true
		}
	}
	return false
}

// Line returns the line of the file that sets the key; 0 where the file does not, or where
// a flag or environment variable goes before it.
func (c *Config) Line(key string) int {
	if c.sources[key] != "" {
		return 0
	}
	return c.lines[key]
}

// IsSet reports whether the file, a flag or an environment variable sets the key.
func (c *Config) IsSet(key string) bool { return c.sources[key] != "" || c.lines[key] > 0 }

// parent returns the key of the mapping or list that holds the key: rules[0] for
// rules[0].window, rules for rules[0], and "" for rules.
func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

// isZero reports whether the setting of that key has no value. v is the Settings; key is
// dotted, as in rules[0].window. It is false for a key that the settings do not have.
func isZero(v reflect.Value, key string) bool {
	for name := range strings.SplitSeq(strings.ReplaceAll(strings.ReplaceAll(key, "[", "."), "]", ""), ".") {
		switch v.Kind() {
		case reflect.Struct:
			field, ok := fieldOf(v, name)
			if !ok {
				return false
			}
			v = v.FieldByIndex(field.Index)
		case reflect.Slice:
			i, err := strconv.Atoi(name)
			if err != nil || i >= v.Len() {
				return false
			}
			v = v.Index(i)
		default:
			return false
		}
	}
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}
