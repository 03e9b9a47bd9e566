package memcached

import (
	"bytes"
	"slices"
	"strconv"
)

const (
	maxCommandLine = 512
	maxReplyLine   = 512
	maxItem        = 1 << 20 // memcached's own limit, in bytes
)

// A command is one that gomemcache writes: a line, and for a write a value.
type command struct {
	bytes   []byte
	size    int      // of the whole, once the line is complete
	key     []byte   // of a get: what its value must lie under
	answers []string // of any other
	learns  bool     // its reply says what the server holds: see the package's comment
	whole   bool     // the next byte begins another
}

var (
	refusal  = []byte("SERVER_ERROR ")
	valueEnd = []byte("\r\nEND\r\n")

	stores  = []string{"STORED", "NOT_STORED"}
	swaps   = []string{"STORED", "NOT_STORED", "EXISTS", "NOT_FOUND"}
	deletes = []string{"DELETED", "NOT_FOUND"}
)

// add appends a part, and reports whether the command is whole.
func (c *command) add(b []byte) (whole bool, err error) {
	if c.whole {
		*c = command{bytes: c.bytes[:0]}
	}
	c.bytes = append(c.bytes, b...)
	if c.size == 0 {
		line, _, complete := bytes.Cut(c.bytes, []byte("\r\n"))
		if !complete && len(line) <= maxCommandLine {
			return false, nil
		}
		if !complete || !c.parse(line) {
			return false, errCommand
		}
	}
	if len(c.bytes) > c.size {
		return false, errCommand
	}
	c.whole = len(c.bytes) == c.size
	return c.whole, nil
}

// parse learns from the command's line how long the whole is and what can answer it;
// it reports false for a command that is unknown.
func (c *command) parse(line []byte) bool {
	c.size = len(line) + len("\r\n")
	verb, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(verb) {
	case "gets":
		c.key, c.learns = rest, true
		return true
	case "delete":
		c.answers = deletes
		return true
	case "add":
		c.answers, c.learns = stores, true
	case "set":
		c.answers = stores
	case "cas":
		c.answers = swaps
	default:
		return false
	}
	for range 3 { // key, flags, expiry
		_, rest, _ = bytes.Cut(rest, []byte(" "))
	}
	length, _, _ := bytes.Cut(rest, []byte(" "))
	n, err := strconv.ParseUint(string(length), 10, 31)
	c.size += int(n) + len("\r\n")
	return err == nil
}

// follows is how many bytes come after the reply's first line, -1 when the command
// can have no such reply.
func (c *command) follows(line []byte) int {
	if len(line) > maxReplyLine || !bytes.HasSuffix(line, []byte("\r\n")) {
		return -1
	}
	line = line[:len(line)-len("\r\n")]
	if bytes.HasPrefix(line, refusal) {
		return 0 // in place of a reply; what is asked next is answered all the same
	}
	if c.key == nil {
		if slices.Contains(c.answers, string(line)) {
			return 0
		}
		return -1
	}
	if string(line) == "END" {
		return 0
	}
	value, ok := bytes.CutPrefix(line, []byte("VALUE "))
	if !ok {
		return -1
	}
	key, value, _ := bytes.Cut(value, []byte(" "))
	_, value, _ = bytes.Cut(value, []byte(" ")) // flags
	length, id, ok := bytes.Cut(value, []byte(" "))
	n, err := strconv.ParseUint(string(length), 10, 32)
	if !ok || err != nil || n > maxItem || !bytes.Equal(key, c.key) || len(id) == 0 {
		return -1
	}
	return int(n) + len(valueEnd)
}
