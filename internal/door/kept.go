package door

import (
	"bytes"
	"net/netip"

	"fraudcheck/internal/auth"
)

// Kept is what a door keeps of a connection from one request to the next, as the next is
// mostly of the same caller. The zero value is ready for use by one request at a time.
type Kept struct {
	credentials auth.LastCredentials

	// The conversation of which lines were last logged, and their tag.
	from         netip.Addr
	conversation []byte
	tag          string
}

// tagOf returns the tag of the conversation of a caller from that address.
func (k *Kept) tagOf(tags *Tags, from netip.Addr, conversation []byte) string {
	if k == nil {
		return string(tags.AppendTag(nil, from, conversation))
	}
	if k.tag == "" || k.from != from || !bytes.Equal(k.conversation, conversation) {
		k.from, k.conversation = from, append(k.conversation[:0], conversation...)
		k.tag = string(tags.AppendTag(nil, from, conversation))
	}
	return k.tag
}
