package velocity

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testKeys(t require.TestingT) *Keys {
	k, err := NewKeys([]byte(strings.Repeat("another test key", 2)))
	require.NoError(t, err)
	return k
}

func TestARecordIsDecodedAsItWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := records(testSubject(t)).Draw(t, "record")
		var back Record
		require.NoError(t, back.decode(r.append(nil)))
		require.Equal(t, encodingOf(r), encodingOf(&back))
		require.Equal(t, r.generation, back.generation)
		require.Len(t, back.lists, len(r.lists))
		require.Len(t, back.marks, len(r.marks))
	})
}

// Stores hold this encoding: to change it is to raise the version.
func TestTheEncodingIsVersion1(t *testing.T) {
	r := &Record{generation: 3}
	r.listFor(listKey{kind: 3}).observe(0x1111111111111111, 1_800_000_000_000, 6)
	r.listFor(listKey{kind: 3}).observe(0x2222222222222222, 1_800_000_001_000, 6)
	r.listFor(listKey{kind: 8, idle: 60_000}).observe(0x3333333333333333, 1_800_000_002_000, 6)
	require.Equal(t,
		"01"+"03"+"02"+
			"03"+"00"+"02"+"e8a7f1c2b134"+"2222222222222222"+"e807"+"1111111111111111"+
			"08"+"e0d403"+"01"+"d0aff1c2b134"+"3333333333333333"+"01"+"d0aff1c2b134"+"00",
		hex.EncodeToString(r.append(nil)))
}

func TestARecordIsReadOnlyUnderItsOwnKeys(t *testing.T) {
	keys := testKeys(t)
	r := new(Record)
	r.listFor(listKey{kind: 3}).observe(1, 1_800_000_000_000, 6)
	encoded := keys.encode(nil, Key{1}, r)
	var back Record
	require.NoError(t, keys.decode(&back, Key{1}, encoded))
	require.Equal(t, encodingOf(r), encodingOf(&back))

	require.ErrorIs(t, keys.decode(&back, Key{2}, encoded), ErrDamaged, "put under another key")
	require.Empty(t, back.lists)
	others, err := NewKeys([]byte(strings.Repeat("x", MinHashKey)))
	require.NoError(t, err)
	require.ErrorIs(t, others.decode(&back, Key{1}, encoded), ErrDamaged, "made with another hash key")
	for i := range encoded {
		require.ErrorIs(t, keys.decode(&back, Key{1}, encoded[:i]), ErrDamaged, "cut after %d bytes", i)
		flipped := []byte(string(encoded))
		flipped[i] ^= 0x40
		require.ErrorIs(t, keys.decode(&back, Key{1}, flipped), ErrDamaged, "byte %d changed", i)
	}
}

func TestANewerVersionIsToldFromDamage(t *testing.T) {
	var r Record
	require.ErrorIs(t, r.decode([]byte{versionMarks + 1, 9, 9, 9}), ErrNewer)
	require.ErrorIs(t, r.decode([]byte{0}), ErrDamaged)
	require.ErrorIs(t, r.decode(nil), ErrDamaged)
}

func TestDamageIsNeverZeroCards(t *testing.T) {
	const fp = "1111111111111111"
	for name, written := range map[string]string{
		"a number not in its shortest form": "01" + "8000" + "00",
		"a list of nothing":                 "01" + "00" + "01" + "03" + "00" + "00",
		"lists out of order":                "01" + "00" + "02" + "0300" + "0101" + fp + "0200" + "0101" + fp,
		"a list twice":                      "01" + "00" + "02" + "0300" + "0101" + fp + "0300" + "0101" + fp,
		"elements out of order":             "01" + "00" + "01" + "0300" + "02" + "05" + fp + "00" + "1011111111111111",
		"an element twice":                  "01" + "00" + "01" + "0300" + "02" + "05" + fp + "00" + fp,
		"a time before all time":            "01" + "00" + "01" + "0300" + "02" + "05" + fp + "06" + fp,
		"a time after all time":             "01" + "00" + "01" + "0300" + "01" + "ffffffffffffffff7f" + fp,
		"more elements than bytes":          "01" + "00" + "01" + "0300" + "ffffffff0f" + "05" + fp,
		"an idle list without a run":        "01" + "00" + "01" + "0305" + "01" + "05" + fp + "00",
		"two runs that are one":             "01" + "00" + "01" + "0305" + "01" + "20" + fp + "02" + "2000" + "0400",
		"a run that ends before it began":   "01" + "00" + "01" + "0305" + "01" + "05" + fp + "01" + "0506",
		"something more":                    "01" + "00" + "00" + "00",
	} {
		data, err := hex.DecodeString(written)
		require.NoError(t, err)
		var r Record
		require.ErrorIs(t, r.decode(data), ErrDamaged, name)
		require.Empty(t, r.lists, name)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	r := &Record{generation: 3}
	r.listFor(listKey{kind: 3}).observe(7, 1_800_000_000_000, 6)
	r.listFor(listKey{kind: 3}).observe(8, 1_800_000_001_000, 6)
	r.listFor(listKey{kind: 8, idle: 60_000}).observe(9, 1_800_000_002_000, 6)
	r.listFor(listKey{kind: 8, idle: 60_000}).observe(9, 1_800_000_992_000, 6)
	f.Add(r.append(nil))
	f.Add([]byte{1, 0, 0})
	r.setMark(&mark{key: markKey{kind: markHold, list: listKey{kind: 3}, window: 3_600_000, blockOver: 5}, at: 1_800_000_000_000})
	r.setMark(&mark{key: markKey{kind: markOverride, lasting: true}, at: 1_800_000_001_000, data: []byte("removed")})
	f.Add(r.append(nil))
	subject := testSubject(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Record
		if err := r.decode(data); err != nil {
			require.Empty(t, r.lists)
			require.Empty(t, r.marks)
			return
		}
		require.Equal(t, string(data), encodingOf(&r), "what is read is written the same")
		r.prune(subject, 1_800_000_000_000) // and computed with, without a panic
	})
}
