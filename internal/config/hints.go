package config

import (
	"reflect"
	"regexp"
	"strings"
	"time"
)

// durationWords are the units that people write, by the one that is taken. A day has 24 of
// its unit.
var durationWords = map[string]string{
	"": "s", "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
	"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
	"ms": "ms", "millisecond": "ms", "milliseconds": "ms",
}

// Only short numbers are shown in a message: a longer one may be a secret in the wrong
// place.
var (
	durationInWords = regexp.MustCompile(`^(\d{1,4}(?:[.,]\d{1,3})?) ?([A-Za-z]*)$`)
	durationCut     = regexp.MustCompile(`^(\d{1,4}h)(\d{1,2})$`)
	daysOrWeeks     = regexp.MustCompile(`^(\d{1,3}) ?(?:(d|day|days)|w|week|weeks)$`)
	sizeInWords     = regexp.MustCompile(`^(\d{1,4}) ?([KkMmGgTt])(?:[Ii]?[Bb])?$`)
)

// durationHint returns which duration that v may have text may have been meant for, as in
// "; did you mean 1h30m?" for 1h30; empty where none is likely. A number alone is seconds,
// or milliseconds where only these are in range.
func durationHint(text string, v reflect.Value, tag reflect.StructTag) string {
	meant := ""
	if parts := daysOrWeeks.FindStringSubmatch(text); parts != nil {
		days, _ := time.ParseDuration(parts[1] + "h")
		if days *= 24; parts[2] == "" {
			days *= 7
		}
		meant = strings.TrimSuffix(days.String(), "0m0s")
	} else if parts := durationCut.FindStringSubmatch(text); parts != nil {
		meant = parts[1] + parts[2] + "m"
	} else if parts := durationInWords.FindStringSubmatch(text); parts != nil {
		if unit, known := durationWords[strings.ToLower(parts[2])]; known {
			number := strings.ReplaceAll(parts[1], ",", ".")
			meant = number + unit
			if parts[2] == "" && !taken(meant, v, tag) {
				meant = number + "ms"
			}
		}
	}
	return didYouMean(meant, text, v, tag)
}

// didYouMean suggests meant for text, where v takes it.
func didYouMean(meant, text string, v reflect.Value, tag reflect.StructTag) string {
	if meant == text || !taken(meant, v, tag) {
		return ""
	}
	return "; did you mean " + meant + "?"
}

// taken reports whether a value of v's type takes the text: in the range of min and max, or
// of least and most in whole seconds.
func taken(text string, v reflect.Value, tag reflect.StructTag) bool {
	value := reflect.New(v.Type()).Elem()
	if !assign(text, value) || !allowed(value, tag) {
		return false
	}
	least := tag.Get("least")
	if least == "" {
		return true
	}
	lowest, _ := time.ParseDuration(least)
	highest, _ := time.ParseDuration(tag.Get("most"))
	d := time.Duration(value.Int())
	return lowest <= d && d <= highest && d%time.Second == 0
}

// sizeHint returns which size that v may have text may have been meant for, as in "; did
// you mean 1GiB?" for 1GB; empty where none is likely.
func sizeHint(text string, v reflect.Value, tag reflect.StructTag) string {
	parts := sizeInWords.FindStringSubmatch(text)
	if parts == nil {
		return ""
	}
	return didYouMean(parts[1]+strings.ToUpper(parts[2])+"iB", text, v, tag)
}
