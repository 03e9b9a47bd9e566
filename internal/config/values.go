package config

import (
	"math"
	"strconv"
	"strings"
)

// A secret prints itself as hidden, wherever it is printed.
type Secret string

// Hidden is what a secret prints itself as.
const Hidden = "(hidden)"

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Hidden
}

// GoString keeps %#v from showing it.
func (s Secret) GoString() string { return s.String() }

// MarshalText keeps YAML and JSON from showing it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// byteSize is a number of bytes, written with a unit: 64MiB.
type ByteSize int64

var byteUnits = [...]struct {
	suffix string
	bytes  int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseByteSize(text string) (ByteSize, bool) {
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
	return ByteSize(n * unit), true
}

func (b ByteSize) String() string {
	for _, u := range byteUnits {
		if int64(b) >= u.bytes && int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.suffix
		}
	}
	return "0B"
}

// MarshalYAML writes the unit too.
func (b ByteSize) MarshalYAML() (any, error) { return b.String(), nil }
