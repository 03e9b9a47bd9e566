package main

import (
	"math"
	"strconv"
	"strings"
)

// A secret prints itself as hidden, wherever it is printed.
type secret string

const hidden = "(hidden)"

func (s secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString keeps %#v from showing it.
func (s secret) GoString() string { return s.String() }

// MarshalText keeps YAML and JSON from showing it.
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// byteSize is a number of bytes, written with a unit: 64MiB.
type byteSize int64

var byteUnits = [...]struct {
	suffix string
	bytes  int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseByteSize(text string) (byteSize, bool) {
	unit := int64(1)
	for _, u := range byteUnits {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = number, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, false
	}
	return byteSize(n * unit), true
}

func (b byteSize) String() string {
	for _, u := range byteUnits {
		if int64(b) >= u.bytes && int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.suffix
		}
	}
	return "0B"
}

// MarshalYAML writes the unit too.
func (b byteSize) MarshalYAML() (any, error) { return b.String(), nil }
