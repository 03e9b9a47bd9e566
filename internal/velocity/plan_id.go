package velocity

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// ID returns the eight characters that stand for the hash key in the names of stored
// records. They tell nothing of it.
func (k *Keys) ID() string { return base64.RawURLEncoding.EncodeToString(k.id[:]) }

// IDs returns eight letters and digits that stand for the rules, in their order, with the
// length of IPv6 networks, and eight for the entries of the network lists, without their
// notes: instances that decide alike have the same. They are the same in every version. It
// looks at all entries.
func (p *Plan) IDs() (rules, lists string) {
	var b strings.Builder
	fmt.Fprintf(&b, "ipv6_prefix %d\n", p.ipv6Prefix)
	for _, r := range p.rules {
		fmt.Fprintf(&b, "%s per %s count %s window %s review %d block %d %s hold %s %s\n",
			r.Name, r.Per, r.Count, r.Window, r.ReviewOver, r.BlockOver, r.Retention, r.Hold, r.Mode)
	}
	var entries []string
	if p.lists != nil {
		for _, e := range p.lists.entries {
			entries = append(entries, fmt.Sprintf("%s %s %d\n", e.Outcome, e.Net, e.Until.Unix()))
		}
	}
	slices.Sort(entries)
	return planID(b.String()), planID(strings.Join(slices.Compact(entries), ""))
}

func planID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return shortIDs.EncodeToString(sum[:5])
}
