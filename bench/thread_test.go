package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// One thread of memcached at its limit: eight connections add records as instances do for
// new IP addresses, so many of them in one system call, followed by the read that names
// the server's memory. What asks is cheap and has another processor.
//
//	checks/s      records added
//	mc-ns/check   processor time of memcached
//	mc-busy-%     share of one processor that memcached took: near 100, it is the limit
func BenchmarkMemcachedThread(b *testing.B) {
	for _, batch := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) { benchmarkThread(b, batch) })
	}
}

const (
	addedKey   = "fraudcheck:0123456789:000000000-000-0000000000"
	canaryRead = "gets canary\r\n"
	named      = "NAMENAMENAME"
)

func benchmarkThread(b *testing.B, batch int) {
	const conns = 8
	server := testbed.StartMemcached(b, "-t", "1", "-m", "4096")
	answer, err := server.Ask(fmt.Sprintf("add canary 0 0 %d\r\n%s\r\n%s", len(named), named, canaryRead))
	require.NoError(b, err)
	_, canary, found := strings.Cut(answer, "STORED\r\n")
	require.True(b, found && strings.Contains(canary, named), answer)
	canary = strings.TrimSuffix(canary, "ERROR\r\n") // what Ask adds is no command any more
	want := []byte(strings.Repeat("STORED\r\n", batch) + canary)

	batches := max(1, b.N/batch/conns)
	var all sync.WaitGroup
	busy, begun := memcachedTime(b, server), time.Now()
	for n := range conns {
		conn, err := net.Dial("tcp", server.Addr)
		require.NoError(b, err)
		defer conn.Close()
		all.Go(func() {
			command := fmt.Sprintf("add %s 0 3600 44\r\n%s\r\n", addedKey, strings.Repeat("v", 44))
			out, in := []byte(strings.Repeat(command, batch)+canaryRead), make([]byte, len(want))
			for i := range batch {
				copy(out[i*len(command)+strings.Index(command, "-000-"):], fmt.Sprintf("-%03d-", n))
			}
			for round := range batches {
				for i := range batch {
					copy(out[i*len(command)+strings.Index(command, "-0000000000")+1:], fmt.Sprintf("%010d", round*batch+i))
				}
				if _, err := conn.Write(out); err != nil {
					panic(err)
				}
				if _, err := io.ReadFull(conn, in); err != nil || !bytes.Equal(in, want) {
					panic(fmt.Sprintf("%v, %q", err, in))
				}
			}
		})
	}
	all.Wait()
	took, added := time.Since(begun), float64(batches*batch*conns)
	busy = memcachedTime(b, server) - busy
	b.ReportMetric(added/took.Seconds(), "checks/s")
	b.ReportMetric(float64(busy.Nanoseconds())/added, "mc-ns/check")
	b.ReportMetric(100*busy.Seconds()/took.Seconds(), "mc-busy-%")
	b.ReportMetric(0, "ns/op")
}

// memcachedTime is the processor time that the server has taken.
func memcachedTime(b *testing.B, server *testbed.TestMemcached) time.Duration {
	used, err := testbed.CPU(server.PID())
	require.NoError(b, err)
	return used
}
