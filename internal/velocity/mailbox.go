package velocity

import (
	"bytes"
	"crypto/sha256"
)

// mailboxIdentity is the mailbox that an e-mail address of at most maxText characters
// reaches, as far as its text tells; unknown for an empty string. ASCII letter case does
// not matter. What follows the first + of the local part is the owner's own tag, and at
// Gmail dots in it mean nothing: an attacker makes aliases of one mailbox with both. Text
// that is not local@domain counts as it is.
func mailboxIdentity(text string) (id identity) {
	if text == "" {
		return id
	}
	var buf [maxText * 4]byte // a character takes at most 4 bytes in UTF-8
	b := buf[:copy(buf[:], text)]
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	sum := sha256.Sum256(canonicalMailbox(b))
	id[0] = tagText
	copy(id[1:], sum[:])
	return id
}

// canonicalMailbox drops the tag, and at Gmail the dots, where that leaves something of
// the local part. It works in the memory of b, which is in lower case.
func canonicalMailbox(b []byte) []byte {
	at := bytes.LastIndexByte(b, '@')
	if at <= 0 || at == len(b)-1 {
		return b
	}
	local, domain := b[:at], b[at+1:]
	gmail := string(domain) == "gmail.com" || string(domain) == "googlemail.com"
	if plus := bytes.IndexByte(local, '+'); plus > 0 {
		local = local[:plus]
	}
	if gmail {
		local = withoutDots(local)
		return append(append(local, '@'), "gmail.com"...) // it is never longer than b
	}
	return append(append(local, '@'), domain...)
}

// withoutDots drops the dots of a local part in place, unless it has nothing else.
func withoutDots(local []byte) []byte {
	kept := 0
	for _, c := range local {
		if c != '.' {
			kept++
		}
	}
	if kept == 0 {
		return local
	}
	without := local[:0]
	for _, c := range local {
		if c != '.' {
			without = append(without, c)
		}
	}
	return without
}
