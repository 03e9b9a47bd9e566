//go:build unix

package fraudcheck

import (
	"crypto/tls"
	"errors"
	"syscall"
)

// isQuiet reports whether a kept connection is open and nothing has come unasked, such as
// the 408 with which some proxies end it. It looks without waiting.
func (c *conn) isQuiet() (quiet bool) {
	inner := c.Conn
	if secured, ok := inner.(*tls.Conn); ok {
		inner = secured.NetConn()
	}
	raw, err := inner.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Read(func(socket uintptr) bool {
		_, _, err := syscall.Recvfrom(int(socket), make([]byte, 1), syscall.MSG_PEEK)
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return quiet && err == nil
}
