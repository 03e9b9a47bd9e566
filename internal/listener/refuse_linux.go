package listener

import (
	"math"
	"net"

	"golang.org/x/sys/unix"
)

// refuse makes the kernel refuse new connections, as it does where nothing listens,
// and complete those that have begun: it binds the socket to a network interface that
// does not exist; handshakes that have begun keep theirs. It reports whether the
// kernel does that (Linux 5.7 or later).
func refuse(ln *net.TCPListener) (done bool) {
	control(ln, func(fd int) {
		done = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, math.MaxInt32) == nil
	})
	return done
}
