package replay

import (
	"math"
	"strconv"
	"strings"

	"fraudcheck/internal/velocity"
)

const aTime = "a time as in 2026-11-28T13:00:00Z (RFC 3339), 2026-11-28 13:00:00 (UTC), or Unix time in seconds, milliseconds, microseconds or nanoseconds"

// parseTime reads a time of a history: RFC 3339; the same with a blank for the T, without a
// zone (UTC), without a time of day (midnight), or with a zone as in +0200 or " UTC", as
// databases write it; or Unix time, whose unit is told by its size: seconds, with a fraction
// or without, to the year 5138, then milliseconds, microseconds and nanoseconds. What is
// less than a millisecond is dropped.
func parseTime(text string) (velocity.Time, bool) {
	text = strings.Trim(text, " \t\r\n")
	if isNumber(text) {
		return parseUnix(text)
	}
	if t, ok := parseDate(text); ok {
		return t, t >= 0
	}
	return 0, false
}

// parseUnix reads digits, and perhaps a point and digits.
func parseUnix(text string) (velocity.Time, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, false
	}
	const most = 1e11 // seconds; the same instant is 1e14 ms, 1e17 µs
	switch {
	case n < most:
		thousandths, _ := strconv.ParseInt((fraction + "000")[:3], 10, 64)
		n = 1000*n + thousandths
	case n < 1e14:
	case n < 1e17:
		n /= 1e3
	default:
		n /= 1e6
	}
	return velocity.Time(n), true
}

func isNumber(text string) bool {
	point := false
	for i := range len(text) {
		if text[i] == '.' && i > 0 && i < len(text)-1 && !point {
			point = true
		} else if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// parseDate reads YYYY-MM-DD, perhaps T, t or a blank and hh:mm or hh:mm:ss with a fraction,
// perhaps Z, UTC or an offset. Every digit is read by hand: time.Parse would take most of
// the time of a replay.
func parseDate(text string) (velocity.Time, bool) {
	c := cursor{text: text}
	year, month, day := c.number(4), c.after('-', 2), c.after('-', 2)
	var hour, minute, sec, ms int
	if !c.failed && len(c.text) > 0 {
		if first := c.text[0]; first != 'T' && first != 't' && first != ' ' {
			return 0, false
		}
		c.text = c.text[1:]
		hour, minute = c.number(2), c.after(':', 2)
		if c.next(':') {
			sec = c.number(2)
			if c.next('.') || c.next(',') {
				ms = c.thousandths()
			}
		}
	}
	offset, ok := zone(c.text)
	// A leap second is the second after it.
	if c.failed || !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || sec > 60 {
		return 0, false
	}
	days := daysTo(year, month, day)
	if days < 0 {
		return 0, false
	}
	seconds := (days*24+hour)*3600 + minute*60 + sec - offset
	return velocity.Time(seconds*1000 + ms), true
}

// daysTo is the number of days from the Unix epoch to that one; negative before it, and
// where the month has no such day.
func daysTo(year, month, day int) int {
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	lengths := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if leap {
		lengths[1] = 29
	}
	if day > lengths[month-1] {
		return math.MinInt32
	}
	y := year - 1
	days := 365*y + y/4 - y/100 + y/400 + day - 1
	for _, n := range lengths[:month-1] {
		days += n
	}
	const epoch = 719162 // days before 1970
	return days - epoch
}

// zone reads what stands behind a time of day, and returns how far it is ahead of UTC, in
// seconds. Nothing is UTC.
func zone(text string) (offset int, ok bool) {
	text = strings.TrimPrefix(text, " ")
	switch {
	case text == "", strings.EqualFold(text, "z"), strings.EqualFold(text, "utc"), strings.EqualFold(text, "gmt"):
		return 0, true
	case text[0] != '+' && text[0] != '-':
		return 0, false
	}
	c := cursor{text: text[1:]}
	hours, minutes := c.number(2), 0
	if c.next(':') || len(c.text) > 0 {
		minutes = c.number(2)
	}
	if c.failed || len(c.text) > 0 || hours > 23 || minutes > 59 {
		return 0, false
	}
	offset = hours*3600 + minutes*60
	if text[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// A cursor reads a text from its front.
type cursor struct {
	text   string
	failed bool
}

// number reads n digits.
func (c *cursor) number(n int) (v int) {
	if len(c.text) < n {
		c.failed = true
		return 0
	}
	for i := range n {
		d := c.text[i]
		if d < '0' || d > '9' {
			c.failed = true
			return 0
		}
		v = v*10 + int(d-'0')
	}
	c.text = c.text[n:]
	return v
}

// after reads b and n digits behind it.
func (c *cursor) after(b byte, n int) int {
	if !c.next(b) {
		c.failed = true
		return 0
	}
	return c.number(n)
}

// next steps over b, if it is there.
func (c *cursor) next(b byte) bool {
	if c.text == "" || c.text[0] != b {
		return false
	}
	c.text = c.text[1:]
	return true
}

// thousandths reads at least one digit of a fraction, to the third.
func (c *cursor) thousandths() (ms int) {
	n := 0
	for n < len(c.text) && '0' <= c.text[n] && c.text[n] <= '9' {
		n++
	}
	c.failed = c.failed || n == 0
	for i := range 3 {
		ms *= 10
		if i < n {
			ms += int(c.text[i] - '0')
		}
	}
	c.text = c.text[n:]
	return ms
}
