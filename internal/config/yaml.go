package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// An Error names the setting that is wrong and what is expected of it, never
// what it held: it may be a secret.
type Error struct {
	Key      string // as in store.memory.max_bytes or rules[0].window
	Expected string
	Line     int // of the file, 0 where it is not known
}

func (e *Error) Error() string {
	text := e.Key + ": expected " + e.Expected
	if e.Line > 0 {
		text += fmt.Sprintf(" (line %d)", e.Line)
	}
	return text
}

// Read lays the settings of the file at path over s.
func Read(path string, files Files, s *Settings) error {
	text, err := ReadFile(path, files)
	if err != nil {
		return fmt.Errorf("config: cannot read the file: %w", err)
	}
	if err := readYAML(text, s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readYAML(text []byte, s *Settings) error {
	var document yaml.Node
	file := yaml.NewDecoder(bytes.NewReader(text))
	if err := file.Decode(&document); errors.Is(err, io.EOF) {
		return nil // an empty file says nothing
	} else if err != nil {
		return notYAML(err)
	}
	if err := file.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("expected one YAML document")
	}
	return read(document.Content[0], "", reflect.ValueOf(s).Elem(), "")
}

var lineNumber = regexp.MustCompile(`line \d+`)

// notYAML keeps the line of the library's error and drops its text, which quotes
// the file.
func notYAML(err error) error {
	if at := lineNumber.FindString(err.Error()); at != "" {
		return errors.New(at + ": expected well-formed YAML")
	}
	return errors.New("expected well-formed YAML")
}

// read sets v from the node. tag is v's in the struct that holds it.
func read(node *yaml.Node, key string, v reflect.Value, tag reflect.StructTag) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch v.Kind() {
	case reflect.Struct:
		return readStruct(node, key, v)
	case reflect.Slice:
		return readList(node, key, v, tag)
	case reflect.Map:
		return readMap(node, key, v, tag)
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return &Error{key, wanted(v, tag), node.Line}
	}
	if quoted := node.Tag == "!!str"; quoted != textual(v) && v.Type() != reflect.TypeFor[ByteSize]() {
		return &Error{key, wanted(v, tag), node.Line}
	}
	if !assign(node.Value, v) || !within(v, tag) {
		return &Error{key, wanted(v, tag), node.Line}
	}
	return nil
}

// textual reports whether v is written as a YAML string; numbers are not.
func textual(v reflect.Value) bool {
	return v.Kind() == reflect.String || v.Type() == reflect.TypeFor[time.Duration]()
}

// settingName is what a mistyped name looks like. Anything else may be a secret
// that strayed: "password:hunter2" without the space is a name.
var settingName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,31}$`)

func readStruct(node *yaml.Node, key string, v reflect.Value) error {
	if node.Kind != yaml.MappingNode {
		if key == "" {
			return errors.New("expected a mapping of settings")
		}
		return &Error{key, "a mapping", node.Line}
	}
	seen := make(map[string]bool)
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i].Value
		path := Join(key, name)
		field, ok := fieldOf(v, name)
		switch {
		case node.Content[i].Kind != yaml.ScalarNode, !ok && !settingName.MatchString(name):
			return fmt.Errorf("%s: unknown setting (line %d)", cmp.Or(key, "top level"), node.Content[i].Line)
		case !ok:
			return fmt.Errorf("%s: unknown setting (line %d)", path, node.Content[i].Line)
		case seen[name]:
			return fmt.Errorf("%s: set twice (line %d)", path, node.Content[i].Line)
		}
		seen[name] = true
		if err := read(node.Content[i+1], path, v.FieldByIndex(field.Index), field.Tag); err != nil {
			return err
		}
	}
	return nil
}

func readList(node *yaml.Node, key string, v reflect.Value, tag reflect.StructTag) error {
	if node.Kind != yaml.SequenceNode {
		return &Error{key, "a list", node.Line}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for i, n := range node.Content {
		entry := v.Index(i)
		if p, ok := entry.Addr().Interface().(interface{ Preset() }); ok {
			p.Preset()
		}
		if err := read(n, fmt.Sprintf("%s[%d]", key, i), entry, tag); err != nil {
			return err
		}
	}
	return nil
}

// readMap reads names of the configuration's own choosing.
func readMap(node *yaml.Node, key string, v reflect.Value, tag reflect.StructTag) error {
	if node.Kind != yaml.MappingNode {
		return &Error{key, "a mapping", node.Line}
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i], reflect.New(v.Type().Elem()).Elem()
		if name.Kind != yaml.ScalarNode || v.MapIndex(reflect.ValueOf(name.Value)).IsValid() {
			return &Error{key, "names, each once", name.Line}
		}
		if err := read(node.Content[i+1], key, value, tag); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name.Value), value)
	}
	return nil
}

// Join appends a name to a dotted key.
func Join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func fieldOf(v reflect.Value, name string) (reflect.StructField, bool) {
	return v.Type().FieldByNameFunc(func(field string) bool {
		f, _ := v.Type().FieldByName(field)
		return f.Tag.Get("yaml") == name
	})
}

// Set sets the setting of that dotted key from the text.
func Set(s *Settings, key, text string) error {
	v := reflect.ValueOf(s).Elem()
	var tag reflect.StructTag
	for name := range strings.SplitSeq(key, ".") {
		field, _ := fieldOf(v, name)
		v, tag = v.FieldByIndex(field.Index), field.Tag
	}
	if !assign(text, v) || !within(v, tag) {
		return &Error{key, wanted(v, tag), 0}
	}
	return nil
}

func assign(text string, v reflect.Value) bool {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		*p = d
		return err == nil
	case *ByteSize:
		b, ok := parseByteSize(text)
		*p = b
		return ok
	case *int:
		n, err := strconv.Atoi(text)
		*p = n
		return err == nil
	case *bool:
		*p = text == "true"
		return *p || text == "false"
	}
	v.SetString(text)
	return v.Type() != reflect.TypeFor[Secret]() || text != Hidden // printed for one, it is none
}

func within(v reflect.Value, tag reflect.StructTag) bool {
	if names := tag.Get("oneof"); names != "" {
		return slices.Contains(strings.Split(names, ","), v.String())
	}
	if tag.Get("min") == "" {
		return true
	}
	least, most := reflect.New(v.Type()).Elem(), reflect.New(v.Type()).Elem()
	assign(tag.Get("min"), least)
	assign(tag.Get("max"), most)
	return least.Int() <= v.Int() && v.Int() <= most.Int()
}

// wanted says what a value may be.
func wanted(v reflect.Value, tag reflect.StructTag) string {
	if names := tag.Get("oneof"); names != "" {
		if !strings.Contains(names, ",") {
			return names
		}
		return "one of " + strings.ReplaceAll(names, ",", ", ")
	}
	var what string
	switch v.Interface().(type) {
	case time.Duration:
		what = "a duration such as 5s or 1h"
	case ByteSize:
		what = "a size such as 64MiB or 1GiB"
	case int:
		what = "a whole number"
	case bool:
		what = "true or false"
	default:
		what = "a string, in quotes where it looks like something else"
	}
	if least := tag.Get("min"); least != "" {
		what += ", from " + least + " to " + tag.Get("max")
	}
	return what
}
