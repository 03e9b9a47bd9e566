package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// assign sets v from the text and reports whether that is of its type. Hidden is no
// secret: a configuration that check-config printed must be filled in again.
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
	return v.Type() != reflect.TypeFor[Secret]() || text != Hidden
}

// within reports whether v is one of the tag's oneof, and between its min and max.
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

// wanted describes the values that v may have.
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
