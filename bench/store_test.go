package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// The embedded store by the number of addresses it knows, each with one card:
//
//	B/address     resident memory it took, from the system's view
//	gc-ms         a forced garbage collection, median of five
//	checks/s      by one goroutine, of addresses that it knows, in any order
//	cpu-ns/check  the same in processor time, for a machine that is not idle
//	fill-p99.99-us, fill-slowest-us
//	              of the checks that filled it, its growth among them
//
// The slowest counts whatever the machine did meanwhile: the least of several runs
// tells.
func BenchmarkStore(b *testing.B) {
	for _, addresses := range []int{1_000, 100_000, 1_000_000, 5_000_000} {
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			if testing.Short() && addresses > 1_000_000 {
				b.Skip("takes half a gigabyte")
			}
			benchmarkStore(b, addresses)
		})
	}
}

func benchmarkStore(b *testing.B, addresses int) {
	took := make([]time.Duration, addresses)
	for i := range took {
		took[i] = 1 // so that it is resident from the start
	}
	a := velocitytest.Attempt(b, "203.0.113.7", 1)
	keys := velocitytest.NewKeys(b)
	var d velocity.Decision
	before := resident(b)

	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
	require.NoError(b, err)
	memory, err := velocity.NewMemory(1 << 30)
	require.NoError(b, err)
	c := velocity.NewChecker(plan, keys, memory)
	show := func(n int, now velocity.Time) {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], uint32(n))
		a.Address = netip.AddrFrom4(ip)
		c.Check(&a, now, nil, &d)
		check(d.Rules[0].Count == 1, "one card each")
	}
	for n := range addresses {
		start := time.Now()
		show(n, velocitytest.Start)
		took[n] = time.Since(start)
	}
	grown := residentNow(b) - before
	check(memory.Stats().Records == addresses, "all are known, each by a record of its own")

	var collections []float64
	for range 5 {
		start := time.Now()
		runtime.GC()
		collections = append(collections, float64(time.Since(start).Microseconds())/1000)
	}
	slices.Sort(collections)

	random, now, checks := rand.New(rand.NewPCG(1, 2)), velocitytest.Start, 0
	start, busy := time.Now(), processorTime(b)
	for b.Loop() {
		now++
		checks++
		show(random.IntN(addresses), now-now%1000)
	}
	b.ReportMetric(float64(grown)/float64(addresses), "B/address")
	b.ReportMetric(collections[len(collections)/2], "gc-ms")
	b.ReportMetric(float64(checks)/time.Since(start).Seconds(), "checks/s")
	b.ReportMetric(float64(processorTime(b)-busy)/float64(checks), "cpu-ns/check")
	stats := memory.Stats()
	check(stats.Records == addresses && stats.EvictedInWindow == 0, "nothing was forgotten")

	slices.Sort(took)
	b.ReportMetric(float64(took[addresses-1].Microseconds()), "fill-slowest-us")
	b.ReportMetric(float64(took[addresses-1-addresses/10_000].Microseconds()), "fill-p99.99-us")
}

// The embedded store when it is full and evicts, by its size: a check with a new address
// and a new e-mail each time.
//
//	cpu-ns/check       processor time
//	p99-us, p99.99-us  of one check, in wall time
//
// They must not depend on the size: what an eviction looks at does not.
func BenchmarkStoreFull(b *testing.B) {
	for _, size := range []int64{1 << 20, 16 << 20, 256 << 20} {
		b.Run(fmt.Sprintf("MiB=%d", size>>20), func(b *testing.B) { benchmarkFull(b, size) })
	}
}

func benchmarkFull(b *testing.B, size int64) {
	email := velocity.DefaultRule
	email.Name, email.Per, email.Window = "cards_per_email", "email", 24*time.Hour
	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule, email}, 64)
	require.NoError(b, err)
	memory, err := velocity.NewMemory(size)
	require.NoError(b, err)
	c := velocity.NewChecker(plan, velocitytest.NewKeys(b), memory)
	var d velocity.Decision
	n := 0
	show := func() {
		n++
		a := withEmail(b, n)
		c.Check(&a, velocitytest.Start, nil, &d)
	}
	for memory.Stats().EvictedInWindow < uint64(size/200) {
		for range 1000 {
			show()
		}
	}
	took := make([]time.Duration, 0, 1<<20)
	busy := processorTime(b)
	for b.Loop() {
		start := time.Now()
		show()
		if len(took) < cap(took) {
			took = append(took, time.Since(start))
		}
	}
	b.ReportMetric(float64(processorTime(b)-busy)/float64(b.N), "cpu-ns/check")
	slices.Sort(took)
	quantile := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Nanoseconds()) / 1000 }
	b.ReportMetric(quantile(0.99), "p99-us")
	b.ReportMetric(quantile(0.9999), "p99.99-us")
}

// withEmail is an attempt with the n-th address and e-mail.
func withEmail(b *testing.B, n int) velocity.Attempt {
	var f velocity.Fields
	f.Set(velocity.FieldIP, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n)))).String())
	f.Set(velocity.FieldLast4, "4242")
	f.Set(velocity.FieldExpMonth, "12")
	f.Set(velocity.FieldExpYear, "30")
	f.Set(velocity.FieldEmail, strconv.Itoa(n)+"@example.com")
	a, err := velocity.ParseAttempt(&f)
	require.NoError(b, err)
	return a
}

// processorTime is the processor time this process has taken.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the memory this process has, once what earlier runs left is given back.
func resident(b *testing.B) int {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	return residentNow(b)
}

func residentNow(b *testing.B) int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("resident memory is read from /proc")
	}
	pages, err := strconv.Atoi(string(bytes.Fields(statm)[1]))
	require.NoError(b, err)
	return pages * os.Getpagesize()
}
