package event

import (
	"hash/maphash"
	"net/netip"
)

var seed = maphash.MakeSeed()

// noAddress stands for none: no shopper has it, it is for multicast.
var noAddress = [16]byte{0xff}

// Subject returns the address of a check as it counts, an IPv4 address as IPv4-mapped, an IPv6
// address as the first of its network, and a hash of it under a key of this process, so that
// nobody can choose addresses that collide. Attempts without an address have one subject. It
// is made when the first watcher asks for it.
func (e *Event) Subject() ([16]byte, uint64) {
	if !e.hashed {
		switch addr := e.Attempt.Address; {
		case !addr.IsValid():
			e.subject = noAddress
		case addr.Is4():
			e.subject = addr.As16()
		default:
			e.subject = networkOf(addr, e.Decision.Plan.IPv6Prefix())
		}
		e.hash, e.hashed = maphash.Bytes(seed, e.subject[:]), true
	}
	return e.subject, e.hash
}

// networkOf cuts an IPv6 address to its network of that many bits, at least 48.
func networkOf(addr netip.Addr, bits int) [16]byte {
	b := addr.As16()
	if bits%8 != 0 {
		b[bits/8] &= ^(0xff >> (bits % 8))
	}
	for i := (bits + 7) / 8; i < len(b); i++ {
		b[i] = 0
	}
	return b
}
