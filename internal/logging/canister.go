package logging

import (
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	canisterSecond     = "2006-01-02 15:04:05"
	canisterLevelWidth = 8
	canisterTagWidth   = 19 // brackets included
)

// appendCanister is the form for people: time, level and tag in columns, then the
// message and the values of the attributes without their keys.
func appendCanister(dst []byte, with []slog.Attr, l Line) []byte {
	dst = appendCanisterTime(dst, l.At)
	dst = append(dst, ' ')

	start := len(dst)
	dst = append(dst, levelName(l.Level)...)
	dst = appendPadding(dst, start, canisterLevelWidth)
	dst = append(dst, ' ')

	start = len(dst)
	dst = append(dst, '[')
	dst = appendPrintable(dst, l.Tag)
	dst = append(dst, ']')
	dst = appendPadding(dst, start, canisterTagWidth)
	dst = append(dst, ' ')

	dst = appendPrintable(dst, l.Text)
	for _, a := range with {
		dst = appendCanisterAttr(dst, a)
	}
	for _, a := range l.Attrs {
		dst = appendCanisterAttr(dst, a)
	}
	return append(dst, '\n')
}

// A formattedSecond is the text of one second, which thousands of lines share.
type formattedSecond struct {
	unix int64
	text []byte
}

var lastSecond atomic.Pointer[formattedSecond]

// appendCanisterTime appends the time in UTC, with milliseconds.
func appendCanisterTime(dst []byte, t time.Time) []byte {
	s := lastSecond.Load()
	if s == nil || s.unix != t.Unix() {
		s = &formattedSecond{unix: t.Unix(), text: t.UTC().AppendFormat(nil, canisterSecond)}
		lastSecond.Store(s)
	}
	ms := t.Nanosecond() / 1e6
	return append(append(dst, s.text...), ',', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendPadding appends blanks until the column that began at start has its width.
func appendPadding(dst []byte, start, width int) []byte {
	for len(dst)-start < width {
		dst = append(dst, ' ')
	}
	return dst
}

// appendCanisterAttr appends a space and the value, after its key where that ends in
// "="; nothing where the value is empty.
func appendCanisterAttr(dst []byte, a slog.Attr) []byte {
	if !strings.HasSuffix(a.Key, "=") {
		return appendCanisterValue(dst, "", a.Value)
	}
	return appendCanisterValue(dst, a.Key, a.Value)
}

// appendCanisterValue appends a space, the key and v, or nothing when v is empty.
func appendCanisterValue(dst []byte, key string, v slog.Value) []byte {
	switch v.Kind() { // the most frequent ones first
	case slog.KindString:
		if s := v.String(); s != "" {
			dst = appendPrintable(append(append(dst, ' '), key...), s)
		}
		return dst
	case slog.KindGroup:
		for _, a := range v.Group() {
			dst = appendCanisterAttr(dst, a)
		}
		return dst
	case slog.KindLogValuer:
		return appendCanisterValue(dst, key, v.Resolve())
	case slog.KindAny:
		if v.Any() == nil { // a nil error, or slog's empty attribute
			return dst
		}
		if s := v.String(); s != "" {
			dst = appendPrintable(append(append(dst, ' '), key...), s)
		}
		return dst
	}
	dst = append(append(dst, ' '), key...)
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10)
	case slog.KindFloat64:
		return strconv.AppendFloat(dst, v.Float64(), 'g', -1, 64)
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case slog.KindDuration:
		return append(strconv.AppendInt(append(dst, '('), v.Duration().Milliseconds(), 10), "ms)"...)
	case slog.KindTime:
		return v.Time().UTC().AppendFormat(dst, time.RFC3339)
	}
	return dst
}

// appendPrintable appends s. What a terminal or a reader of lines would act on is
// escaped (control characters, line separators, direction marks, bytes that are not
// UTF-8), so that one event stays one line.
func appendPrintable(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		plain := i
		for i < len(s) && ' ' <= s[i] && s[i] <= '~' {
			i++
		}
		if dst = append(dst, s[plain:i]...); i == len(s) {
			break
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case size == 1: // ASCII control, or not UTF-8
			dst = appendHex(append(dst, `\x`...), uint32(s[i]), 2)
		case unicode.IsPrint(r):
			dst = append(dst, s[i:i+size]...)
		case r <= 0xFFFF:
			dst = appendHex(append(dst, `\u`...), uint32(r), 4)
		default:
			dst = appendHex(append(dst, `\U`...), uint32(r), 8)
		}
		i += size
	}
	return dst
}

// appendHex appends n in that many hexadecimal digits.
func appendHex(dst []byte, n uint32, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[n>>shift&0xF])
	}
	return dst
}
