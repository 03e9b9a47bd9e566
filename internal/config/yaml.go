package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// readYAML sets the settings of the text, and keeps the line of each key. The error is an
// *Error with its place.
//
// It walks the nodes of the YAML library instead of decoding into the struct: the library
// takes 7 for a string and null for zero, and its errors quote the file.
func (c *Config) readYAML(text []byte) error {
	var document yaml.Node
	file := yaml.NewDecoder(bytes.NewReader(text))
	if err := file.Decode(&document); errors.Is(err, io.EOF) {
		return nil // an empty file sets nothing
	} else if err != nil {
		return c.syntaxError(text, err)
	}
	var next yaml.Node
	switch err := file.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil && !documentMark.Match(text): // what looks like another document is a mistake in this one
		return c.syntaxError(text, err)
	default:
		return &Error{File: c.Path, Line: max(next.Line, 1), Problem: errors.New("expected one YAML document")}
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return &Error{File: c.Path, Line: max(root.Line, 1), Problem: errors.New("expected a mapping of settings: on each line a name, a colon, a blank and the value" + equalsHint(text))}
	}
	return c.Locate(c.read(root, "", reflect.ValueOf(c.Settings).Elem(), ""))
}

// documentMark matches the line that begins or ends a document.
var documentMark = regexp.MustCompile(`(?m)^(?:---|\.\.\.)`)

// read sets v, the setting of that key, from the node. tag is that of the struct field;
// for the entries of a list or mapping it is that of the whole. It stops at the first
// error.
func (c *Config) read(node *yaml.Node, key string, v reflect.Value, tag reflect.StructTag) error {
	if _, known := c.lines[key]; !known {
		c.lines[key] = node.Line
	}
	// An alias counts as what it stands for: *name in the file is the node at &name.
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch v.Kind() {
	case reflect.Struct:
		return c.readStruct(node, key, v)
	case reflect.Slice:
		return c.readList(node, key, v, tag)
	case reflect.Map:
		return c.readMap(node, key, v, tag)
	}
	isText := node.Tag == "!!str" || node.Tag == "!!timestamp" && tag.Get("form") == "time"
	switch {
	case node.Tag == "!!null":
		return &Error{Key: key, Expected: expectedValue(v, tag) + hintOn(node, v, tag), Missing: true}
	case node.Kind == yaml.ScalarNode && variable.MatchString(node.Value):
		return &Error{Key: key, Expected: "the value itself: variables are not replaced in this file"}
	case node.Kind == yaml.ScalarNode && node.Style == 0 && curlyQuotes.MatchString(node.Value):
		return &Error{Key: key, Expected: `straight quotes, " or ', around the value, or none`}
	// A size may be quoted or not: 1024 is a YAML number, 1MiB a string.
	case node.Kind != yaml.ScalarNode,
		isText != isString(v) && v.Type() != reflect.TypeFor[ByteSize](),
		!assign(node.Value, v) || !allowed(v, tag):
		return &Error{Key: key, Expected: expectedValue(v, tag) + hintOn(node, v, tag)}
	}
	return nil
}

