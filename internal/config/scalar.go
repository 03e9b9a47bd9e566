package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// assign sets v from the text and reports whether the text is of v's type: a duration, a
// byte size, a whole number, a fraction, true or false, or a string. It does not look at the range:
// see allowed. A secret that reads as Hidden is refused: a configuration that
// check-config printed must be filled in again.
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
	case *float64:
		f, err := strconv.ParseFloat(text, 64)
		*p = f
		return err == nil
	case *bool:
		*p = text == "true"
		return *p || text == "false"
	}
	v.SetString(text)
	return v.Type() != reflect.TypeFor[Secret]() || text != Hidden
}

// allowed reports whether v is one of the tag's oneof, or between its min and max, both
// included. Without these tags everything is. min and max are written as in the file
// (10ms, 1MiB).
func allowed(v reflect.Value, tag reflect.StructTag) bool {
	if names := tag.Get("oneof"); names != "" {
		return slices.Contains(strings.Split(names, ","), v.String())
	}
	if tag.Get("min") == "" {
		return true
	}
	// The bounds are parsed at each use: this runs once a setting, at a start or reload.
	least, most := reflect.New(v.Type()).Elem(), reflect.New(v.Type()).Elem()
	assign(tag.Get("min"), least)
	assign(tag.Get("max"), most)
	if v.CanFloat() {
		return least.Float() <= v.Float() && v.Float() <= most.Float()
	}
	return least.Int() <= v.Int() && v.Int() <= most.Int()
}

// expectedValue describes the values that v may have, for Error.Expected.
func expectedValue(v reflect.Value, tag reflect.StructTag) string {
	if names := tag.Get("oneof"); names != "" {
		if !strings.Contains(names, ",") {
			return names
		}
		return "one of " + strings.ReplaceAll(names, ",", ", ")
	}
	var what string
	switch v.Interface().(type) {
	case time.Duration:
		what = "a duration in h, m, s or ms, such as 500ms, 30s or 24h (one day)"
	case ByteSize:
		what = "a size in KiB, MiB, GiB or TiB, such as 64MiB"
	case int:
		what = "a whole number"
	case float64:
		what = "a fraction such as 0.3"
	case bool:
		what = "true or false"
	default:
		what = "text"
		if example := tag.Get("like"); example != "" {
			what += " such as " + example
		}
	}
	if least := tag.Get("min"); least != "" {
		what += ", from " + least + " to " + tag.Get("max")
	}
	return what
}
