package listener

import "golang.org/x/sys/unix"

// Gone reports whether the other side has closed the connection, or its half of it. It does
// not read.
func (c *Conn) Gone() (gone bool) {
	socket, _ := c.layers()
	if socket == nil {
		return false
	}
	control(socket, func(fd int) {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, _ := unix.Poll(polled, 0)
		gone = n > 0
	})
	return gone
}
