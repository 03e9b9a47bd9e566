//go:build race

package socket

import (
	"errors"
	"syscall"
)

// For the race detector these are the calls of package syscall: they tell it that what is
// read was written before, and which memory they touch.

func read(fd uintptr, b []byte) (n int, err syscall.Errno) { return again(syscall.Read, fd, b) }

func write(fd uintptr, b []byte) (n int, err syscall.Errno) { return again(syscall.Write, fd, b) }

// again makes the call, again where a signal came in between.
func again(call func(fd int, b []byte) (int, error), fd uintptr, b []byte) (n int, failed syscall.Errno) {
	for {
		n, err := call(int(fd), b)
		if err == nil {
			return n, 0
		}
		if errors.As(err, &failed); failed != syscall.EINTR {
			return 0, failed
		}
	}
}
