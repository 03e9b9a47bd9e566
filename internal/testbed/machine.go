package testbed

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine describes the machine in a line or two, for the head of a measurement: its
// processors, the versions of kernel, Go and memcached, and what the two operations cost
// that a check is made of.
func Machine() string {
	kernel := unix.Utsname{}
	_ = unix.Uname(&kernel)
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, memcached %s\na write and a read of one byte through a socket: %.2f µs; an HMAC-SHA-256 of 50 bytes: %.2f µs",
		processor(), runtime.NumCPU(), unix.ByteSliceToString(kernel.Release[:]), runtime.Version(), memcachedVersion(),
		socketPair().Seconds()*1e6, keyedHash().Seconds()*1e6)
}

var modelName = regexp.MustCompile(`(?m)^(?:model name|Model)\s*: (.+)$`)

// processor returns the name of the processor.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if found := modelName.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return runtime.GOARCH
}

// memcachedVersion returns the version of the memcached that would be started.
func memcachedVersion() string {
	text, err := exec.Command("memcached", "-V").Output()
	if err != nil {
		return "not installed"
	}
	return strings.TrimPrefix(string(bytes.TrimSpace(text)), "memcached ")
}

// socketPair returns the cost of two system calls that take a byte through a pair of
// sockets; 0 where there are none.
func socketPair() time.Duration {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	b := make([]byte, 1)
	return cheapest(func() {
		_, _ = unix.Write(pair[0], b)
		_, _ = unix.Read(pair[1], b)
	})
}

// keyedHash returns the cost of an HMAC with a reused state, as a fingerprint is made.
func keyedHash() time.Duration {
	mac, input, sum := hmac.New(sha256.New, make([]byte, 32)), make([]byte, 50), make([]byte, 0, 32)
	return cheapest(func() {
		mac.Reset()
		mac.Write(input)
		sum = mac.Sum(sum[:0])
	})
}

// cheapest returns the time of one operation, in the fastest of several runs: whatever
// else the machine does only adds to it.
func cheapest(operation func()) time.Duration {
	const runs, each = 20, 1000
	least := time.Hour
	for range runs {
		start := time.Now()
		for range each {
			operation()
		}
		least = min(least, time.Since(start)/each)
	}
	return least
}
