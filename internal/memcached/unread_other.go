//go:build !linux

package memcached

import "net"

// hasUnread reports false: only on Linux the program looks.
func hasUnread(net.Conn) bool { return false }
