package velocity

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// marks draws a mark of a kind that this program knows, or of one it does not: few
// keys and few times, so that marks meet.
func marks() *rapid.Generator[mark] {
	return rapid.Custom(func(t *rapid.T) mark {
		m := mark{
			key: rapid.SampledFrom([]markKey{
				{kind: markHold, list: listKey{kind: 3}, window: 10_000, blockOver: 5},
				{kind: markHold, list: listKey{kind: 3}, window: 10_000, blockOver: 6},
				{kind: markHold, list: listKey{kind: 3, idle: 10_000}, window: 10_000, blockOver: 5},
				{kind: markOverride, lasting: true},
				{kind: 200, blockOver: 7},
				{kind: 200, lasting: true, blockOver: 7},
			}).Draw(t, "key"),
			at: Time(rapid.IntRange(0, 3).Draw(t, "second")) * 1000,
		}
		m.data = []byte(strings.Repeat("x", rapid.IntRange(0, 2).Draw(t, "length")))
		return m
	})
}

// manyMarks is more marks than a record keeps, one a second.
func manyMarks(lasting bool) *Record {
	r := new(Record)
	for i := range maxOtherMarks + 2 {
		o := new(Record)
		o.setMark(&mark{key: markKey{kind: 7, lasting: lasting, blockOver: uint64(i)}, at: Time(i * 1000)})
		r.mergeMarks(o, false)
	}
	return r
}

func TestTheLaterMarkReplacesTheEarlier(t *testing.T) {
	override := markKey{kind: markOverride, lasting: true}
	r := new(Record)
	for _, m := range []mark{
		{key: override, at: 2000, data: []byte("allow")},
		{key: override, at: 1000, data: []byte("earlier")},
		{key: override, at: 2000, data: []byte("block")},
		{key: override, at: 2000, data: []byte("a")},
	} {
		r.setMark(&m)
	}
	require.Len(t, r.marks, 1)
	require.Equal(t, "block", string(r.marks[0].data), "of one time, what sorts last")
	r.setMark(&mark{key: override, at: 3000})
	require.Empty(t, r.marks[0].data, "a removal is a later mark")
}

func TestForgettingTakesMarksAwayThatDoNotLast(t *testing.T) {
	s := testSubject(t)
	hold, override := markKey{kind: markHold, blockOver: 5}, markKey{kind: markOverride, lasting: true}
	r := new(Record)
	r.setMark(&mark{key: hold, at: 1000})
	r.setMark(&mark{key: override, at: 1000, data: []byte("allow")})
	stale := merged(s, r)
	r.forget(1500)
	require.Len(t, r.marks, 1)
	require.Equal(t, override, r.marks[0].key)
	require.Equal(t, encodingOf(r), encodingOf(merged(s, stale, r)))
	require.Equal(t, encodingOf(r), encodingOf(merged(s, r, stale)))

	// An override set by an instance that has not heard of the forgetting holds.
	stale.setMark(&mark{key: override, at: 2000, data: []byte("block")})
	for _, both := range []*Record{merged(s, stale, r), merged(s, r, stale)} {
		require.EqualValues(t, 1500, both.generation)
		require.Len(t, both.marks, 1)
		require.Equal(t, "block", string(both.marks[0].data))
	}
}

func TestARecordKeepsItsNewestMarks(t *testing.T) {
	r := manyMarks(false)
	require.Len(t, r.marks, maxOtherMarks)
	require.EqualValues(t, 2000, r.marks[0].at)

	r.mergeMarks(manyMarks(true), false)
	require.Len(t, r.marks, maxOtherMarks+maxLastingMarks, "neither sort takes the other's room")
}

func TestMarksEndWithTheLongestHoldOrOverride(t *testing.T) {
	const life = Time(720 * 3600 * 1000)
	r := new(Record)
	r.setMark(&mark{key: markKey{kind: 200}, at: 1000})
	r.prune(testSubject(t), 1000+life-1)
	require.Len(t, r.marks, 1)
	r.prune(testSubject(t), 1000+life)
	require.Empty(t, r.marks)

	r.setMark(&mark{key: markKey{kind: 200}, at: 300_000})
	r.prune(testSubject(t), 1000)
	require.EqualValues(t, 61_000, r.marks[0].at, "one too far ahead is pulled back to a minute ahead")
}