// variable matches what people write who expect that variables are replaced. Taken as it
// is, it would be everybody's password.
var variable = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`)

// curlyQuotes matches a value in the quotes that text editors make, which YAML takes for a
// part of it.
var curlyQuotes = regexp.MustCompile(`^[“”„‟‘’‚«»].*[“”‘’«»]$`)

// hintOn returns advice, after a semicolon, on a value that was refused for v; empty where
// there is none. Of the value it shows nothing but the known word that it may stand for.
func hintOn(node *yaml.Node, v reflect.Value, tag reflect.StructTag) string {
	switch {
	case node.Kind != yaml.ScalarNode:
	case node.Tag == "!!null" && strings.HasPrefix(node.LineComment, "#"):
		return "; what follows # is a comment: put a value with # in quotes"
	case strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!"):
		return `; put what begins with ! in quotes, as in "!10.0.0.0/8"`
	case tag.Get("oneof") != "":
		return DidYouMean(node.Value, expectedValue(v, tag))
	case isString(v) && v.Kind() == reflect.String && tag.Get("like") == "" && node.Tag != "!!str" && node.Tag != "!!null":
		return "; put it in quotes"
	case !isString(v) && node.Tag == "!!str" && node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return "; without quotes"
	case v.Type() == reflect.TypeFor[time.Duration]():
		return durationHint(node.Value, v, tag)
	case v.Type() == reflect.TypeFor[ByteSize]():
		return sizeHint(node.Value, v, tag)
	}
	return ""
}

// isString reports whether v is written as a YAML string, as numbers and booleans are
// not.
func isString(v reflect.Value) bool {
	return v.Kind() == reflect.String || v.Type() == reflect.TypeFor[time.Duration]()
}

// readStruct reads a mapping whose names are the yaml tags of v. A name that is unknown
// or given twice is an error; of an unknown one the message suggests the nearest known
// name, and shows it only if it looks like a name.
func (c *Config) readStruct(node *yaml.Node, key string, v reflect.Value) error {
	if node.Kind != yaml.MappingNode {
		hint := ""
		switch {
		case node.Tag == "!!null":
			hint = "; indent those lines more than this one"
		case node.Kind == yaml.ScalarNode && strings.Contains(node.Value, ":"):
			hint = "; a name is followed by a colon and a blank"
		}
		return &Error{Key: key, Missing: node.Tag == "!!null",
			Expected: "settings in braces or on lines of their own, such as {" + namesIn(v)[0] + ": ...}, of " + strings.Join(namesIn(v), ", ") + hint}
	}
	// The library accepts a key given twice where it makes nodes, and the last would win.
	seen := make(map[string]bool)
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i].Value
		path := Join(key, name)
		field, ok := fieldOf(v, name)
		line := node.Content[i].Line
		switch {
		case !ok:
			if next := node.Content[i+1]; node.Style&yaml.FlowStyle != 0 && next.Tag == "!!null" && next.Value == "" && settingName.MatchString(name) {
				// What follows a comma in a password without quotes is such a name.
				return &Error{Key: key, File: c.Path, Line: line, Problem: errors.New("unknown setting, not shown, without a value; put a value that holds a comma in quotes")}
			}
			return c.unknown(v, key, node.Content[i])
		case seen[name]:
			return &Error{Key: path, File: c.Path, Line: line, Problem: fmt.Errorf("set twice, first in line %d", c.lines[path])}
		}
		c.lines[path] = line
		seen[name] = true
		value := node.Content[i+1]
		if value.LineComment == "" {
			value.LineComment = node.Content[i].LineComment // the library gives that of "key: # text" to the key
		}
		if err := c.read(value, path, v.FieldByIndex(field.Index), field.Tag); err != nil {
			return err
		}
	}
	return nil
}

// readList replaces the list. An entry begins with what setDefaults gives it, not with an
// entry of the default list: rules in the file are all the rules there are.
func (c *Config) readList(node *yaml.Node, key string, v reflect.Value, tag reflect.StructTag) error {
	if node.Kind != yaml.SequenceNode {
		return &Error{Key: key, Missing: node.Tag == "!!null", Expected: "a list, in brackets or with each entry on a line after a dash and a blank"}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for i, n := range node.Content {
		entry := v.Index(i)
		if p, ok := entry.Addr().Interface().(interface{ setDefaults() }); ok {
			p.setDefaults()
		}
		if err := c.read(n, fmt.Sprintf("%s[%d]", key, i), entry, tag); err != nil {
			return err
		}
	}
	return nil
}

// readMap reads a mapping whose names the configuration chooses, as auth.jwt.role_map is.
// Names may be secrets, so no error shows one: an error at an entry has the key of the
// whole.
func (c *Config) readMap(node *yaml.Node, key string, v reflect.Value, tag reflect.StructTag) error {
	if node.Kind != yaml.MappingNode {
		return &Error{Key: key, Expected: "a mapping"}
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i], reflect.New(v.Type().Elem()).Elem()
		if name.Kind != yaml.ScalarNode || v.MapIndex(reflect.ValueOf(name.Value)).IsValid() {
			return &Error{Key: key, File: c.Path, Line: name.Line, Expected: "names, each once"}
		}
		if err := c.read(node.Content[i+1], key, value, tag); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name.Value), value)
	}
	return nil
}

// fieldOf returns the field of the struct v that has the yaml tag, false where none has.
func fieldOf(v reflect.Value, name string) (reflect.StructField, bool) {
	return v.Type().FieldByNameFunc(func(field string) bool {
		f, _ := v.Type().FieldByName(field)
		return f.Tag.Get("yaml") == name
	})
}
