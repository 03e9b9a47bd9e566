package memcached

import (
	"errors"
	"strconv"
)

const maxKey = 250 // memcached's own limit, in bytes

// errKey says that memcached takes no such key.
var errKey = errors.New("not a key of memcached")

// A verb is what a command does, and the words that can answer it.
type verb struct {
	name    string
	answers []string
}

// What memcached says in one word.
const (
	saidEnd       = "END"
	saidStored    = "STORED"
	saidNotStored = "NOT_STORED"
	saidExists    = "EXISTS"
	saidNotFound  = "NOT_FOUND"
)

var (
	verbGet = &verb{"gets", []string{saidEnd}} // or a value
	verbAdd = &verb{"add", []string{saidStored, saidNotStored}}
	verbCAS = &verb{"cas", []string{saidStored, saidNotStored, saidExists, saidNotFound}}
)

// A command is what is sent: a line, and for a write a value.
type command struct {
	verb  *verb
	key   []byte
	bytes []byte // the whole
}

// get makes c the command that reads the item under the key.
func (c *command) get(key []byte) error {
	if err := c.begin(verbGet, key); err != nil {
		return err
	}
	c.endLine()
	return nil
}

// write makes c the command that puts value under the key: over the item of that
// version, or with version 0 where no item is.
func (c *command) write(key []byte, version uint64, value []byte, expires int32) error {
	verb := verbAdd
	if version != 0 {
		verb = verbCAS
	}
	if err := c.begin(verb, key); err != nil {
		return err
	}
	c.bytes = append(c.bytes, " 0 "...) // flags: none
	c.bytes = strconv.AppendInt(c.bytes, int64(expires), 10)
	c.bytes = append(c.bytes, ' ')
	c.bytes = strconv.AppendInt(c.bytes, int64(len(value)), 10)
	if version != 0 {
		c.bytes = append(c.bytes, ' ')
		c.bytes = strconv.AppendUint(c.bytes, version, 10)
	}
	c.endLine()
	c.bytes = append(c.bytes, value...)
	c.endLine()
	return nil
}

// begin writes the verb and the key. A key with a blank or a line end in it would be
// more than a key.
func (c *command) begin(verb *verb, key []byte) error {
	if len(key) == 0 || len(key) > maxKey {
		return errKey
	}
	for _, b := range key {
		if b <= ' ' || b == 0x7f {
			return errKey
		}
	}
	c.verb = verb
	c.bytes = append(append(c.bytes[:0], verb.name...), ' ')
	start := len(c.bytes)
	c.bytes = append(c.bytes, key...)
	c.key = c.bytes[start:]
	return nil
}

func (c *command) endLine() { c.bytes = append(c.bytes, "\r\n"...) }
