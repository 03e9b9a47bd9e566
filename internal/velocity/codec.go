package velocity

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
)

// The encoding of a record. Numbers are unsigned varints (as in encoding/binary) in
// their shortest form, times and spans are in milliseconds, and a record has exactly one
// encoding:
//
//	version        1 byte: 2 where the record has marks, else 1
//	generation
//	lists          their number, then each, in the order of their keys:
//	  kind         1 byte, of the elements
//	  idle window  0 for a sliding list
//	  elements     their number, at least 1, then each, newest first:
//	    time       of the first its time, of the others the span to the one before
//	    fingerprint  8 bytes, big endian
//	  runs         only of an idle list: their number, at least 1, then each, newest first:
//	    last       of the first its time, of the others the span to the beginning of the
//	               one before
//	    span       from its beginning to last
//	marks          only in version 2: their number, at least 1, then each, in the order of
//	               their keys:
//	  kind         1 byte
//	  lasting      1 byte: 1 for a mark that survives forgetting, else 0
//	  list kind    1 byte; this and the next three are 0 where marks of the kind have none
//	  idle window
//	  window
//	  block_over
//	  time
//	  data         its number of bytes, at most 1024, then the bytes
//
// A record without marks is byte for byte what programs write that know version 1 only.
// Lists and marks of unknown kinds are decoded, merged and encoded like all others, so a
// new kind needs no new version.
//
// In a shared store the first 16 bytes of an HMAC-SHA-256 follow, over the store key and
// all of the above. With it a value that is forged, damaged or under a wrong key is told
// from a record.
const (
	versionLists = 1
	versionMarks = 2 // the newest

	macSize = 16 // bytes
)

// The errors of a stored value.
var (
	// ErrDamaged says that no instance with this hash key wrote the value under this key.
	ErrDamaged = errors.New("stored record is damaged")
	// ErrNewer says that a newer version of the program wrote the value. It must not be
	// overwritten.
	ErrNewer = errors.New("stored record has a newer version")
)

// encode appends the record's encoding and its MAC to dst: the value that a shared store
// holds under the key.
func (k *Keys) encode(dst []byte, key Key, r *Record) []byte {
	start := len(dst)
	dst = r.append(dst)
	mac := k.mac(key, dst[start:])
	return append(dst, mac[:]...)
}

// encodingIn is the encoding of the record in a value that encode returned.
func encodingIn(value []byte) []byte { return value[:len(value)-macSize] }

// decode reads into r a value that encode returned for the same key. The error is
// ErrDamaged or ErrNewer; r is then empty.
func (k *Keys) decode(r *Record, key Key, value []byte) error {
	r.reset()
	n := len(value) - macSize
	if n < 0 {
		return ErrDamaged
	}
	if mac := k.mac(key, value[:n]); !hmac.Equal(mac[:], value[n:]) {
		return ErrDamaged
	}
	return r.decode(value[:n])
}

// mac returns what stands behind the encoding of the record under that key.
func (k *Keys) mac(key Key, encoding []byte) (mac [macSize]byte) {
	m := k.macs.Get().(*macs)
	defer k.macs.Put(m)
	m.in = append(append(m.in[:0], key[:]...), encoding...)
	copy(mac[:], m.sum(m.record))
	return mac
}

// append appends the record's encoding to dst.
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

// decode reads an encoding. It accepts exactly what append returns; any other is
// ErrDamaged or ErrNewer, and r is then empty.
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
		l := r.listFor(key)
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

// latestTime is the greatest time and span in a record, in milliseconds: what is computed
// from the times of a damaged one must not overflow.
const latestTime = 1 << 53

// A reader decodes the parts of a record. Once it has failed, its results mean nothing.
type reader struct {
	data   []byte // not read yet
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

// uvarint reads a number in its shortest form.
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

// length reads the number of things that follow, which take at least size bytes each.
func (c *reader) length(size int) int {
	n := c.uvarint()
	if n > uint64(len(c.data)/size) {
		c.failed = true
		return 0
	}
	return int(n)
}

// elements reads the elements into l, which has none.
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

// runs reads the runs into l, which has none.
func (c *reader) runs(l *list) {
	n := c.length(2)
	if n == 0 {
		c.failed = true
	}
	for i := range n {
		last := c.time()
		if i > 0 {
			if last < l.key.idle { // the two would be one run
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

// marks reads the marks into r, which has none.
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

// minMark is the least number of bytes of an encoded mark.
const minMark = 8

// bool reads a byte that is 0 or 1.
func (c *reader) bool() bool {
	b := c.byte()
	if b > 1 {
		c.failed = true
	}
	return b == 1
}
