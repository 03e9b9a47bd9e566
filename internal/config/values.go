package config

import (
	"math"
	"strconv"
	"strings"
)

// Secret is a string that prints itself as Hidden in every format, so that no log line
// and no printed configuration shows it. Convert it to string to use it.
type Secret string

// UnixPrefix begins an address to listen on that is a unix socket; its path follows.
const UnixPrefix = "unix:"

// Hidden is printed in place of a secret.
const Hidden = "(hidden)"

// String implements fmt.Stringer. An empty secret prints as empty, so that a printed
// configuration shows whether one is set.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Hidden
}

// GoString implements fmt.GoStringer, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler, for YAML and JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ByteSize is a number of bytes, at least 0, written with a unit such as 64MiB. The units
// are powers of 1024.
type ByteSize int64

// byteUnits are the units, the largest first; B comes last, because the others end with
// it.
var byteUnits = [...]struct {
	suffix string
	bytes  int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// parseByteSize reads a whole number with one of the units, or of bytes without one. It
// reports false for other text and for what overflows an int64.
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

// String implements fmt.Stringer: the largest unit that leaves no fraction.
func (b ByteSize) String() string {
	for _, u := range byteUnits {
		if int64(b) >= u.bytes && int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.suffix
		}
	}
	return "0B"
}

// MarshalYAML implements yaml.Marshaler: the value is written with its unit.
func (b ByteSize) MarshalYAML() (any, error) { return b.String(), nil }
