package memcached

import (
	"bytes"
	"strconv"
)

const (
	maxReplyLine = 512
	maxItem      = 1 << 20 // memcached's own limit, in bytes
)

var (
	refusal  = []byte("SERVER_ERROR ")
	valueEnd = []byte("\r\nEND\r\n")
)

// A reply is what answered a command: a word, a value, or a refusal.
type reply struct {
	bytes   []byte // the whole
	said    string // the word; empty for the others
	start   int    // where the value begins; 0 for the others
	version uint64 // of the item that has the value
}

// begin takes the first line of a reply to c. It returns how many bytes are to follow,
// -1 when c can have no such reply.
func (r *reply) begin(c *command, line []byte) (more int) {
	r.bytes, r.said, r.start = append(r.bytes[:0], line...), "", 0
	if len(line) > maxReplyLine || !bytes.HasSuffix(line, []byte("\r\n")) {
		return -1
	}
	line = line[:len(line)-len("\r\n")]
	for _, word := range c.verb.answers {
		if string(line) == word {
			r.said = word
			return 0
		}
	}
	if bytes.HasPrefix(line, refusal) {
		return 0 // in place of an answer; what is asked next is answered all the same
	}
	if c.verb != verbGet {
		return -1
	}
	return r.beginValue(c.key, line)
}

// beginValue takes the line before a value: VALUE, the key that was asked for, flags,
// the length of the value, the item's version.
func (r *reply) beginValue(key, line []byte) (more int) {
	line, isValue := bytes.CutPrefix(line, []byte("VALUE "))
	line, isKey := bytes.CutPrefix(line, key)
	line, isWhole := bytes.CutPrefix(line, []byte(" "))
	if !isValue || !isKey || !isWhole {
		return -1
	}
	_, line, _ = bytes.Cut(line, []byte(" ")) // flags: nobody looks at them
	length, version, _ := bytes.Cut(line, []byte(" "))
	n, err := strconv.ParseUint(string(length), 10, 32)
	if err != nil || n > maxItem {
		return -1
	}
	if r.version, err = strconv.ParseUint(string(version), 10, 64); err != nil {
		return -1
	}
	r.start = len(r.bytes)
	return int(n) + len(valueEnd)
}

// value is the value of a reply that has one.
func (r *reply) value() []byte { return r.bytes[r.start : len(r.bytes)-len(valueEnd)] }

// refused returns what the server said in place of an answer, without what marks it as
// an error; empty when it did not refuse.
func (r *reply) refused() string {
	text, _ := bytes.CutPrefix(r.bytes, refusal)
	if r.said != "" || r.start > 0 {
		return ""
	}
	return string(bytes.TrimSpace(text))
}
