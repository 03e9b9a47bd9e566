package velocity

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"fraudcheck/internal/slab"
)

// A snapshot is the records of a Memory as bytes; numbers are little-endian:
//
//	"fraudcheck snapshot 1\n"
//	each record: kind of subject, 1 byte, not 0; ends, 4 bytes; key, 16; size, 4; the record
//	0 byte
//	HMAC-SHA-256 of all the above, 32 bytes, under a key for this purpose alone
//
// The HMAC is verified before the first record is used, so a snapshot that is damaged,
// or was made under another hash key, adds nothing.
const snapshotMagic = "fraudcheck snapshot 1\n"

// ErrSnapshot says that a file is not a whole snapshot made under this hash key.
var ErrSnapshot = errors.New("damaged, or made under another hash key")

// Save writes a snapshot. Each shard is locked only while it is copied, so records that
// change meanwhile are in it as they were or as they are. After an error of the writer
// it stops at once.
func (m *Memory) Save(to io.Writer, keys *Keys) error {
	mac := hmac.New(sha256.New, keys.snapshot)
	w := bufio.NewWriter(io.MultiWriter(to, mac))
	_, _ = w.WriteString(snapshotMagic) // bufio reports any error at the next write
	var copied []byte
	for i := range m.table.Shards() {
		copied = copied[:0]
		m.table.Visit(i, func(key *slab.Key, l slab.Label, record []byte) {
			copied = binary.LittleEndian.AppendUint32(append(copied, l.Group), l.Ends)
			copied = binary.LittleEndian.AppendUint32(append(copied, key[:]...), uint32(len(record)))
			copied = append(copied, record...)
		})
		if _, err := w.Write(copied); err != nil {
			return err
		}
	}
	_ = w.WriteByte(0)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(mac.Sum(nil))
	return err
}

// Load puts the records of a snapshot that have not ended into an empty Memory and
// returns how many there were. The plan says which of them a rule blocks. The error is
// ErrSnapshot, with which nothing was put in, or that of the reader.
func (m *Memory) Load(from io.ReadSeeker, keys *Keys, plan *Plan, now Time) (records int, err error) {
	if err := verify(from, keys); err != nil {
		return 0, err
	}
	if _, err := from.Seek(int64(len(snapshotMagic)), io.SeekStart); err != nil {
		return 0, err
	}
	r := bufio.NewReader(from)
	s := new(scratch)
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
		label := slab.Label{Group: kind, Ends: binary.LittleEndian.Uint32(head[:])}
		key := Key(head[4:20])
		size := int(binary.LittleEndian.Uint32(head[20:]))
		record = slices.Grow(record[:0], size)[:size]
		if _, err := io.ReadFull(r, record); err != nil {
			return records, err
		}
		if label.Ends <= seconds(now) {
			continue
		}
		records++
		label.Rank = s.writtenRank(plan, kind, record, now)
		m.table.Edit((*slab.Key)(&key), seconds(now), &s.bytes, func(kept []byte) ([]byte, slab.Label) {
			if kept != nil {
				return nil, label
			}
			return record, label
		})
	}
}

// writtenRank is the rank of a record as it was written down.
func (s *scratch) writtenRank(plan *Plan, kind byte, record []byte, now Time) slab.Rank {
	subject := plan.subjectOf(kind)
	if subject == nil {
		return rankOrdinary
	}
	s.decode(record)
	s.record.prune(subject, now)
	u := &Update{plan: plan, subject: subject, now: now}
	return u.rank(&s.record, s.tally(u))
}

// verify reads the whole snapshot once; what does not begin as one it does not read.
func verify(from io.ReadSeeker, keys *Keys) error {
	size, err := from.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if size < int64(len(snapshotMagic)+1+sha256.Size) {
		return ErrSnapshot
	}
	mac := hmac.New(sha256.New, keys.snapshot)
	content := io.TeeReader(io.LimitReader(from, size-sha256.Size), mac)
	magic := make([]byte, len(snapshotMagic))
	if _, err := io.ReadFull(content, magic); err != nil {
		return err
	}
	if string(magic) != snapshotMagic {
		return ErrSnapshot
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	sum, err := io.ReadAll(io.LimitReader(from, sha256.Size+1))
	if err != nil {
		return err
	}
	if !hmac.Equal(sum, mac.Sum(nil)) {
		return ErrSnapshot
	}
	return nil
}
