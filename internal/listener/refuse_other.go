//go:build !linux

package listener

import "net"

// refuse is only possible on Linux.
func refuse(*net.TCPListener) bool { return false }
