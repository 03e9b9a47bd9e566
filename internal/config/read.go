package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
)

// A Config is the settings, and where each of them was set. It is not changed after Read.
type Config struct {
	Settings *Settings
	Path     string // of the file, as given; empty: none

	lines   map[string]int    // from 1; of each key that the file sets, as in rules[0].window
	sources map[string]string // flag or environment variable of each key that one sets
}

// An Override is a setting from the command line or the environment. It goes before the
// file.
type Override struct {
	Key    string // such as store.kind
	Text   string // of a list: its entries, separated by commas
	Source string // the flag or the variable, such as --store or FRAUDCHECK_STORE
}

// Read returns the settings: overrides before the file at path, where one is given,
// before the defaults. source is the flag or environment variable that named the file,
// for the error of a file that cannot be read. files says whether path may be a pipe.
//
// It stops at the first error, which is an *Error. The Config is never nil: beside an
// error it holds the settings that were read so far, so that the caller can log in the
// configured format.
func Read(path, source string, files Files, overrides []Override) (*Config, error) {
	c := &Config{Settings: Defaults(), Path: path, lines: make(map[string]int), sources: make(map[string]string)}
	if path != "" {
		text, err := ReadFile(path, files)
		if err != nil {
			if full, absErr := filepath.Abs(path); absErr == nil {
				path = full
			}
			return c, &Error{Source: source, Problem: fmt.Errorf("cannot read %s: %w", path, err)}
		}
		if files == RegularFiles && len(bytes.TrimSpace(text)) == 0 {
			return c, &Error{File: path, Line: 1, Problem: errors.New("it is empty: it may be half written")}
		}
		if err := c.readYAML(text); err != nil {
			return c, err
		}
		if err := c.resolvePaths(reflect.ValueOf(c.Settings).Elem(), ""); err != nil {
			return c, err
		}
	}
	for _, o := range overrides {
		if err := c.override(o); err != nil {
			return c, err
		}
	}
	return c, nil
}

// override puts one setting of the command line or the environment in force. Key is one
// of the program's own table of flags, so its fields exist. A list takes the place of the
// whole list; its entries are not judged here.
func (c *Config) override(o Override) error {
	c.sources[o.Key] = o.Source
	v := reflect.ValueOf(c.Settings).Elem()
	var tag reflect.StructTag
	for name := range strings.SplitSeq(o.Key, ".") {
		// The key is one of ours: an unknown one would be a fault of the program.
		field, _ := fieldOf(v, name)
		v, tag = v.FieldByIndex(field.Index), field.Tag
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.ValueOf(strings.Split(o.Text, ",")))
		return nil
	}
	if !assign(o.Text, v) || !allowed(v, tag) {
		return &Error{Key: o.Key, Expected: expectedValue(v, tag), Source: o.Source}
	}
	if o.Key == "hash_key_file" {
		c.Settings.HashKey = "" // the other way to give it
	}
	return nil
}

// resolvePaths makes the names of files that the file sets relative to its folder: the
// struct tag path marks them. Links are not followed: a file that is a link is used with
// the folder that the link is in. v is a struct of the settings, key that which holds it.
// Only a current folder that cannot be found makes it fail.
func (c *Config) resolvePaths(v reflect.Value, key string) error {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		name := Join(key, f.Tag.Get("yaml"))
		if value.Kind() == reflect.Struct {
			if err := c.resolvePaths(value, name); err != nil {
				return err
			}
			continue
		}
		// Defaults and overrides are left alone: c.lines has only what the file set.
		if f.Tag.Get("path") == "" || c.lines[name] == 0 {
			continue
		}
		file, prefix := value.String(), ""
		if f.Tag.Get("path") == "socket" {
			path, is := strings.CutPrefix(file, UnixPrefix)
			if !is {
				continue // host:port
			}
			file, prefix = path, UnixPrefix
		}
		if file == "" || filepath.IsAbs(file) {
			continue
		}
		folder, err := filepath.Abs(filepath.Dir(c.Path))
		if err != nil {
			return c.Locate(&Error{Key: name, Problem: err})
		}
		value.SetString(prefix + filepath.Join(folder, file))
	}
	return nil
}

// Changed returns the keys of the settings that differ, in the order of the file: for the
// log line of a reload. A list or mapping that differs anywhere is one key. An empty list
// equals one that is not set.
func Changed(old, next *Settings) []string {
	return changed(reflect.ValueOf(*old), reflect.ValueOf(*next), "")
}

// changed is Changed for a struct and the key that holds it.
func changed(old, next reflect.Value, key string) (keys []string) {
	for i := range old.NumField() {
		f := old.Type().Field(i)
		name := Join(key, f.Tag.Get("yaml"))
		a, b := old.Field(i), next.Field(i)
		switch {
		case f.Type.Kind() == reflect.Struct:
			keys = append(keys, changed(a, b, name)...)
		case f.Type.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0:
		case f.Type.Kind() == reflect.Map && a.Len() == 0 && b.Len() == 0:
		case !reflect.DeepEqual(a.Interface(), b.Interface()):
			keys = append(keys, name)
		}
	}
	return keys
}

// Join appends a name to a dotted key.
func Join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
