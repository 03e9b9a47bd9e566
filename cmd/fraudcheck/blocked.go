package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"fraudcheck/internal/callers"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/recent"
)

// watchBlocked has checks tell which addresses are blocked, and operators see them. With
// memcached a list asks for as many records as it can in a part of a second.
func (s *service) watchBlocked(checks *callers.API, looks *operator.API) {
	blocked := recent.NewBlocked(s.checker)
	blocked.Panicked = func(fault any) { logPanic(s.log, "panic in the list of blocked addresses", fault) }
	if s.memcached != nil {
		blocked.ListFor = 400 * time.Millisecond
	}
	s.metrics.RegisterBlocked(func() int { return blocked.Count(s.now()) }, blocked.Evicted)
	checks.Watchers = append(checks.Watchers, blocked.Watch)
	looks.Blocked, looks.Firewall = blocked, operator.Firewall{Began: s.now(), Infrastructure: s.infrastructure}
}

// infrastructure returns the addresses that the service itself needs: trusted proxies and
// other instances, as they are now, and the servers of memcached, whose names it resolves.
func (s *service) infrastructure() ([]netip.Prefix, error) {
	networks := append([]netip.Prefix(nil), s.guard.TrustedProxies()...)
	for _, a := range s.peers.Addresses() {
		networks = append(networks, single(a))
	}
	if s.settings.Store.Kind == "memcached" {
		servers, err := addressesOf(s.settings.Store.Memcached.Servers)
		if err != nil {
			return nil, fmt.Errorf("store.memcached.servers: %w", err)
		}
		networks = append(networks, servers...)
	}
	return networks, nil
}

// addressesOf returns the addresses of servers, written host:port, all that a name has;
// none of the path of a unix socket. It waits for names at most a second.
func addressesOf(servers []string) (networks []netip.Prefix, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, server := range servers {
		if strings.HasPrefix(server, "/") {
			continue
		}
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			host = server
		}
		addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // an address is its own
		if err != nil {
			return nil, fmt.Errorf("%s does not resolve", host)
		}
		for _, a := range addresses {
			networks = append(networks, single(a))
		}
	}
	return networks, nil
}

// single is the network of the address alone.
func single(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen())
}
