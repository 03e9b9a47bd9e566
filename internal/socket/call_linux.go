//go:build !race

package socket

import (
	"syscall"
	"unsafe"
)

func read(fd uintptr, b []byte) (n int, err syscall.Errno) { return call(syscall.SYS_READ, fd, b) }

func write(fd uintptr, b []byte) (n int, err syscall.Errno) { return call(syscall.SYS_WRITE, fd, b) }

// call makes the system call on a descriptor that does not block, again where a signal came
// in between. b is not empty.
func call(number, fd uintptr, b []byte) (n int, err syscall.Errno) {
	for {
		// RawSyscall is the call that the scheduler is not told of.
		n, _, err := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch err {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}
