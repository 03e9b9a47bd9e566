package velocity

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
)

// The written form of a record. All numbers are unsigned varints in their shortest
// form, so that a record has exactly one written form:
//
//	version byte: 2 where there are marks, else 1
//	generation
//	number of lists, then each list, ordered by key:
//	  kind byte, idle window (0: sliding)
//	  number of elements (at least 1), newest first, each:
//	    time (the first) or the time to the one before it; 8 bytes fingerprint
//	  for an idle list, number of runs (at least 1), newest first, each:
//	    last (the first) or the time from it to the one before's beginning; length
//	in version 2, number of marks (at least 1), then each mark, ordered by key:
//	  kind byte
//	  lasting byte: 1 for a mark that survives forgetting, else 0
//	  element kind byte, idle window, window, block_over: 0 where its kind has none
//	  time
//	  number of bytes (at most 1024), the bytes
//
// Times and lengths of time are in milliseconds. A record without marks is byte for
// byte what the programs write that know version 1 only. Lists and marks of kinds
// that a program does not know are read and written like any other, so a new kind of
// either needs no new version.
//
// In a shared store 16 bytes follow: a keyed check over the store key and all of
// the above, so that a value that was forged, damaged or put under another key
// is told from a record.
const (
	versionLists = 1
	versionMarks = 2 // the newest

	checkSize = 16
)

// What can be wrong with a stored value.
var (
	// ErrDamaged: not what an instance with this hash key wrote under this key.
	ErrDamaged = errors.New("stored record is damaged")
	// ErrNewer: written by a newer version; it must not be overwritten.
	ErrNewer = errors.New("stored record has a newer version")
)

// seal appends the record's written form and its check to dst.
func (k *Keys) seal(dst []byte, key Key, r *Record) []byte {
	start := len(dst)
	dst = r.append(dst)
	check := k.check(key, dst[start:])
	return append(dst, check[:]...)
}

// open reads what seal wrote under the same key into r; the error is ErrDamaged
// or ErrNewer, and r then remembers nothing.
func (k *Keys) open(r *Record, key Key, sealed []byte) error {
	r.reset()
	n := len(sealed) - checkSize
	if n < 0 {
		return ErrDamaged
	}
	if check := k.check(key, sealed[:n]); !hmac.Equal(check[:], sealed[n:]) {
		return ErrDamaged
	}
	return r.decode(sealed[:n])
}

func (k *Keys) check(key Key, body []byte) (check [checkSize]byte) {
	m := k.macs.Get().(*macs)
	defer k.macs.Put(m)
	m.in = append(append(m.in[:0], key[:]...), body...)
	copy(check[:], m.sum(m.record))
	return check
}

func (r *Record) append(dst []byte) []byte {
	version := byte(versionLists)
	if len(r.marks) > 0 {
		version = versionMarks
	}
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, r.generation)
	dst = binary.AppendUvarint(dst, uint64(len(r.lists)))
	for i := range r.lists {
		l := &r.lists[i]
		dst = append(dst, l.key.kind)
		dst = binary.AppendUvarint(dst, uint64(l.key.idle))
		dst = binary.AppendUvarint(dst, uint64(len(l.elements)))
		for i, e := range l.elements {
			t := e.seen
			if i > 0 {
				t = l.elements[i-1].seen - e.seen
			}
			dst = binary.AppendUvarint(dst, uint64(t))
			dst = binary.BigEndian.AppendUint64(dst, e.fingerprint)
		}
		if l.key.idle == 0 {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(l.runs)))
		for i, r := range l.runs {
			t := r.last
			if i > 0 {
				t = l.runs[i-1].began - r.last
			}
			dst = binary.AppendUvarint(dst, uint64(t))
			dst = binary.AppendUvarint(dst, uint64(r.last-r.began))
		}
	}
	if version == versionMarks {
		dst = r.appendMarks(dst)
	}
	return dst
}

func (r *Record) appendMarks(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(r.marks)))
	for i := range r.marks {
		m := &r.marks[i]
		lasting := byte(0)
		if m.key.lasting {
			lasting = 1
		}
		dst = append(dst, m.key.kind, lasting, m.key.list.kind)
		for _, n := range [...]uint64{
			uint64(m.key.list.idle), uint64(m.key.window), m.key.blockOver, uint64(m.at), uint64(len(m.data)),
		} {
			dst = binary.AppendUvarint(dst, n)
		}
		dst = append(dst, m.data...)
	}
	return dst
}

