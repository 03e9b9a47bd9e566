package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

// measureAddresses shows IP addresses, with a card each, to an instance with the embedded
// store and to one with memcached, and prints what they take in memory at each of the
// numbers that o.addresses lists.
func measureAddresses(ctx context.Context, o *options, stdout, progress io.Writer) error {
	steps, err := parseSteps(o.addresses)
	if err != nil {
		return fmt.Errorf("-addresses: %w", err)
	}
	l, err := newLab(ctx, rand.Text(), buildTree)
	if err != nil {
		return err
	}
	defer l.close()
	rules := "the default rule"
	if o.pack {
		rules = "the recommended rules, with card_id, cart and attempt_id, each from a network of its own"
	}
	fmt.Fprintf(stdout, "%s\n\nbytes for each IP address that showed one card, under %s\n", testbed.Machine(), rules)
	for _, s := range []setup{quietMemory, quietTCP} {
		s.pack = o.pack
		s.storeMiB = 1024 + int(steps[len(steps)-1])/250 // room for four kilobytes each: nothing is evicted
		if err := l.measureMemory(ctx, s, steps, stdout, progress); err != nil {
			return err
		}
	}
	return nil
}

// parseSteps reads increasing numbers, with commas between them.
func parseSteps(text string) (steps []uint32, err error) {
	last := uint32(0)
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(field, 10, 32)
		if err != nil || uint32(n) <= last || n > calls.Addresses {
			return nil, fmt.Errorf("%q: expected increasing numbers, at most %d, with commas between them", text, calls.Addresses)
		}
		last = uint32(n)
		steps = append(steps, last)
	}
	return steps, nil
}

// measureMemory starts a target, fills it step by step and prints a line for each step.
func (l *lab) measureMemory(ctx context.Context, s setup, steps []uint32, stdout, progress io.Writer) error {
	t := &target{name: s.store, auth: l.auth()}
	if err := l.startFraudcheck(ctx, t, s); err != nil {
		return err
	}
	i := t.instances[0]
	defer i.Stop() // the next one has the machine to itself
	empty := float64(i.ResidentKiB()) * 1024
	fmt.Fprintf(stdout, "\nstore %s\n%10s", s.store, "addresses")
	for _, title := range memoryTitles[:t.titles()] {
		fmt.Fprintf(stdout, " %*s", len(title)+2, title)
	}
	fmt.Fprintln(stdout)
	from := uint32(0)
	for _, to := range steps {
		if err := t.fill(ctx, from, to, s.pack, progress); err != nil {
			return fmt.Errorf("%s: %w%s", s.store, err, t.ended())
		}
		from = to
		held, err := t.memory(float64(to), s.pack)
		if err != nil {
			return err
		}
		held[1] -= empty
		fmt.Fprintf(stdout, "%10d", to)
		for n, bytes := range held {
			perAddress := fmt.Sprintf("%.0f", bytes/float64(to))
			if n == leastMiB {
				perAddress = fmt.Sprintf("%.0f", bytes/(1<<20))
			}
			fmt.Fprintf(stdout, " %*s", len(memoryTitles[n])+2, perAddress)
		}
		fmt.Fprintln(stdout)
	}
	return nil
}

// memoryTitles are those of the columns: of the instance what its records take
// (fraudcheck_memory_bytes) and by how much its resident memory grew, and of memcached its
// items (bytes), the pages for them (total_malloced), its hash table (hash_bytes), its
// resident memory, and the pages again in MiB: the least for -m.
var memoryTitles = []string{"records", "resident", "mc items", "mc pages", "mc hash table", "mc resident", "least -m MiB"}

// leastMiB is the column that is no number of bytes for each address.
const leastMiB = 6

// titles returns how many columns the target has.
func (t *target) titles() int {
	if t.store == nil {
		return 2
	}
	return len(memoryTitles)
}

// fill shows the addresses of these numbers once, over 64 connections. It fails where an
// answer is not that to a new address.
func (t *target) fill(ctx context.Context, from, to uint32, orders bool, progress io.Writer) error {
	const conns = 64
	var shown atomic.Uint32
	shown.Store(from)
	filling, ctx := errgroup.WithContext(ctx)
	for range conns {
		filling.Go(func() error {
			c, err := newCaller(t.addrs[0], t.auth, nil, orders)
			if err != nil {
				return err
			}
			defer c.Conn.Close()
			for {
				n := shown.Add(1) - 1
				if n >= to || ctx.Err() != nil {
					return ctx.Err()
				}
				if n%(1<<17) == 0 {
					fmt.Fprintf(progress, "\rstore %s: %d shown", t.name, n)
				}
				a, err := c.Call(n, n)
				for err == nil && a.Degraded {
					a, err = c.Call(n, n) // memcached has not got it yet
				}
				if err != nil {
					return err
				}
				if (a != calls.Answer{Status: 200, Decision: 'a', Count: 1}) {
					return fmt.Errorf("%w: a new address was answered %+v", errVoid, a)
				}
			}
		})
	}
	err := filling.Wait()
	fmt.Fprint(progress, "\r")
	return err
}

// memory returns the bytes that the instance and its memcached hold, as memoryTitles
// says; it fails where a record is not there.
func (t *target) memory(addresses float64, orders bool) (held []float64, err error) {
	s, err := t.state()
	if err != nil {
		return nil, err
	}
	// An order is an address, a card, a cart and a network.
	least, most := addresses, addresses
	if orders {
		least, most = 3*addresses, 4*addresses
	}
	m := s.metrics[0]
	if n := m["fraudcheck_memory_records"]; n < least || n > most || m["fraudcheck_store_evicted_in_window_total"] > 0 {
		return nil, fmt.Errorf("%w: there are %.0f records of %.0f addresses", errVoid, n, addresses)
	}
	held = []float64{m["fraudcheck_memory_bytes"], float64(t.instances[0].ResidentKiB()) * 1024}
	if t.store == nil {
		return held, nil
	}
	// One item more is the name of the server's memory.
	if items := s.store["curr_items"]; items < least+1 || items > most+1 || s.store["evictions"] != 0 {
		return nil, fmt.Errorf("%w: memcached holds %.0f items and evicted %.0f", errVoid, items, s.store["evictions"])
	}
	slabs, err := t.store.Ask("stats slabs")
	if err != nil {
		return nil, err
	}
	var pages float64
	_, after, _ := strings.Cut(slabs, "STAT total_malloced ")
	if _, err := fmt.Sscan(after, &pages); err != nil {
		return nil, fmt.Errorf("stats slabs: %w", err)
	}
	return append(held, s.store["bytes"], pages, s.store["hash_bytes"], float64(t.store.ResidentKiB())*1024, pages), nil
}
