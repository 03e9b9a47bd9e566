package replay

import (
	"encoding/json"
	"slices"
	"strings"
)

// objects reads lines of NDJSON: a flat object each. Of the columns in use a value may be a
// string, a number, a boolean or null, which is none; any other member is passed over. A
// scanner of our own takes a tenth of the time of encoding/json, and sees a name given twice.
func (c *chunk) objects(r *record, visit func(*record)) {
	for line := range strings.Lines(c.text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		s := scanner{text: line, names: c.file.mapping.names}
		r.fault = s.object(r.values)
		visit(r)
	}
}

// A scanner reads one line.
type scanner struct {
	text  string
	at    int
	names []string // in use
	given uint64   // of them, a bit for each
}

var notAnObject = &Fault{Expected: "a JSON object on one line"}

// object reads the line into values, which are of the names in use.
func (s *scanner) object(values []string) *Fault {
	clear(values)
	s.space()
	if !s.take('{') {
		return notAnObject
	}
	s.space()
	for more := !s.take('}'); more; {
		s.space()
		name, ok := s.string()
		s.space()
		if !ok || !s.take(':') {
			return notAnObject
		}
		s.space()
		value, flat, ok := s.value()
		if !ok {
			return notAnObject
		}
		if i := slices.Index(s.names, name); i >= 0 {
			switch {
			case s.given&(1<<i) != 0:
				return &Fault{Column: name, Expected: "the name once"}
			case !flat:
				return &Fault{Column: name, Expected: "text, a number, true or false, and nothing nested"}
			}
			s.given |= 1 << i
			values[i] = value
		}
		s.space()
		if more = !s.take('}'); more && !s.take(',') {
			return notAnObject
		}
	}
	if s.space(); s.at < len(s.text) {
		return notAnObject
	}
	return nil
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\r') {
		s.at++
	}
}

func (s *scanner) take(b byte) bool {
	if s.at < len(s.text) && s.text[s.at] == b {
		s.at++
		return true
	}
	return false
}

// string reads a string.
func (s *scanner) string() (string, bool) {
	start := s.at
	if !s.take('"') {
		return "", false
	}
	escaped := false
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			escaped = true
			s.at++
		case '"':
			s.at++
			if !escaped {
				return s.text[start+1 : s.at-1], true
			}
			var text string
			err := json.Unmarshal([]byte(s.text[start:s.at]), &text)
			return text, err == nil
		}
	}
	return "", false
}

// value reads a value, and reports whether it is flat. null is an empty text.
func (s *scanner) value() (text string, flat, ok bool) {
	if s.at == len(s.text) {
		return "", false, false
	}
	switch s.text[s.at] {
	case '"':
		text, ok = s.string()
		return text, true, ok
	case '{', '[':
		return "", false, s.nested()
	}
	start := s.at
	for s.at < len(s.text) && !strings.ContainsRune(",}] \t\r", rune(s.text[s.at])) {
		s.at++
	}
	text = s.text[start:s.at]
	if text == "null" {
		return "", true, true
	}
	return text, true, json.Valid([]byte(text))
}

// nested steps over an object or an array.
func (s *scanner) nested() bool {
	for depth := 0; s.at < len(s.text); {
		switch s.text[s.at] {
		case '"':
			if _, ok := s.string(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return true
		}
	}
	return false
}
