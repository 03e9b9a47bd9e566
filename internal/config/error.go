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

// Locate completes an *Error that was found after the settings were read: where its key
// was set, and whether it was. It returns other errors as they are.
func (c *Config) Locate(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.File != "" || e.Source != "" {
		return err
	}
	if e.Problem == nil && c.sources[e.Key] == "" && c.lines[e.Key] == 0 {
		e.Missing = isZero(reflect.ValueOf(*c.Settings), e.Key)
	}
	if c.place(e, e.Key) || c.place(e, e.Needed) || c.Path == "" {
		return err
	}
	e.File, e.Line = c.Path, max(c.lines[""], 1)
	return err
}

// place sets the error's place to where the key, or what holds it, was set.
func (c *Config) place(e *Error, key string) bool {
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

// parent is the key of the mapping or list that holds the key.
func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

// isZero reports whether the setting of that key has no value.
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
