package server

import (
	"math"
	"net"

	"golang.org/x/sys/unix"
)

// refuse makes the kernel refuse whoever wants to connect from now on, as it does
// where nobody listens, and let in who has begun to: it moves the socket to a network
// interface that there is none of, and who has begun stays where he began. It reports
// whether the kernel does that (Linux 5.7 or later).
func refuse(ln *net.TCPListener) (done bool) {
	control(ln, func(fd int) {
		done = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, math.MaxInt32) == nil
	})
	return done
}
