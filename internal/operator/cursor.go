package operator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// A cursor is a position in base64url: time, instance and number, and 8 bytes of an HMAC
// over them. It is good at every instance with the same hash key, and no other text is.
const (
	positionBytes = 24
	cursorBytes   = positionBytes + 8
)

// cursor returns the text of a position.
func (a *API) cursor(p recent.Position) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.Time))
	b = binary.BigEndian.AppendUint64(b, p.Instance)
	b = binary.BigEndian.AppendUint64(b, p.Number)
	return base64.RawURLEncoding.EncodeToString(append(b, a.cursorCheck(b)...))
}

// position returns the position that cursor made the text of; false for any other text.
func (a *API) position(text string) (*recent.Position, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != cursorBytes || !hmac.Equal(b[positionBytes:], a.cursorCheck(b[:positionBytes])) {
		return nil, false
	}
	return &recent.Position{
		Time: velocity.Time(binary.BigEndian.Uint64(b)), Instance: binary.BigEndian.Uint64(b[8:]), Number: binary.BigEndian.Uint64(b[16:]),
	}, true
}

func (a *API) cursorCheck(position []byte) []byte {
	mac := hmac.New(sha256.New, a.CursorKey)
	mac.Write(position)
	return mac.Sum(nil)[:cursorBytes-positionBytes]
}
