//go:build !linux

package listener

import "net"

// refuse reports false: only Linux can. Close then waits for a moment in which the
// backlog is empty.
func refuse(*net.TCPListener) bool { return false }
