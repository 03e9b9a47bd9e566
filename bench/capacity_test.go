package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// capacity is docs/capacity.md: its constants and assumptions by the text of their rows,
// under the default rule and the recommended rules.
type capacity struct {
	page string
	rows map[string][]float64
}

func readCapacity(t *testing.T) *capacity {
	t.Helper()
	text, err := os.ReadFile("../docs/capacity.md")
	require.NoError(t, err)
	c := &capacity{page: string(text), rows: make(map[string][]float64)}
	for line := range strings.Lines(c.page) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) < 3 {
			continue
		}
		var numbers []float64
		for _, cell := range cells[1:3] {
			if n, err := strconv.ParseFloat(strings.ReplaceAll(cell, ",", ""), 64); err == nil {
				numbers = append(numbers, n)
			}
		}
		if len(numbers) == 2 {
			c.rows[cells[0]] = numbers
		}
	}
	return c
}

// The derived tables of the page follow from its constants and assumptions.
func TestTheTablesOfCapacityFollowFromItsConstants(t *testing.T) {
	c := readCapacity(t)
	for rules, name := range []string{"the default rule", "the recommended rules"} {
		of := func(constant string) float64 {
			require.Contains(t, c.rows, constant)
			return c.rows[constant][rules]
		}
		var (
			instance = of("µs of an instance for a check")
			store    = of("µs of memcached for a check")
			held     = of("bytes of an instance for an IP address")
			pages    = of("bytes of memcached for an IP address")
			perOrder = of("checks for an order") * of("busiest second to its hour")
			known    = of("busiest hours of IP addresses in the window")
			least    = of("attack, least checks a second")
			bots     = of("attack, IP addresses in the window")
			idle     = of("processors bought for one that is busy")
			room     = of("room bought in memcached for pages that are full")
		)
		require.Contains(t, c.page, "**By "+name+".**")
		for orders := 1000.0; orders <= 10_000_000; orders *= 10 {
			trade := orders / 3600 * perOrder
			load, addresses := trade+max(least, trade), orders*known+bots
			row := fmt.Sprintf("| %s | %s | %s | %.2f | %.2f | %s | %s |", thousands(orders), thousands(trade), thousands(load),
				load*instance/1e6*idle, load*store/1e6*idle, thousands(addresses*held/(1<<20)), thousands(addresses*pages*room/(1<<20)))
			require.Contains(t, c.page, row, name)
		}
		const load, anHour = 100_000, 50e6
		addresses := anHour * known
		for what, n := range map[string]float64{
			"instances, processors busy":        load * instance / 1e6,
			"instances, processors to buy":      load * instance / 1e6 * idle,
			"memcached, processors busy":        load * store / 1e6,
			"memcached, processors to buy":      load * store / 1e6 * idle,
			"memcached, commands a second":      load * of("commands to memcached for a check"),
			"IP addresses in the window":        addresses,
			"memory of each instance, GiB":      addresses * held / (1 << 30),
			"memory of all memcached, GiB":      addresses * pages * room / (1 << 30),
			"callers to instances, Mbit/s":      load * 8 / 1e6 * (of("bytes from the callers for a check") + 2*of("bytes of headers of a packet")),
			"instances to callers, Mbit/s":      load * 8 / 1e6 * (of("bytes to the callers for a check") + 2*of("bytes of headers of a packet")),
			"instances to memcached, Mbit/s":    load * 8 / 1e6 * (of("bytes to memcached for a check") + 2*of("commands to memcached for a check")*of("bytes of headers of a packet")),
			"memcached to instances, Mbit/s":    load * 8 / 1e6 * (of("bytes from memcached for a check") + 2*of("commands to memcached for a check")*of("bytes of headers of a packet")),
			"packets of callers, both ways/s":   4 * load,
			"packets of memcached, both ways/s": 4 * load * of("commands to memcached for a check"),
		} {
			digits := 0
			if n < 10 {
				digits = 1
			}
			want := thousands(n)
			if digits == 1 {
				want = fmt.Sprintf("%.1f", n)
			}
			found := false
			for line := range strings.Lines(c.page) {
				if cells := strings.Split(strings.Trim(line, "| \n"), " | "); len(cells) > rules+1 && cells[0] == what {
					require.Equal(t, want, cells[rules+1], "%s, %s", what, rules)
					found = true
				}
			}
			require.True(t, found, what)
		}
	}
}

// thousands is the whole number with commas.
func thousands(n float64) string {
	text := strconv.FormatInt(int64(math.Round(n)), 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
