package velocity

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
)

// A snapshot is a Memory written down:
//
//	"fraudcheck snapshot 1\n"
//	each record: kind byte (not 0); ends, 4 bytes; key, 16; size, 4; the record
//	0 byte
//	32 bytes HMAC-SHA-256 of all the above, under a key of its own
//
// so that damage, and a snapshot made under another hash key, are told before a
// record of it is believed.
const snapshotMagic = "fraudcheck snapshot 1\n"

// ErrSnapshot: not a whole snapshot made under this hash key.
var ErrSnapshot = errors.New("damaged, or made under another hash key")

// Save writes a snapshot. Each shard stands still only while it is copied.
func (m *Memory) Save(to io.Writer, keys *Keys) error {
	mac := hmac.New(sha256.New, keys.snapshot)
	w := bufio.NewWriter(io.MultiWriter(to, mac))
	_, _ = w.WriteString(snapshotMagic) // Flush tells of any error
	var copied []byte
	for i := range m.shards {
		copied = m.shards[i].save(copied[:0])
		_, _ = w.Write(copied)
	}
	_ = w.WriteByte(0)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(mac.Sum(nil))
	return err
}

func (s *shard) save(to []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var buffer []byte
	for _, a := range s.ages {
		for r := a.oldest; r != 0; r = s.cells.at(r).newer() {
			c := s.cells.at(r)
			key := c.key()
			to = binary.LittleEndian.AppendUint32(append(to, c.kind()), c.ends())
			to = binary.LittleEndian.AppendUint32(append(to, key[:]...), uint32(c.size()))
			to = append(to, s.cells.read(r, &buffer)...)
		}
	}
	return to
}

// Load puts the records of a snapshot that have not ended into an empty Memory and
// says how many there were. With ErrSnapshot it has put in none.
func (m *Memory) Load(from io.ReadSeeker, keys *Keys, now Time) (records int, err error) {
	if err := verify(from, keys); err != nil {
		return 0, err
	}
	if _, err := from.Seek(int64(len(snapshotMagic)), io.SeekStart); err != nil {
		return 0, err
	}
	r := bufio.NewReader(from)
	var head [24]byte
	var record []byte
	for {
		kind, err := r.ReadByte()
		if err != nil || kind == 0 {
			return records, err
		}
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return records, err
		}
		ends, key, size := binary.LittleEndian.Uint32(head[:]), Key(head[4:20]), binary.LittleEndian.Uint32(head[20:])
		record = append(record[:0], make([]byte, size)...)
		if _, err := io.ReadFull(r, record); err != nil {
			return records, err
		}
		if int64(ends) > int64(now/1000) && kindIndex(kind) >= 0 {
			m.shard(key).load(kind, ends, key, record, now)
			records++
		}
	}
}

func (s *shard) load(kind byte, ends uint32, key Key, record []byte, now Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(key) != 0 {
		return
	}
	r := s.add(key, kind, now)
	s.cells.write(r, record, func() ref { return s.room(now) })
	s.cells.at(r).setEnds(ends)
	s.link(r)
}

// verify reads the whole snapshot once.
func verify(from io.ReadSeeker, keys *Keys) error {
	size, err := from.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	mac := hmac.New(sha256.New, keys.snapshot)
	if _, err := io.CopyN(mac, from, max(0, size-sha256.Size)); err != nil {
		return err
	}
	sum, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	if size < int64(len(snapshotMagic)+1+sha256.Size) || !hmac.Equal(sum, mac.Sum(nil)) {
		return ErrSnapshot
	}
	return nil
}
