package door

// headerLines are the fields of a header section as they came, in their order. They are
// found while the section is checked (framing.go), once for all that is asked of it.
type headerLines struct {
	section []byte
	lines   []headerLine
	found   [][]byte // what Values returned last
}

// A headerLine is where a field stands in the section: its name ends before the colon, its
// value before end.
type headerLine struct{ name, colon, end int }

func (h *headerLines) name(l headerLine) []byte { return h.section[l.name:l.colon] }

// value returns the value without the blanks around it (RFC 9110 section 5.5).
func (h *headerLines) value(l headerLine) []byte {
	from, to := l.colon+1, l.end
	for from < to && isBlank(h.section[from]) {
		from++
	}
	for from < to && isBlank(h.section[to-1]) {
		to--
	}
	return h.section[from:to]
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// Values implements auth.Header.
func (h *headerLines) Values(name string) [][]byte {
	h.found = h.found[:0]
	for _, l := range h.lines {
		if l.colon-l.name == len(name) && hasName(h.name(l), name) {
			h.found = append(h.found, h.value(l))
		}
	}
	return h.found
}