func TestARecordWithMarksIsKeptAsLongAsAnyWindowMayBe(t *testing.T) {
	s := testSubject(t)
	r := new(Record)
	r.listFor(s.lists[0].key).observe(1, 1000, 3)
	require.Equal(t, Time(20_000), r.retain(s))
	r.setMark(&mark{key: markKey{kind: markHold}, at: 1000})
	require.Equal(t, spanOf(720*time.Hour), r.retain(s))

	u := Update{subject: s, now: 100_000_000}
	require.EqualValues(t, 1+720*3600+1, u.ends(r), "the embedded store keeps it until its mark ends")
	u.now += 720 * 3600 * 1000
	require.EqualValues(t, 100_000+720*3600+60+20+1, u.ends(r), "and a record that is written as long as its lists matter")
}

func TestMarksReuseTheirMemory(t *testing.T) {
	from := manyMarks(false)
	from.setMark(&mark{key: markKey{kind: 9, lasting: true}, at: 1 << 40, data: make([]byte, maxMarkData)})
	data := from.append(nil)
	var r Record
	read := func() {
		if r.decode(data) != nil {
			panic("not decoded")
		}
	}
	read()
	require.Zero(t, testing.AllocsPerRun(100, read))
	data[len(data)-1]++
	require.Zero(t, r.marks[len(r.marks)-1].data[maxMarkData-1], "marks hold copies")
}

// Programs that know version 1 read what has no marks, and leave alone what has.
func TestOnlyARecordWithMarksIsVersion2(t *testing.T) {
	r := new(Record)
	r.listFor(listKey{kind: 3}).observe(0x1111111111111111, 1_800_000_000_000, 6)
	require.Equal(t, "01"+"00"+"01"+"03"+"00"+"01"+"80a0f1c2b134"+"1111111111111111", hex.EncodeToString(r.append(nil)))
	r.setMark(&mark{key: markKey{kind: markHold, list: listKey{kind: 3}, window: 3_600_000, blockOver: 5}, at: 1_800_000_000_000})
	r.setMark(&mark{key: markKey{kind: markOverride, lasting: true}, at: 1_800_000_001_000, data: []byte{0xaa, 0xbb}})
	require.Equal(t,
		"02"+"00"+"01"+"03"+"00"+"01"+"80a0f1c2b134"+"1111111111111111"+
			"02"+
			"01"+"00"+"03"+"00"+"80dddb01"+"05"+"80a0f1c2b134"+"00"+
			"02"+"01"+"00"+"00"+"00"+"00"+"e8a7f1c2b134"+"02"+"aabb",
		hex.EncodeToString(r.append(nil)))
}

func TestDamagedMarksAreRefused(t *testing.T) {
	const head, hold = "02" + "00" + "00", "01" + "00" + "03" + "00" + "10" + "05" + "20" + "00"
	for name, written := range map[string]string{
		"version 2 without marks":      head + "00",
		"version 1 with marks":         "01" + "00" + "00" + "01" + hold,
		"cut after the lists":          head,
		"cut in a mark":                head + "01" + hold[:12],
		"a mark twice":                 head + "02" + hold + hold,
		"marks out of order":           head + "02" + "02" + hold[2:] + hold,
		"a lasting byte of 2":          head + "01" + "01" + "02" + hold[4:],
		"a time after all time":        head + "01" + hold[:12] + "ffffffffffffffff7f" + "00",
		"more data than bytes":         head + "01" + hold[:14] + "03" + "0000",
		"more data than a mark has":    head + "01" + hold[:14] + "8108" + strings.Repeat("00", 1025),
		"a length not at its shortest": head + "01" + hold[:14] + "8100" + "00",
		"something more":               head + "01" + hold + "00",
	} {
		data, err := hex.DecodeString(written)
		require.NoError(t, err)
		var r Record
		require.ErrorIs(t, r.decode(data), ErrDamaged, name)
		require.Empty(t, r.marks, name)
	}
	good, err := hex.DecodeString(head + "01" + hold)
	require.NoError(t, err)
	require.NoError(t, new(Record).decode(good))

	tooMany := manyMarks(false)
	tooMany.setMark(&mark{key: markKey{kind: 9}, at: 1})
	require.ErrorIs(t, new(Record).decode(tooMany.append(nil)), ErrDamaged, "more marks than a record may have")
}
