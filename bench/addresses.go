package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

// measureAddresses shows o.addresses different IP addresses, with a card each, to an
// instance with the embedded store and to one with memcached, and prints what they take
// in memory.
func measureAddresses(ctx context.Context, o *options, stdout, progress io.Writer) error {
	if o.addresses > calls.Addresses {
		return fmt.Errorf("-addresses: at most %d", calls.Addresses)
	}
	l, err := newLab(ctx, rand.Text(), buildTree)
	if err != nil {
		return err
	}
	defer l.close()
	fmt.Fprintf(stdout, "%s\n\n%d addresses with one card each\n", testbed.Machine(), o.addresses)
	for _, s := range []setup{quietMemory, quietTCP} {
		s.storeMiB = 1024 + o.addresses/1000 // room for a kilobyte each: nothing is evicted
		t := &target{name: s.store, auth: l.auth()}
		if err := l.startFraudcheck(ctx, t, s); err != nil {
			return err
		}
		i := t.instances[0]
		empty := i.ResidentKiB()
		begun := time.Now()
		if err := t.fill(ctx, uint32(o.addresses), progress); err != nil {
			return fmt.Errorf("%s: %w%s", s.store, err, t.ended())
		}
		fmt.Fprintf(stdout, "\nstore %s, filled in %.0f s\n", s.store, time.Since(begun).Seconds())
		if err := t.printMemory(stdout, float64(o.addresses), float64(i.ResidentKiB()-empty)*1024); err != nil {
			return err
		}
		i.Stop() // the next one has the machine to itself
	}
	return nil
}

// fill shows every address once, over 64 connections. It fails where an answer is not
// that to a new address.
func (t *target) fill(ctx context.Context, addresses uint32, progress io.Writer) error {
	const conns = 64
	var shown atomic.Uint32
	filling, ctx := errgroup.WithContext(ctx)
	for range conns {
		filling.Go(func() error {
			c, err := calls.Dial(t.addrs[0], t.auth)
			if err != nil {
				return err
			}
			defer c.Conn.Close()
			for {
				n := shown.Add(1) - 1
				if n >= addresses || ctx.Err() != nil {
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

// printMemory prints what the instance and its memcached hold; grown is by how much the
// resident memory of the instance grew, in bytes.
func (t *target) printMemory(w io.Writer, addresses, grown float64) error {
	const mib = 1 << 20
	line := func(what string, bytes float64) {
		fmt.Fprintf(w, "  %-60s %8.1f MiB %6.0f B/address\n", what, bytes/mib, bytes/addresses)
	}
	s, err := t.state()
	if err != nil {
		return err
	}
	m := s.metrics[0]
	for name, wanted := range map[string]float64{"fraudcheck_memory_records": addresses, "fraudcheck_store_evicted_in_window_total": 0} {
		if n := m[name]; n != wanted {
			return fmt.Errorf("%w: %s is %.0f, not %.0f", errVoid, name, n, wanted)
		}
	}
	line("instance: records (fraudcheck_memory_bytes)", m["fraudcheck_memory_bytes"])
	line("instance: resident memory more than empty", grown)
	if t.store == nil {
		return nil
	}
	// One item more is the name of the server's memory.
	if items := s.store["curr_items"]; items != addresses+1 || s.store["evictions"] != 0 {
		return fmt.Errorf("%w: memcached holds %.0f items and evicted %.0f", errVoid, items, s.store["evictions"])
	}
	slabs, err := t.store.Ask("stats slabs")
	if err != nil {
		return err
	}
	var taken float64
	_, after, _ := strings.Cut(slabs, "STAT total_malloced ")
	if _, err := fmt.Sscan(after, &taken); err != nil {
		return fmt.Errorf("stats slabs: %w", err)
	}
	line("memcached: items (bytes)", s.store["bytes"])
	line("memcached: pages for them (total_malloced): the least for -m", taken)
	line("memcached: hash table (hash_bytes), beside -m", s.store["hash_bytes"])
	line("memcached: resident memory", float64(t.store.ResidentKiB())*1024)
	return nil
}
