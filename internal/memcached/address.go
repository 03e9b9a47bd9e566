package memcached

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// resolveEvery is how often the names of servers are resolved anew. While a name and its
// old server live, nothing else would tell that the name moved to another one, and
// instances of before and after would count apart.
const resolveEvery = 30 * time.Second

// isNamed reports whether the address is host:port with a name that is to be resolved.
func (p *pipe) isNamed() bool {
	host, _, err := net.SplitHostPort(p.address)
	if p.network() == "unix" || err != nil {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err != nil
}

// resolve returns the addresses of the name, IP:port, in an order that is the same on all
// instances, whatever order the resolver gives.
func (p *pipe) resolve(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return nil, err
	}
	found, err := p.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	for i, ip := range found {
		found[i] = net.JoinHostPort(ip, port)
	}
	return found, nil
}

// connect makes a connection. Of a name with several addresses it takes the one that the
// other connections are at, and else the first that can be reached. The timeout bounds all
// of it.
func (p *pipe) connect(timeout time.Duration) (net.Conn, error) {
	dialer, end := net.Dialer{}, time.Now().Add(timeout)
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	if !p.isNamed() {
		return dialer.DialContext(ctx, p.network(), p.address)
	}
	addresses, err := p.resolve(ctx)
	if err != nil {
		return nil, err
	}
	if inUse := p.inUse.Load(); inUse != nil && slices.Contains(addresses, *inUse) {
		addresses = slices.Concat([]string{*inUse}, slices.DeleteFunc(addresses, func(a string) bool { return a == *inUse }))
	}
	var failed error
	for i, address := range addresses {
		// The time that is left, in equal parts: one address that is silent leaves some to
		// the others.
		dialer.Timeout = time.Until(end) / time.Duration(len(addresses)-i)
		nc, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			p.inUse.Store(&address)
			return nc, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

// follow resolves the name anew. Where it does not stand for the address in use any more,
// all connections move to the first that it stands for: what was under way is asked again
// there. It returns both addresses; empty where nothing moved.
func (p *pipe) follow(ctx context.Context) (from, to string) {
	inUse := p.inUse.Load()
	if inUse == nil || !p.isNamed() {
		return "", ""
	}
	addresses, err := p.resolve(ctx)
	if err != nil || len(addresses) == 0 || slices.Contains(addresses, *inUse) {
		return "", "" // a resolver that fails moves nothing
	}
	p.inUse.Store(&addresses[0])
	for i := range p.links {
		if l := p.links[i].Swap(nil); l != nil {
			l.end(errAbandoned)
		}
	}
	return *inUse, addresses[0]
}

// follow moves the server's connections after its name, every resolveEvery until Close.
func (s *Server) follow() {
	stopped, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a stop waits for no resolver
		<-s.client.stop
		cancel()
	}()
	tick := time.NewTicker(resolveEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.client.stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(stopped, dialTimeout)
		if from, to := s.pipe.follow(ctx); to != "" {
			s.client.Moved(s.name, from, to)
		}
		cancel()
	}
}

// network is that of the address.
func (p *pipe) network() string {
	if strings.HasPrefix(p.address, "/") {
		return "unix"
	}
	return "tcp"
}