// decode accepts exactly what append writes.
func (r *Record) decode(data []byte) error {
	r.reset()
	c := reader{data: data}
	version := c.byte()
	switch {
	case c.failed || version < versionLists:
		return ErrDamaged
	case version > versionMarks:
		return ErrNewer
	}
	r.generation = c.uvarint()
	before := listKey{}
	for range c.length(4) {
		key := listKey{kind: c.byte(), idle: c.time()}
		if c.failed || key.compare(before) <= 0 {
			c.failed = true
			break
		}
		before = key
		l := r.grow(key)
		c.elements(l)
		if key.idle > 0 {
			c.runs(l)
		}
	}
	if version == versionMarks {
		c.marks(r)
	}
	if c.failed || len(c.data) > 0 {
		r.reset()
		return ErrDamaged
	}
	return nil
}

// latestTime is the greatest time and length of time a record may hold: a
// damaged one must not overflow what is computed from it.
const latestTime = 1 << 53

// A reader takes a written record apart; after failed its results mean nothing.
type reader struct {
	data   []byte
	failed bool
}

func (c *reader) byte() byte {
	if len(c.data) == 0 {
		c.failed = true
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return b
}

func (c *reader) uvarint() uint64 {
	v, n := binary.Uvarint(c.data)
	if n <= 0 || n > 1 && c.data[n-1] == 0 {
		c.failed = true
		return 0
	}
	c.data = c.data[n:]
	return v
}

func (c *reader) time() Time {
	v := c.uvarint()
	if v > latestTime {
		c.failed = true
		return 0
	}
	return Time(v)
}

// length is a number of things that take at least size bytes each.
func (c *reader) length(size int) int {
	n := c.uvarint()
	if n > uint64(len(c.data)/size) {
		c.failed = true
		return 0
	}
	return int(n)
}

func (c *reader) elements(l *list) {
	n := c.length(9)
	if n == 0 {
		c.failed = true
	}
	for i := range n {
		e := element{seen: c.time()}
		if i > 0 {
			e.seen = l.elements[i-1].seen - e.seen
		}
		if len(c.data) < 8 || e.seen < 0 {
			c.failed = true
			return
		}
		e.fingerprint = binary.BigEndian.Uint64(c.data)
		c.data = c.data[8:]
		if i > 0 && newer(l.elements[i-1], e) >= 0 {
			c.failed = true
			return
		}
		l.elements = append(l.elements, e)
	}
}

func (c *reader) runs(l *list) {
	n := c.length(2)
	if n == 0 {
		c.failed = true
	}
	for i := range n {
		last := c.time()
		if i > 0 {
			if last < l.key.idle { // else the two are one run
				c.failed = true
				return
			}
			last = l.runs[i-1].began - last
		}
		r := run{began: last - c.time(), last: last}
		if c.failed || r.began < 0 {
			c.failed = true
			return
		}
		l.runs = append(l.runs, r)
	}
}

// marks reads the marks into r: at least one, and no more than a record may have.
func (c *reader) marks(r *Record) {
	n := c.length(minMark)
	if n == 0 {
		c.failed = true
	}
	lasting := 0
	for i := range n {
		m := mark{key: markKey{kind: c.byte(), lasting: c.bool()}}
		m.key.list = listKey{kind: c.byte(), idle: c.time()}
		m.key.window, m.key.blockOver, m.at = c.time(), c.uvarint(), c.time()
		size := c.length(1)
		if c.failed || size > maxMarkData || i > 0 && m.key.compare(r.marks[i-1].key) <= 0 {
			c.failed = true
			return
		}
		m.data, c.data = c.data[:size], c.data[size:]
		if m.key.lasting {
			lasting++
		}
		r.setMark(&m)
	}
	if lasting > maxLastingMarks || n-lasting > maxOtherMarks {
		c.failed = true
	}
}

// minMark is how many bytes a mark takes at least.
const minMark = 8

// bool takes a byte that is 0 or 1.
func (c *reader) bool() bool {
	b := c.byte()
	if b > 1 {
		c.failed = true
	}
	return b == 1
}
