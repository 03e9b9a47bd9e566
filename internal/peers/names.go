package peers

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// resolveEvery is how long the addresses of a name are good, resolveAgain how long it
	// takes to the next try after one that failed.
	resolveEvery = 30 * time.Second
	resolveAgain = 2 * time.Second
	// maxAddresses of one name are asked.
	maxAddresses = 64
)

var (
	errUnresolved   = errors.New("its name does not resolve")
	errManyAdresses = errors.New("its name stands for more than 64 addresses, and only those were asked")
)

// names are the addresses of a host, as the last look-up that succeeded found them.
type names struct {
	host    string
	resolve func(context.Context, string) ([]netip.Addr, error)
	found   atomic.Pointer[[]netip.Addr] // sorted; nil: none yet
	tried   chan struct{}                // closed after the first look-up
}

// follow resolves the host until ctx ends. An address needs no look-up.
func follow(ctx context.Context, host string, resolve func(context.Context, string) ([]netip.Addr, error)) *names {
	n := &names{host: host, resolve: resolve, tried: make(chan struct{})}
	if addr, err := netip.ParseAddr(host); err == nil {
		n.found.Store(&[]netip.Addr{addr.Unmap()})
		close(n.tried)
		return n
	}
	go n.run(ctx)
	return n
}

func (n *names) run(ctx context.Context) {
	for first := true; ctx.Err() == nil; first = false {
		next := resolveEvery
		if !n.look(ctx) {
			next = resolveAgain
		}
		if first {
			close(n.tried)
		}
		wait := time.NewTimer(next)
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
	}
}

// look resolves the host once. What was found before stays where it fails.
func (n *names) look(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := n.resolve(ctx, n.host)
	if err != nil || len(found) == 0 {
		return false
	}
	addresses := make([]netip.Addr, len(found))
	for i, a := range found {
		addresses[i] = a.Unmap()
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	addresses = slices.Compact(addresses)
	n.found.Store(&addresses)
	return true
}

// addresses returns the addresses that are known, at most maxAddresses; err is why others
// are missing. It waits for the first look-up, until ctx ends.
func (n *names) addresses(ctx context.Context) (found []netip.Addr, err error) {
	select {
	case <-n.tried:
	case <-ctx.Done():
	}
	known := n.found.Load()
	if known == nil {
		return nil, errUnresolved
	}
	if len(*known) > maxAddresses {
		return (*known)[:maxAddresses], errManyAdresses
	}
	return *known, nil
}

// Addresses returns the addresses of all peers, as far as they are known now.
func (p *Peers) Addresses() (all []netip.Addr) {
	if p == nil {
		return nil
	}
	for _, each := range p.peers {
		if known := each.names.found.Load(); known != nil {
			all = append(all, *known...)
		}
	}
	return all
}
