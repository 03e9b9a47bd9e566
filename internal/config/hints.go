package config

import (
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

// durationHint returns which duration text may have been meant for, as in "; did you mean
// 1h30m?" for 1h30; empty where none is likely.
func durationHint(text string) string {
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
			meant = strings.ReplaceAll(parts[1], ",", ".") + unit
		}
	}
	if _, err := time.ParseDuration(meant); err != nil || meant == text {
		return ""
	}
	return "; did you mean " + meant + "?"
}

// sizeHint returns which size text may have been meant for, as in "; did you mean 1GiB?"
// for 1GB; empty where none is likely.
func sizeHint(text string) string {
	parts := sizeInWords.FindStringSubmatch(text)
	if parts == nil {
		return ""
	}
	if meant := parts[1] + strings.ToUpper(parts[2]) + "iB"; meant != text {
		return "; did you mean " + meant + "?"
	}
	return ""
}
